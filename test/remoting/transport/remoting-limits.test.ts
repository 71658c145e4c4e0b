// Each limit of the transport, at its edge. That of ext fields is in json-header.test.ts, those of frames in frame-reader.test.ts.

import { afterEach, expect, test } from 'vitest';

import { ManualClock } from '../../../src/base/clock.ts';
import type { RemotingCommand, RemotingResponse } from '../../../src/remoting/protocol/remoting-command.ts';
import { DEFERRED } from '../../../src/remoting/transport/connection.ts';
import type { Connection, RequestHandler } from '../../../src/remoting/transport/connection.ts';
import type { RemotingServer } from '../../../src/remoting/transport/remoting-server.ts';
import { defaultRemotingLimits } from '../../../src/remoting/transport/remoting-settings.ts';
import type { RemotingLimits } from '../../../src/remoting/transport/remoting-settings.ts';
import { RawPeer, RecordingLogger, requestFrame, startServer } from '../support/raw-peer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ECHO = 1;
const WAIT = 2;
const PARK = 3;
const echo: RequestHandler = ({ body }) => ({ code: 0, body });
const clock = new ManualClock();

async function serve(
  handlers: Readonly<Record<number, RequestHandler>>,
  limits: Partial<RemotingLimits>,
): Promise<{ server: RemotingServer; logger: RecordingLogger; dial: () => Promise<RawPeer> }> {
  const logger = new RecordingLogger();
  const server = await startServer(handlers, { limits, logger, clock });
  cleanups.push(() => server.stop());
  const dial = async (): Promise<RawPeer> => {
    const peer = await RawPeer.connect(server.address.port);
    cleanups.push(() => peer.socket.destroy());
    return peer;
  };
  return { server, logger, dial };
}

test('requests in flight: the socket is read again when one is answered', async () => {
  const answers: ((response: RemotingResponse) => void)[] = [];
  const { dial } = await serve(
    { [WAIT]: () => new Promise<RemotingResponse>((resolve) => answers.push(resolve)) },
    { inFlightRequestsMax: 3 },
  );
  const peer = await dial();
  const other = await dial();
  // Ten in one chunk, and ten in chunks of their own.
  peer.send(...Array.from({ length: 10 }, (_, opaque) => requestFrame(WAIT, opaque)));
  await expect.poll(() => answers.length).toBe(3);
  for (let opaque = 10; opaque < 20; opaque++) peer.send(requestFrame(WAIT, opaque));
  other.send(requestFrame(WAIT, 0));
  await expect.poll(() => answers.length).toBe(4);
  for (let answered = 0; answered < 21; answered++) {
    // The fourth is the other connection's: answering it makes no room here.
    await expect.poll(() => answers.length).toBe(Math.min(21, 4 + answered - (answered > 3 ? 1 : 0)));
    answers[answered]?.({ code: 0 });
  }
  await expect
    .poll(() => {
      clock.runDeferred();
      return peer.received.length + other.received.length;
    })
    .toBe(21);
});

test('requests in flight: deferred ones do not count', async () => {
  const parked: RemotingCommand[] = [];
  const { dial } = await serve(
    {
      [PARK]: (request) => {
        parked.push(request);
        return DEFERRED;
      },
      [WAIT]: (request) => {
        parked.push(request);
        return Promise.resolve(DEFERRED);
      },
      [ECHO]: echo,
    },
    { inFlightRequestsMax: 2 },
  );
  const peer = await dial();
  peer.send(...Array.from({ length: 40 }, (_, opaque) => requestFrame(opaque % 2 === 0 ? PARK : WAIT, opaque)));
  peer.send(requestFrame(ECHO, 40));
  await peer.receive(1);
  expect(parked).toHaveLength(40);
});

test('write buffer: a peer that does not read is not read either, and goes on when it reads', async () => {
  let handled = 0;
  const { dial } = await serve(
    {
      [ECHO]: () => {
        handled++;
        return { code: 0, body: Buffer.alloc(200_000) };
      },
    },
    { writeBufferPauseBytes: 1_000_000, writeBufferBytesMax: 100_000_000 },
  );
  const peer = await dial();
  peer.socket.pause();
  peer.send(...Array.from({ length: 400 }, (_, opaque) => requestFrame(ECHO, opaque)));
  let before = -1;
  await expect
    .poll(
      () => {
        const settled = handled === before && handled > 0;
        before = handled;
        return settled;
      },
      { interval: 100 },
    )
    .toBe(true);
  // What the kernel's buffers took, and the pause limit; far from all of it.
  expect(handled).toBeLessThan(200);
  peer.socket.resume();
  const answers = await peer.receive(400);
  expect(answers.map(({ opaque }) => opaque)).toEqual(Array.from({ length: 400 }, (_, opaque) => opaque));
});

