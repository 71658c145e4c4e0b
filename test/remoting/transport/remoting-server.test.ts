import { afterEach, describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/base/clock.ts';
import type { RemotingCommand } from '../../../src/remoting/protocol/remoting-command.ts';
import { RequestError } from '../../../src/remoting/protocol/remoting-errors.ts';
import { DEFERRED } from '../../../src/remoting/transport/connection.ts';
import type { Connection, RequestHandler } from '../../../src/remoting/transport/connection.ts';
import type { RemotingServer, RemotingServerOptions } from '../../../src/remoting/transport/remoting-server.ts';
import { goldenExchange } from '../support/golden-wire.ts';
import { RawPeer, RecordingLogger, requestFrame, startServer } from '../support/raw-peer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(
  handlers: Readonly<Record<number, RequestHandler>>,
  options: Partial<RemotingServerOptions> = {},
): Promise<{ server: RemotingServer; peer: RawPeer; dial: () => Promise<RawPeer> }> {
  const server = await startServer(handlers, options);
  cleanups.push(() => server.stop());
  const dial = async (): Promise<RawPeer> => {
    const peer = await RawPeer.connect(server.address.port);
    cleanups.push(() => peer.socket.destroy());
    return peer;
  };
  return { server, peer: await dial(), dial };
}

const ECHO = 1;
const PARK = 2;
const LATE = 3;
const FAIL = 4;
const echo: RequestHandler = (request) => ({ code: 0, body: request.body, extFields: { echoed: request.opaque } });

function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve!: (value: Value) => void;
  const promise = new Promise<Value>((settle) => (resolve = settle));
  return { promise, resolve };
}

describe('a server answers', () => {
  test('pipelined requests of one chunk, each with its opaque', async () => {
    const { peer } = await serve({ [ECHO]: echo });
    peer.send(
      ...Array.from({ length: 100 }, (_, opaque) => requestFrame(ECHO, opaque, { body: Buffer.alloc(opaque) })),
    );
    const answers = await peer.receive(100);
    expect(answers.map(({ opaque }) => opaque)).toEqual(Array.from({ length: 100 }, (_, opaque) => opaque));
    expect(answers.every(({ isResponse, body, opaque }) => isResponse && body.length === opaque)).toBe(true);
  });

  test('in any order, as the handlers get ready', async () => {
    const late = deferred<undefined>();
    const { peer } = await serve({
      [ECHO]: echo,
      [LATE]: async (request, connection) => {
        await late.promise;
        return echo(request, connection);
      },
    });
    peer.send(requestFrame(LATE, 1), requestFrame(ECHO, 2));
    await peer.receive(1);
    late.resolve(undefined);
    expect((await peer.receive(2)).map(({ opaque }) => opaque)).toEqual([2, 1]);
  });

  test('a deferred request later, and a request with no answer never', async () => {
    const parked: [RemotingCommand, Connection][] = [];
    const { peer } = await serve({
      [ECHO]: echo,
      [PARK]: (request, connection) => {
        parked.push([request, connection]);
        return DEFERRED;
      },
      [LATE]: () => undefined,
    });
    peer.send(requestFrame(PARK, 1), requestFrame(LATE, 2), requestFrame(ECHO, 3));
    expect((await peer.receive(1)).map(({ opaque }) => opaque)).toEqual([3]);
    for (const [request, connection] of parked) connection.respond(request, { code: 19, remark: 'late' });
    const [, late] = await peer.receive(2);
    expect(late).toMatchObject({ opaque: 1, code: 19, remark: 'late' });
  });

  test('an unknown code with 3, in the words of Apache', async () => {
    const { peer } = await serve({ [ECHO]: echo });
    const { request, response } = goldenExchange('9999-namesrv');
    peer.send(Buffer.from(request.hex, 'hex'));
    const [answer] = await peer.receive(1);
    expect(answer).toMatchObject({ code: response?.header.code, remark: response?.header.remark });
  });

  test('for a handler that throws or rejects: 1 with the message, the stack only in the log', async () => {
    const logger = new RecordingLogger();
    const { peer } = await serve(
      {
        [FAIL]: () => {
          throw new Error('went wrong');
        },
        [LATE]: () => Promise.reject(new Error('went wrong later')),
        [PARK]: () => {
          throw new RequestError(26, 'no such group');
        },
      },
      { logger },
    );
    peer.send(requestFrame(FAIL, 1), requestFrame(LATE, 2), requestFrame(PARK, 3));
    const answers = (await peer.receive(3)).sort((a, b) => a.opaque - b.opaque);
    expect(answers.map(({ code, remark }) => [code, remark])).toEqual([
      [1, 'went wrong'],
      [1, 'went wrong later'],
      [26, 'no such group'],
    ]);
    expect(logger.events()).toEqual(['remoting.request.failed', 'remoting.request.failed']);
    expect(logger.lines[0]?.fields['stack']).toContain('remoting-server.test.ts');
  });

  test('nothing to a one-way request, whatever happens', async () => {
    const { peer } = await serve({
      [ECHO]: echo,
      [FAIL]: () => {
        throw new Error('went wrong');
      },
    });
    const oneway = { flag: 2 };
    peer.send(
      requestFrame(ECHO, 1, oneway),
      requestFrame(FAIL, 2, oneway),
      requestFrame(777, 3, oneway),
      requestFrame(ECHO, 4),
    );
    await peer.receive(1);
    peer.send(requestFrame(ECHO, 5));
    expect((await peer.receive(2)).map(({ opaque }) => opaque)).toEqual([4, 5]);
  });

  test('many failures with few log lines', async () => {
    const logger = new RecordingLogger();
    const { peer } = await serve({}, { logger, clock: new ManualClock() });
    peer.send(...Array.from({ length: 500 }, (_, opaque) => requestFrame(777, opaque)));
    await peer.receive(500);
    expect(logger.lines.length).toBe(10);
  });

  test('in the serialization of its own setting', async () => {
    const { peer } = await serve({ [ECHO]: echo }, { serializeType: 'ROCKETMQ' });
    peer.send(requestFrame(ECHO, 1));
    expect((await peer.receive(1))[0]).toMatchObject({ serializeType: 'ROCKETMQ', opaque: 1 });
  });
});

