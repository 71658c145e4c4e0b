// A whole server under hostile traffic from a seed, with an honest client beside it that must not notice.

import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import { Prng } from '../../../src/base/prng.ts';
import { RemotingClient } from '../../../src/remoting/transport/remoting-client.ts';
import { startTestServer } from '../../../src/server/testing.ts';
import type { RunningServer } from '../../../src/server/testing.ts';
import { findViolations } from '../../../src/store/inspect/check-store.ts';
import { hostileRequest } from '../../remoting/support/hostile-requests.ts';
import { goldenCorpus, mutate } from '../../remoting/support/mutated-frames.ts';
import { RawPeer } from '../../remoting/support/raw-peer.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { messagesOf, pullRequest, sendRequest } from './requests.ts';

const ATTACKERS = 16;
const FRAMES_PER_CONNECTION = 50;
const HEAP_GROWTH_MAX_BYTES = 64 * 1024 * 1024;

export interface HostileTrafficReport {
  readonly frames: number;
  readonly answers: number;
  readonly honestMessages: number;
}

/** Throws, or fails an expectation, at the first harm. */
export async function hostileTraffic(
  seed: number,
  frameCount: number,
  brokerConfig: Readonly<Record<string, string>> = {},
): Promise<HostileTrafficReport> {
  const outside = temporaryDirectory();
  const dataDir = join(outside, 'inside', 'data');
  mkdirSync(dataDir, { recursive: true });
  const surprises: unknown[] = [];
  const server = await startTestServer({ dataDir, brokerConfig, logger: surpriseLogger(surprises) });
  const report = { frames: 0, answers: 0, honestMessages: 0 };
  const attack = { isOver: false };
  try {
    const honest = honestClient(server, attack);
    const share = Math.ceil(frameCount / ATTACKERS / 2);
    const wave = (round: number): Promise<unknown> =>
      Promise.all(
        Array.from({ length: ATTACKERS }, (_, index) =>
          attacker(server, seed * 1_000 + round * ATTACKERS + index, share, report),
        ),
      );
    // What the first half makes (topics, groups, compiled code) may stay; the second half must add nothing to it.
    await wave(0);
    const heapBefore = heapAfterCollection();
    await wave(1);
    const growthBytes = heapAfterCollection() - heapBefore;
    attack.isOver = true;
    report.honestMessages = await honest;
    expect(growthBytes).toBeLessThan(HEAP_GROWTH_MAX_BYTES);
  } finally {
    attack.isOver = true;
    await server.stop();
  }
  expect(surprises).toEqual([]);
  expect(readdirSync(outside)).toEqual(['inside']);
  expect(readdirSync(join(outside, 'inside'))).toEqual(['data']);
  expect(await findViolations({ dir: dataDir, strict: true })).toEqual([]);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  return report;
}

/** Connections one after the other, of frames and of bytes that are none, to broker and name server. */
async function attacker(
  server: RunningServer,
  seed: number,
  frameCount: number,
  report: { frames: number; answers: number },
): Promise<void> {
  const prng = new Prng(seed);
  for (let sent = 0; sent < frameCount; sent += FRAMES_PER_CONNECTION) {
    const address = prng.chance(0.8) ? server.brokerAddress : server.namesrvAddress;
    const peer = await RawPeer.connect(Number(address.split(':')[1]));
    const isMutating = prng.chance(0.3);
    const frames: Buffer[] = [];
    for (let index = 0; index < FRAMES_PER_CONNECTION; index++) {
      frames.push(isMutating ? mutate(prng, prng.pick(goldenCorpus)) : hostileRequest(prng, index));
    }
    const bytes = Buffer.concat(frames);
    const chunkSize = prng.pick([bytes.length, bytes.length, 1_000, 10_000, 65_536]);
    for (let at = 0; at < bytes.length; at += chunkSize) peer.socket.write(bytes.subarray(at, at + chunkSize));
    report.frames += FRAMES_PER_CONNECTION;
    if (prng.chance(0.2)) peer.socket.destroy();
    else if (prng.chance(0.5)) peer.socket.end();
    else {
      // Reads a few answers first.
      await Promise.race([peer.receive(10), new Promise((resolve) => setTimeout(resolve, 20))]);
      peer.socket.destroy();
    }
    await peer.closed();
    report.answers += peer.received.length;
  }
}

/** Sends and pulls in turns until the attack is over: nothing lost, nothing twice, nothing changed, nothing refused. */
async function honestClient(server: RunningServer, attack: { readonly isOver: boolean }): Promise<number> {
  const client = new RemotingClient({ clock: systemClock, logger: silentLogger });
  try {
    const topic = 'Honest';
    let offset = 0;
    while (!attack.isOver) {
      for (let count = 0; count < 8; count++) {
        const body = `message ${offset + count}`;
        const sent = await client.invoke(server.brokerAddress, sendRequest({ topic, body }), 10_000);
        expect(sent).toMatchObject({ code: 0 });
        expect(sent.extFields.get('queueOffset')).toBe(String(offset + count));
      }
      const pulled = await client.invoke(
        server.brokerAddress,
        pullRequest({ topic, offset, group: 'CID_honest' }),
        10_000,
      );
      expect(pulled).toMatchObject({ code: 0 });
      const bodies = messagesOf(pulled).map((message) => Buffer.from(message.body).toString());
      expect(bodies).toEqual(Array.from({ length: 8 }, (_, index) => `message ${offset + index}`));
      offset += 8;
    }
    return offset;
  } finally {
    await client.close();
  }
}

/** Keeps what only a defect of the server can make it say: a handler that threw, anything at the level of errors. */
function surpriseLogger(surprises: unknown[]): Logger {
  const note = (event: string, fields?: LogFields): void => {
    if (surprises.length < 10) surprises.push({ event, ...fields });
  };
  return {
    ...silentLogger,
    warn: (event, fields) => {
      if (event.endsWith('.failed')) note(event, fields);
    },
    error: note,
  };
}

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