test('write buffer: at its end the connection is cut', async () => {
  const { dial, logger } = await serve(
    { [ECHO]: () => ({ code: 0, body: Buffer.alloc(40_000_000) }) },
    { writeBufferBytesMax: 20_000_000 },
  );
  const peer = await dial();
  peer.socket.pause();
  peer.send(requestFrame(ECHO, 1));
  await expect.poll(() => logger.events()).toEqual(['remoting.connection.slow-reader']);
  peer.socket.resume();
  await peer.closed();
  expect(peer.received).toEqual([]);
});

test('idle: a connection on which nothing moves is closed, one that is used is not', async () => {
  const { dial } = await serve({ [ECHO]: echo }, {});
  const idle = await dial();
  const busy = await dial();
  for (const peer of [idle, busy]) {
    peer.send(requestFrame(ECHO, 0));
    await peer.receive(1);
  }
  for (let minute = 1; minute <= 3; minute++) {
    clock.advance(60_000);
    busy.send(requestFrame(ECHO, minute));
    await busy.receive(1 + minute);
  }
  await idle.closed();
  expect(busy.isClosed).toBe(false);
});

test('idle: an answer that is being sent counts as movement', async () => {
  const parked: [RemotingCommand, Connection][] = [];
  const { dial } = await serve(
    {
      [PARK]: (request, connection) => {
        parked.push([request, connection]);
        return DEFERRED;
      },
    },
    {},
  );
  const peer = await dial();
  peer.send(requestFrame(PARK, 0), requestFrame(PARK, 1), requestFrame(PARK, 2));
  await expect.poll(() => parked.length).toBe(3);
  for (let index = 0; index < 3; index++) {
    clock.advance(100_000);
    const [request, connection] = parked[index] as [RemotingCommand, Connection];
    connection.respond(request, { code: 19 });
    clock.runDeferred();
    await peer.receive(index + 1);
  }
  expect(peer.isClosed).toBe(false);
});

test('first frame: a connection that sends nothing whole is closed long before it is idle', async () => {
  const { dial, logger, server } = await serve({ [ECHO]: echo }, {});
  const silent = await dial();
  const slow = await dial();
  slow.send(requestFrame(ECHO, 1).subarray(0, 20));
  await expect.poll(() => server.connectionCount).toBe(2);
  clock.advance(defaultRemotingLimits.firstFrameTimeoutMs + 3000);
  await Promise.all([silent.closed(), slow.closed()]);
  expect(logger.events()).toContain('remoting.connection.no-first-frame');
});

test('connections: one too many is refused, and there is room again when one closes', async () => {
  const { dial, logger, server } = await serve({ [ECHO]: echo }, { connectionCountMax: 2 });
  const peers = [await dial(), await dial()];
  await expect.poll(() => server.connectionCount).toBe(2);
  const refused = await dial();
  await refused.closed();
  expect(logger.events()).toEqual(['remoting.connection.refused']);
  peers[0]?.socket.destroy();
  await expect.poll(() => server.connectionCount).toBe(1);
  const next = await dial();
  next.send(requestFrame(ECHO, 5));
  expect((await next.receive(1))[0]?.opaque).toBe(5);
});

test('pending invokes: one too many is rejected, and there is room again after an answer', async () => {
  const connections: Connection[] = [];
  const { dial } = await serve(
    {
      [PARK]: (_request, connection) => {
        connections.push(connection);
        return undefined;
      },
    },
    { pendingInvokesMax: 2 },
  );
  const peer = await dial();
  peer.send(requestFrame(PARK, 0));
  await expect.poll(() => connections.length).toBe(1);
  const [connection] = connections as [Connection];
  const invokes = [connection.invoke({ code: 221 }, 60_000), connection.invoke({ code: 221 }, 60_000)];
  await expect(connection.invoke({ code: 221 }, 60_000)).rejects.toMatchObject({
    code: 'ERR_REMOTING_TOO_MANY_REQUESTS',
  });
  clock.runDeferred();
  const [first] = await peer.receive(1);
  peer.send(requestFrame(0, first?.opaque ?? -1, { flag: 1 }));
  await invokes[0];
  const third = connection.invoke({ code: 221 }, 60_000);
  clock.advance(61_000);
  await expect(invokes[1]).rejects.toMatchObject({ code: 'ERR_REMOTING_TIMEOUT' });
  await expect(third).rejects.toMatchObject({ code: 'ERR_REMOTING_TIMEOUT' });
});

test('the defaults are those of the design', () => {
  expect(defaultRemotingLimits).toMatchObject({
    frameSizeBytesMax: 16_777_216,
    extFieldCountMax: 128,
    writeBufferPauseBytes: 1_048_576,
    writeBufferBytesMax: 33_554_432,
    idleTimeoutMs: 120_000,
  });
});