describe('a body', () => {
  test('of many views arrives whole, and each response is released once', async () => {
    const released = new Map<number, number>();
    const views = (size: number): Buffer[] => [Buffer.alloc(size, 1), Buffer.alloc(0), Buffer.alloc(size, 2)];
    const { peer } = await serve({
      [ECHO]: ({ opaque, body }) => ({
        code: 0,
        body: views(Number(body.toString())),
        release: () => released.set(opaque, (released.get(opaque) ?? 0) + 1),
      }),
    });
    const sizes = [0, 1, 2048, 2049, 100_000, 3_000_000, 5];
    peer.send(...sizes.map((size, opaque) => requestFrame(ECHO, opaque, { body: Buffer.from(String(size)) })));
    const answers = await peer.receive(sizes.length);
    answers.forEach(({ body }, index) => {
      expect(body.equals(Buffer.concat(views(sizes[index] ?? 0)))).toBe(true);
    });
    peer.send(requestFrame(ECHO, 7, { body: Buffer.from('0') }));
    await peer.receive(sizes.length + 1);
    expect([...released].sort((a, b) => a[0] - b[0])).toEqual(Array.from({ length: 8 }, (_, opaque) => [opaque, 1]));
  });

  test('is released once when the peer is gone before it was written', async () => {
    let released = 0;
    const requests: [RemotingCommand, Connection][] = [];
    const closed = deferred<Connection>();
    const { peer } = await serve(
      {
        [PARK]: (request, connection) => {
          requests.push([request, connection]);
          return DEFERRED;
        },
        [ECHO]: () => ({ code: 0, body: [Buffer.alloc(20_000_000)], release: () => released++ }),
      },
      { onConnectionClosed: closed.resolve },
    );
    peer.socket.pause();
    peer.send(requestFrame(PARK, 1), requestFrame(ECHO, 2));
    await expect.poll(() => requests.length).toBe(1);
    const [parked] = requests;
    // One body that the socket has in hand, one that came too late.
    peer.socket.destroy();
    await closed.promise;
    expect(released).toBe(1);
    parked?.[1].respond(parked[0], { code: 0, body: [Buffer.alloc(10_000)], release: () => released++ });
    expect(released).toBe(2);
  });

  test('of a one-way request is released at once', async () => {
    const released = deferred<undefined>();
    const { peer } = await serve({
      [ECHO]: () => ({ code: 0, body: Buffer.alloc(10_000), release: () => released.resolve(undefined) }),
    });
    peer.send(requestFrame(ECHO, 1, { flag: 2 }));
    await released.promise;
  });

  test('small answers are right when one slow connection holds written memory', async () => {
    const { peer: slow, dial } = await serve({ [ECHO]: echo });
    const fast = await dial();
    slow.socket.pause();
    const body = Buffer.alloc(4000, 7);
    for (let round = 0; round < 300; round++) {
      slow.send(...Array.from({ length: 4 }, (_, index) => requestFrame(ECHO, round * 4 + index, { body })));
      fast.send(requestFrame(ECHO, round, { body: Buffer.alloc(100, round) }));
      await fast.receive(round + 1);
    }
    slow.socket.resume();
    expect(fast.received.every(({ opaque, body: echoed }) => echoed.equals(Buffer.alloc(100, opaque)))).toBe(true);
    const slowAnswers = await slow.receive(1200);
    expect(slowAnswers.every(({ opaque, body: echoed }, index) => opaque === index && echoed.equals(body))).toBe(true);
  });
});

