// Peers that are slow, stop half-way or ask too much, and what is owed to them all the same.

import { afterEach, expect, test } from 'vitest';

import { ManualClock, systemClock } from '../../../src/base/clock.ts';
import type { RemotingResponse } from '../../../src/remoting/protocol/remoting-command.ts';
import type { Connection, RequestHandler } from '../../../src/remoting/transport/connection.ts';
import type { RemotingServer, RemotingServerOptions } from '../../../src/remoting/transport/remoting-server.ts';
import { RawPeer, requestFrame, startServer } from '../support/raw-peer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ECHO = 1;
const LATE = 2;
const LARGE = 3;

async function serve(
  handlers: Readonly<Record<number, RequestHandler>>,
  options: Partial<RemotingServerOptions> = {},
): Promise<{ server: RemotingServer; dial: () => Promise<RawPeer> }> {
  const server = await startServer({ [ECHO]: ({ body }) => ({ code: 0, body }), ...handlers }, options);
  cleanups.push(() => server.stop());
  const dial = async (): Promise<RawPeer> => {
    const peer = await RawPeer.connect(server.address.port);
    cleanups.push(() => peer.socket.destroy());
    return peer;
  };
  return { server, dial };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('many small answers to a peer that does not read take the memory of their bytes', async () => {
  let answered = 0;
  const { dial } = await serve(
    {
      [LARGE]: () => ({ code: 0, body: Buffer.alloc(16 * 1024 * 1024) }),
      [LATE]: () => {
        answered++;
        return { code: 0 };
      },
    },
    { limits: { writeBufferPauseBytes: 256 * 1024 * 1024, writeBufferBytesMax: 256 * 1024 * 1024 } },
  );
  const peer = await dial();
  peer.socket.pause();
  // More than the kernel takes: from here on every answer has to wait.
  peer.send(requestFrame(LARGE, 0), requestFrame(LATE, 1));
  await expect.poll(() => answered).toBe(1);
  const beforeBytes = process.memoryUsage().arrayBuffers;
  for (let opaque = 2; opaque <= 1000; opaque++) {
    peer.send(requestFrame(LATE, opaque));
    while (answered < opaque) await nextTurn();
  }
  expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(16 * 1024 * 1024);
  peer.socket.resume();
  const answers = await peer.receive(1001);
  expect(answers.map(({ opaque }) => opaque)).toEqual(Array.from({ length: 1001 }, (_, opaque) => opaque));
});

test('a stop answers what is being handled, and then closes', async () => {
  const waiting: ((response: RemotingResponse) => void)[] = [];
  const { server, dial } = await serve({
    [LATE]: () => new Promise<RemotingResponse>((resolve) => waiting.push(resolve)),
  });
  const peer = await dial();
  const idle = await dial();
  peer.send(requestFrame(LATE, 1), requestFrame(LATE, 2));
  await expect.poll(() => waiting.length).toBe(2);
  const stopped = server.stop();
  await idle.closed();
  expect(peer.isClosed).toBe(false);
  // What comes now is not taken on any more.
  peer.send(requestFrame(LATE, 3));
  for (const answer of waiting) answer({ code: 0 });
  await peer.closed();
  expect(peer.received.map(({ opaque }) => opaque)).toEqual([1, 2]);
  await stopped;
  expect(waiting).toHaveLength(2);
});

test('a stop does not wait for ever for a handler that never ends', async () => {
  const clock = new ManualClock();
  const { server, dial } = await serve({ [LATE]: () => new Promise<RemotingResponse>(() => {}) }, { clock });
  const peer = await dial();
  peer.send(requestFrame(ECHO, 1), requestFrame(LATE, 2));
  await peer.receive(1);
  const stopped = server.stop();
  clock.advance(60_000);
  await Promise.all([stopped, peer.closed()]);
});

test('bytes that are no frame do not cost the requests before them their answers', async () => {
  const waiting: ((response: RemotingResponse) => void)[] = [];
  const { dial } = await serve({
    [LATE]: () => new Promise<RemotingResponse>((resolve) => waiting.push(resolve)),
  });
  const peer = await dial();
  peer.send(requestFrame(LATE, 1), requestFrame(ECHO, 2), Buffer.from('GET / HTTP/1.1\r\n\r\n'), requestFrame(ECHO, 3));
  await peer.receive(1);
  expect(peer.isClosed).toBe(false);
  waiting[0]?.({ code: 0 });
  await peer.closed();
  expect(peer.received.map(({ opaque }) => opaque)).toEqual([2, 1]);
});

test('an invoke that is rejected because too many wait is not sent', async () => {
  const connections: Connection[] = [];
  const { dial } = await serve(
    {
      [LATE]: (_request, connection) => {
        connections.push(connection);
        return undefined;
      },
    },
    { limits: { pendingInvokesMax: 1 } },
  );
  const peer = await dial();
  peer.send(requestFrame(LATE, 0));
  await expect.poll(() => connections.length).toBe(1);
  const first = connections[0]?.invoke({ code: 221 }, 60_000);
  await expect(connections[0]?.invoke({ code: 307 }, 60_000)).rejects.toMatchObject({
    code: 'ERR_REMOTING_TOO_MANY_REQUESTS',
  });
  connections[0]?.invokeOneway({ code: 40 });
  expect((await peer.receive(2)).map(({ code }) => code)).toEqual([221, 40]);
  peer.socket.destroy();
  await expect(first).rejects.toMatchObject({ code: 'ERR_REMOTING_CONNECTION_CLOSED' });
});

test('a frame that trickles in byte by byte is cut off, also when it is not the first one', async () => {
  const clock = new ManualClock();
  const { dial } = await serve({}, { clock });
  const trickling = await dial();
  trickling.send(requestFrame(ECHO, 1));
  await trickling.receive(1);
  const frame = requestFrame(ECHO, 2, { body: Buffer.alloc(1000) });
  let sent = 0;
  while (!trickling.isClosed && sent < 600) {
    trickling.socket.write(frame.subarray(sent, ++sent));
    await nextTurn();
    await nextTurn();
    clock.advance(1000);
  }
  await trickling.closed();
  // Long before the frame is whole, but not at the first pause.
  expect(sent).toBeGreaterThan(10);
  expect(sent).toBeLessThan(100);
});

test('a large frame over a slow line arrives, however long it takes', async () => {
  const clock = new ManualClock();
  let receivedBytes = 0;
  const { server, dial } = await serve({}, { clock });
  const slow = await dial();
  slow.send(requestFrame(ECHO, 1));
  await slow.receive(1);
  const frame = requestFrame(ECHO, 2, { body: Buffer.alloc(2 * 1024 * 1024) });
  const [connection] = [...server.connections()];
  expect(connection?.isOpen).toBe(true);
  for (let at = 0; at < frame.length; at += 8192) {
    await new Promise<void>((resolve) => slow.socket.write(frame.subarray(at, at + 8192), () => resolve()));
    receivedBytes += 8192;
    // The bytes have to be read before time goes on.
    for (let turn = 0; turn < 4; turn++) await nextTurn();
    clock.advance(2000);
  }
  expect(receivedBytes).toBeGreaterThan(frame.length - 8192);
  expect((await slow.receive(2))[1]?.body.length).toBe(2 * 1024 * 1024);
});

test('a connection that sends small requests all the time is never taken for one that trickles', async () => {
  const clock = new ManualClock();
  const { dial } = await serve({}, { clock });
  const peer = await dial();
  const frame = requestFrame(ECHO, 7);
  peer.send(frame, frame.subarray(0, 10));
  for (let round = 1; round <= 100; round++) {
    await peer.receive(round);
    clock.advance(1000);
    peer.send(frame.subarray(10), frame.subarray(0, 10));
  }
  expect(peer.isClosed).toBe(false);
});

test('an answer whose peer has gone is released once', async () => {
  let finish: (response: RemotingResponse) => void = () => {};
  const { server, dial } = await serve(
    { [LATE]: () => new Promise<RemotingResponse>((resolve) => (finish = resolve)) },
    { clock: systemClock },
  );
  const peer = await dial();
  peer.send(requestFrame(LATE, 1));
  await expect.poll(() => server.connectionCount).toBe(1);
  peer.socket.destroy();
  await expect.poll(() => server.connectionCount).toBe(0);
  let released = 0;
  finish({ code: 0, body: Buffer.alloc(10_000), release: () => released++ });
  await expect.poll(() => released).toBe(1);
});
