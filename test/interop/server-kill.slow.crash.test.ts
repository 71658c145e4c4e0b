/**
 * The server is killed with SIGKILL again and again while an official producer sends; started again on the same directory each time.
 * At the end every message that was ever acknowledged is at the place that the acknowledgement named, once.
 *
 * 50 kills, half of them under each kind of flush. More: `ROUNDS=1000 npx vitest run --config vitest.slow.config.ts server-kill`;
 * the moments of the kills come from `SEED`, which a failure prints.
 */

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { getProperty, PropertyName } from '../../src/model/message-properties.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Fact } from './support/apache.ts';
import { DELIVERY_MS, javaClients } from './support/clients.ts';
import { type CometmqOptions, type CometmqProcess, runCometmq, startCometmq } from './support/cometmq.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 50);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const QUEUES = 4;
/** Acknowledgements between two kills, at least: the server is up and under load when it dies. */
const ACKS_A_ROUND = 60;
const KILL_DELAY_MS_MAX = 150;
const SIZES = {
  mappedFileSizeCommitLog: 1024 * 1024,
  mappedFileSizeConsumeQueue: 20_000,
  maxIndexNum: 2_000,
  maxHashSlotNum: 1_000,
  maxMessageSize: 64 * 1024,
};

const root = mkdtempSync(path.join(tmpdir(), 'cometmq-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Place {
  readonly msgId: string | undefined;
  readonly sha256: string;
}

/** Everything in the topic, by 'queue:offset', read through the engine after the server has gone. */
async function readAll(dataDir: string, topic: string): Promise<Map<string, Place>> {
  await using store = await openStore({
    dir: dataDir,
    config: {
      commitLogSegmentSizeBytes: SIZES.mappedFileSizeCommitLog,
      consumeQueueSegmentSizeBytes: SIZES.mappedFileSizeConsumeQueue,
      indexEntryCountMax: SIZES.maxIndexNum,
      indexHashSlotCount: SIZES.maxHashSlotNum,
      messageSizeBytesMax: SIZES.maxMessageSize,
    },
  });
  const places = new Map<string, Place>();
  for (let queueId = 0; queueId < QUEUES; queueId++) {
    let expected = 0;
    for await (const message of store.iterate(topic, queueId, 0)) {
      expect(message.queueOffset, `queue ${queueId}`).toBe(expected++);
      places.set(`${queueId}:${message.queueOffset}`, {
        msgId: getProperty(message.properties, PropertyName.UNIQUE_KEY),
        sha256: createHash('sha256').update(message.body).digest('hex'),
      });
    }
  }
  return places;
}

function expectAllKept(acks: readonly Fact[], places: ReadonlyMap<string, Place>): void {
  const claimed = new Set<string>();
  const lost: Fact[] = [];
  for (const ack of acks) {
    const place = `${String(ack['queueId'])}:${String(ack['queueOffset'])}`;
    expect(claimed.has(place), `two acknowledgements for ${place}; SEED=${SEED}`).toBe(false);
    claimed.add(place);
    const stored = places.get(place);
    if (stored?.msgId !== ack['msgId'] || stored?.sha256 !== ack['sha256']) lost.push(ack);
  }
  expect(lost, `acknowledged and not there; SEED=${SEED}`).toEqual([]);
}

describe.each(['ASYNC_FLUSH', 'SYNC_FLUSH'])('a server with %s', (flushDiskType) => {
  const rounds = Math.ceil(ROUNDS / 2);

  it(`keeps every acknowledged message through ${rounds} kills`, { timeout: 120_000 + rounds * 10_000 }, async () => {
    const prng = new Prng(SEED);
    const topic = `Kill_${flushDiskType}`;
    const options: CometmqOptions = {
      dataDir: path.join(root, flushDiskType),
      namesrvPort: 21_300,
      brokerPort: 21_310,
      settings: { ...SIZES, flushDiskType },
    };
    let server: CometmqProcess = await startCometmq(options);
    const { startProducer } = javaClients(
      { version: '5.5.0', serialize: 'JSON' },
      server.namesrv,
      path.join(root, 'client'),
    );
    const load = [
      '--threads',
      '4',
      '--pause',
      '1',
      '--sizes',
      '1,200,1000,6000',
      '--body',
      'random',
      '--compress-over',
      '65536',
    ];
    const producer = await startProducer(topic, load);
    for (let round = 0; round < rounds; round++) {
      await producer.waitForFacts('ack', producer.factsOf('ack').length + ACKS_A_ROUND, DELIVERY_MS);
      await new Promise((resolve) => setTimeout(resolve, prng.below(KILL_DELAY_MS_MAX)));
      await server.kill();
      expect(server.loggedErrors).toEqual([]);
      server = await startCometmq(options);
    }
    await producer.waitForFacts('ack', producer.factsOf('ack').length + ACKS_A_ROUND, DELIVERY_MS);
    await producer.finish();
    await server.kill();
    const acks = producer.factsOf('ack');
    expect(acks.length).toBeGreaterThan(rounds * ACKS_A_ROUND);
    expectAllKept(acks, await readAll(options.dataDir, topic));
    const check = runCometmq(['store', 'check', options.dataDir]);
    expect(check.code, check.output).toBe(0);
  });
});
