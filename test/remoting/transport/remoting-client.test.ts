import { spawn } from 'node:child_process';
import { connect } from 'node:net';

import { afterEach, expect, test } from 'vitest';

import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { RemotingError } from '../../../src/remoting/protocol/remoting-errors.ts';
import type { RequestHandler } from '../../../src/remoting/transport/connection.ts';
import { RemotingClient } from '../../../src/remoting/transport/remoting-client.ts';
import type { RemotingClientOptions } from '../../../src/remoting/transport/remoting-client.ts';
import type { RemotingServer } from '../../../src/remoting/transport/remoting-server.ts';
import { startServer } from '../support/raw-peer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ECHO = 1;
const SILENCE = 2;
const CALL_BACK = 3;
const FAR_CODE = 200_050;

const handlers: Readonly<Record<number, RequestHandler>> = {
  [ECHO]: ({ body, extFields, serializeType }) => ({
    code: 0,
    body,
    extFields: { ...extFields.toJSON(), serializeType },
  }),
  [SILENCE]: () => undefined,
  [CALL_BACK]: async (_request, connection) => {
    const answer = await connection.invoke({ code: ECHO, body: Buffer.from('and you?') }, 5000);
    return { code: answer.code, body: answer.body };
  },
  [FAR_CODE]: ({ serializeType }) => ({ code: 0, extFields: { serializeType } }),
};

async function start(port = 0): Promise<{ server: RemotingServer; address: string }> {
  const server = await startServer(handlers, { port });
  cleanups.push(() => server.stop());
  return { server, address: `127.0.0.1:${server.address.port}` };
}

function newClient(options: Partial<RemotingClientOptions> = {}): RemotingClient {
  const client = new RemotingClient({ clock: systemClock, logger: silentLogger, ...options });
  cleanups.push(() => client.close());
  return client;
}

/** A listener in a process that sleeps: the kernel completes as many connects as its queue holds, and answers no more. */
async function fullListener(): Promise<{ address: string; release: () => void }> {
  const script = `
    const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve) => {
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
  });
  const fillers = [0, 1].map(() => connect({ host: '127.0.0.1', port }));
  await Promise.all(fillers.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  const release = (): void => {
    for (const socket of fillers) socket.on('error', () => {}).destroy();
    child.kill('SIGKILL');
  };
  return { address: `127.0.0.1:${port}`, release };
}

test('a client connects when it is needed, once for all who need it', async () => {
  const { server, address } = await start();
  const client = newClient();
  expect(server.connectionCount).toBe(0);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      client.invoke(address, { code: ECHO, extFields: { index }, body: Buffer.alloc(index) }, 5000),
    ),
  );
  answers.forEach(({ extFields, body }, index) => {
    expect(extFields.get('index')).toBe(String(index));
    expect(body.length).toBe(index);
  });
  expect(server.connectionCount).toBe(1);
});

test('a client resolves with any response code and rejects without an answer', async () => {
  const { address } = await start();
  const client = newClient();
  expect(await client.invoke(address, { code: 777 }, 5000)).toMatchObject({ code: 3 });
  await client.invokeOneway(address, { code: ECHO }, 5000);
  await expect(client.invoke(address, { code: SILENCE }, 20)).rejects.toMatchObject({
    code: 'ERR_REMOTING_TIMEOUT',
    details: { code: SILENCE },
  });
});

test('a client answers requests of the server', async () => {
  const { address } = await start();
  const client = newClient({ handlers: new Map([[ECHO, ({ body }) => ({ code: 0, body })]]) });
  const answer = await client.invoke(address, { code: CALL_BACK }, 5000);
  expect(answer.body.toString()).toBe('and you?');
});

test('a client speaks the binary form, but for codes that do not fit it', async () => {
  const { address } = await start();
  const client = newClient({ serializeType: 'ROCKETMQ' });
  expect((await client.invoke(address, { code: ECHO }, 5000)).extFields.get('serializeType')).toBe('ROCKETMQ');
  expect((await client.invoke(address, { code: FAR_CODE }, 5000)).extFields.get('serializeType')).toBe('JSON');
});

test('a client connects again after the server was gone, waiting between attempts', async () => {
  const { server, address } = await start();
  const client = newClient();
  await client.invoke(address, { code: ECHO }, 5000);
  const { port } = server.address;
  await server.stop();
  // The client may not have seen yet that the connection is gone.
  await expect(client.invoke(address, { code: ECHO }, 5000)).rejects.toBeInstanceOf(RemotingError);
  for (let attempt = 0; attempt < 3; attempt++) {
    await expect(client.invoke(address, { code: ECHO }, 5000)).rejects.toMatchObject({
      code: 'ERR_REMOTING_CONNECT',
      message: expect.stringContaining(`Can't connect to ${address} (`) as string,
    });
  }
  // The next attempt is due in 400 ms or more: who has less time is told, who has more is served when the server is back.
  await expect(client.invoke(address, { code: ECHO }, 1)).rejects.toMatchObject({ code: 'ERR_REMOTING_CONNECT' });
  await start(port);
  expect(await client.invoke(address, { code: ECHO }, 5000)).toMatchObject({ code: 0 });
});

test('requests that wait are rejected when the connection is lost', async () => {
  const { server, address } = await start();
  const client = newClient();
  const waiting = client.invoke(address, { code: SILENCE }, 60_000);
  await expect.poll(() => server.connectionCount).toBe(1);
  for (const connection of server.connections()) connection.close('test');
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_REMOTING_CONNECTION_CLOSED' });
});

test('a closed client rejects what waits and what comes', async () => {
  const { server, address } = await start();
  const client = newClient();
  const waiting = client.invoke(address, { code: SILENCE }, 60_000);
  await expect.poll(() => server.connectionCount).toBe(1);
  await Promise.all([
    expect(waiting).rejects.toMatchObject({ code: 'ERR_REMOTING_CONNECTION_CLOSED' }),
    client.close(),
  ]);
  await expect(client.invoke(address, { code: ECHO }, 5000)).rejects.toMatchObject({ code: 'ERR_REMOTING_CONNECT' });
});

test('a connect that gets no answer ends with the timeout of the connect or of the call', async () => {
  // The queue of this listener has room for two connections that nobody accepts; a third gets no answer from the kernel.
  const { address, release } = await fullListener();
  cleanups.push(release);
  await expect(newClient({ connectTimeoutMs: 20 }).invoke(address, { code: ECHO }, 60_000)).rejects.toMatchObject({
    message: expect.stringContaining('no answer within 20 ms') as string,
  });
  await expect(newClient().invoke(address, { code: ECHO }, 20)).rejects.toMatchObject({
    message: expect.stringContaining('no connection in time') as string,
  });
});

test.each(['', 'host', 'host:', ':1', 'host:0', 'host:65536', 'host:1x', '::1:5'])(
  '%j is refused as an address',
  async (address) => {
    await expect(newClient().invoke(address, { code: ECHO }, 100)).rejects.toMatchObject({
      message: expect.stringContaining('it is not of the form host:port') as string,
    });
  },
);
