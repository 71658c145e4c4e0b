// Broken and hostile bytes against the decoder and against a live server. Seeded: a failure names the seed that repeats it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Prng } from '../../../src/base/prng.ts';
import { parseJavaJson } from '../../../src/remoting/protocol/java-json-parser.ts';
import { RequestError } from '../../../src/remoting/protocol/remoting-errors.ts';
import { RemotingError } from '../../../src/remoting/protocol/remoting-errors.ts';
import { decodeHeader, requestHeaderSpecs } from '../../../src/remoting/protocol/request-headers.ts';
import type { KnownRequestCode } from '../../../src/remoting/protocol/request-headers.ts';
import type { RequestHandler } from '../../../src/remoting/transport/connection.ts';
import { FrameReader } from '../../../src/remoting/transport/frame-reader.ts';
import type { RemotingServer } from '../../../src/remoting/transport/remoting-server.ts';
import { defaultRemotingLimits } from '../../../src/remoting/transport/remoting-settings.ts';
import { goldenCorpus, mutate } from '../support/mutated-frames.ts';
import { RawPeer, requestFrame, startServer } from '../support/raw-peer.ts';

const seed = Number(process.env['SEED'] ?? 1);
const cases = Number(process.env['CASES'] ?? 20_000);
test(`mutated frames are commands or are refused, and never anything else (SEED=${seed})`, { timeout: 120_000 }, () => {
  let commands = 0;
  let refused = 0;
  let badFields = 0;
  for (let index = 0; index < cases; index++) {
    const prng = new Prng(seed * 1_000_003 + index);
    const frame = mutate(prng, prng.pick(goldenCorpus));
    const reader = new FrameReader(defaultRemotingLimits);
    try {
      reader.feed(frame);
      for (let command = reader.next(); command !== undefined; command = reader.next()) {
        commands++;
        if (!(command.code in requestHeaderSpecs)) continue;
        decodeHeader(command.code as KnownRequestCode, command);
        if (command.body.length > 0) parseJavaJson(command.body);
      }
    } catch (error) {
      if (error instanceof RemotingError && error.code === 'ERR_REMOTING_MALFORMED_FRAME') refused++;
      else if (error instanceof RequestError) badFields++;
      else throw new Error(`SEED=${seed} case ${index}`, { cause: error });
    }
  }
  // The mutations reach everything.
  expect(Math.min(commands, refused, badFields)).toBeGreaterThan(cases / 50);
});

describe('a live server', { timeout: 120_000 }, () => {
  const ECHO = 1;
  let server: RemotingServer;
  let control: RawPeer;
  let opaque = 0;

  beforeAll(async () => {
    const answer: RequestHandler = (request) => {
      decodeHeader(request.code as KnownRequestCode, request);
      return { code: 0 };
    };
    const handlers = Object.fromEntries(Object.keys(requestHeaderSpecs).map((code) => [code, answer]));
    server = await startServer({ ...handlers, [ECHO]: ({ body }) => ({ code: 0, body }) });
    control = await RawPeer.connect(server.address.port);
  });
  afterAll(async () => {
    control.socket.destroy();
    await server.stop();
  });

  async function controlWorks(): Promise<void> {
    const before = control.received.length;
    control.send(requestFrame(ECHO, ++opaque));
    await control.receive(before + 1);
    expect(control.received.at(-1)).toMatchObject({ code: 0, opaque });
  }

  async function attack(bytes: Buffer, chunkSize = bytes.length): Promise<void> {
    const peer = await RawPeer.connect(server.address.port);
    for (let at = 0; at < bytes.length; at += chunkSize) peer.socket.write(bytes.subarray(at, at + chunkSize));
    peer.socket.end();
    await peer.closed();
  }

  test('survives mutated frames while another connection goes on', async () => {
    for (let round = 0; round < 40; round++) {
      const prng = new Prng(seed * 7919 + round);
      await Promise.all(
        Array.from({ length: 25 }, () =>
          attack(mutate(prng, prng.pick(goldenCorpus)), prng.pick([1, 7, 100, 1_000_000])),
        ),
      );
      await controlWorks();
    }
  });

  test('closes the connection on lengths that can not be', async () => {
    for (const length of [-1, 0, 3, 16_777_217, 2 ** 31 - 1, -(2 ** 31)]) {
      const bytes = Buffer.alloc(8);
      bytes.writeInt32BE(length, 0);
      const peer = await RawPeer.connect(server.address.port);
      peer.send(bytes);
      await peer.closed();
      await controlWorks();
    }
  });

  test('answers a frame of exactly the limit, and refuses one byte more', async () => {
    const overhead = requestFrame(ECHO, 1).length - 4;
    const peer = await RawPeer.connect(server.address.port);
    peer.send(requestFrame(ECHO, 1, { body: Buffer.alloc(16_777_216 - overhead) }));
    const [answer] = await peer.receive(1);
    expect(answer?.body.length).toBe(16_777_216 - overhead);
    peer.send(requestFrame(ECHO, 2, { body: Buffer.alloc(16_777_217 - overhead) }));
    await peer.closed();
    await controlWorks();
  });

  test('survives deep JSON in a header', async () => {
    for (const nested of ['{"extFields":' + '['.repeat(100_000), '{"a":'.repeat(40_000), '['.repeat(200_000)]) {
      const header = Buffer.from(nested);
      const bytes = Buffer.alloc(8);
      bytes.writeInt32BE(4 + header.length, 0);
      bytes.writeInt32BE(header.length, 4);
      await attack(Buffer.concat([bytes, header]));
      await controlWorks();
    }
  });
});