describe('a connection', () => {
  test('knows the address that the peer dialled', async () => {
    const { peer, server } = await serve({
      [ECHO]: (_request, { localAddress, localPort, remoteAddress, remotePort }) => ({
        code: 0,
        extFields: { localAddress, localPort, remoteAddress, remotePort },
      }),
    });
    peer.send(requestFrame(ECHO, 1));
    expect((await peer.receive(1))[0]?.extFields.toJSON()).toEqual({
      localAddress: '127.0.0.1',
      localPort: String(server.address.port),
      remoteAddress: '127.0.0.1',
      remotePort: String(peer.socket.localPort),
    });
  });

  test('carries requests of the server: answered, one-way, not answered in time, cut off', async () => {
    const accepted = deferred<Connection>();
    const { peer } = await serve({
      [ECHO]: (_request, connection) => {
        accepted.resolve(connection);
        return undefined;
      },
    });
    peer.send(requestFrame(ECHO, 0));
    const connection = await accepted.promise;

    const answered = connection.invoke({ code: 307, extFields: { clientId: 'c' } }, 60_000);
    connection.invokeOneway({ code: 40 });
    const [first, second] = await peer.receive(2);
    expect([first?.code, first?.isOneway, second?.code, second?.isOneway]).toEqual([307, false, 40, true]);
    // An answer to nobody first, then the right one, and once more.
    const opaque = first?.opaque ?? -1;
    const answer = (to: number): Buffer => requestFrame(0, to, { flag: 1, remark: `to ${to}` });
    peer.send(answer(opaque + 1000), answer(opaque), answer(opaque));
    expect(await answered).toMatchObject({ code: 0, remark: `to ${opaque}` });

    await expect(connection.invoke({ code: 221 }, 1)).rejects.toMatchObject({ code: 'ERR_REMOTING_TIMEOUT' });
    const cut = connection.invoke({ code: 221 }, 60_000);
    peer.socket.destroy();
    await expect(cut).rejects.toMatchObject({ code: 'ERR_REMOTING_CONNECTION_CLOSED' });
    await expect(connection.invoke({ code: 221 }, 60_000)).rejects.toMatchObject({
      code: 'ERR_REMOTING_CONNECTION_CLOSED',
    });
    const closedTwice = deferred<Connection>();
    connection.onClose(closedTwice.resolve);
    expect(await closedTwice.promise).toBe(connection);
    expect(connection.isOpen).toBe(false);
  });

  test('that sends a malformed frame is closed with a logged reason; what came before is answered, others go on', async () => {
    const logger = new RecordingLogger();
    const { peer, dial } = await serve({ [ECHO]: echo }, { logger });
    const other = await dial();
    peer.send(requestFrame(ECHO, 1), Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await peer.closed();
    expect(peer.received.map(({ opaque }) => opaque)).toEqual([1]);
    expect(logger.lines).toMatchObject([
      {
        event: 'remoting.connection.malformed',
        fields: { error: 'The frame length 1195725856 is outside 4..16777216.' },
      },
    ]);
    other.send(requestFrame(ECHO, 2));
    expect((await other.receive(1))[0]?.opaque).toBe(2);
  });
});

describe('a server stops', () => {
  test('by sending what is answered, closing the connections and freeing the port', async () => {
    const { peer, server } = await serve({ [ECHO]: echo });
    const { port } = server.address;
    peer.send(requestFrame(ECHO, 1));
    await peer.receive(1);
    await server.stop();
    await peer.closed();
    expect(server.connectionCount).toBe(0);
    const again = await startServer({}, { port });
    await again.stop();
  });

  test('and can be stopped twice', async () => {
    const { server } = await serve({});
    await server.stop();
    await server.stop();
  });

  test('even when a peer does not take its answers', async () => {
    const clock = new ManualClock();
    const { peer, server } = await serve({ [ECHO]: () => ({ code: 0, body: Buffer.alloc(30_000_000) }) }, { clock });
    peer.socket.pause();
    peer.send(requestFrame(ECHO, 1));
    await expect.poll(() => server.connectionCount).toBe(1);
    const stopped = server.stop();
    clock.advance(1000);
    await stopped;
  });
});

test('a taken port is an error that names it and says what to do', async () => {
  const { server } = await serve({});
  const { port } = server.address;
  await expect(startServer({}, { port })).rejects.toMatchObject({
    code: 'ERR_REMOTING_ADDRESS_IN_USE',
    message:
      `Port ${port} on 127.0.0.1, which the test server wants, is taken: ` +
      'end the program that uses it, or choose another port.',
  });
  await expect(startServer({}, { listenHost: '192.0.2.1' })).rejects.toMatchObject({ code: 'ERR_REMOTING_LISTEN' });
});
