// A broker and its name servers, which are stand-ins here that write down what they are told.

import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { decodeRegisterBrokerBody, registerBodyCrc32 } from '../../src/remoting/protocol/body/register-broker-body.ts';
import type { RegisterBrokerBody } from '../../src/remoting/protocol/body/register-broker-body.ts';
import { RequestCode } from '../../src/remoting/protocol/request-code.ts';
import { decodeHeader } from '../../src/remoting/protocol/request-headers.ts';
import type { RequestHandler } from '../../src/remoting/transport/connection.ts';
import { RemotingServer } from '../../src/remoting/transport/remoting-server.ts';
import { caller, startTestBroker } from './support/running-broker.ts';
import { sendRequest } from './support/requests.ts';

interface NameServerStandIn {
  readonly address: string;
  readonly registrations: (RegisterBrokerBody & { readonly brokerAddr: string; readonly haServerAddr: string })[];
  readonly unregistrations: string[];
  /** Answers with an error from now on. */
  isBroken: boolean;
}

async function nameServer(port = 0): Promise<NameServerStandIn & { stop(): Promise<void> }> {
  const standIn = { registrations: [], unregistrations: [], isBroken: false } as unknown as NameServerStandIn;
  const register: RequestHandler = (request) => {
    if (standIn.isBroken) return { code: 1, remark: 'broken' };
    const header = decodeHeader(RequestCode.REGISTER_BROKER, request);
    expect(header.bodyCrc32).toBe(registerBodyCrc32(request.body));
    standIn.registrations.push({ ...decodeRegisterBrokerBody(request.body, false), ...header });
    return { code: 0 };
  };
  const unregister: RequestHandler = (request) => {
    standIn.unregistrations.push(decodeHeader(RequestCode.UNREGISTER_BROKER, request).brokerName);
    return { code: 0 };
  };
  const server = new RemotingServer({
    name: 'name server stand-in',
    listenHost: '127.0.0.1',
    port,
    clock: systemClock,
    logger: silentLogger,
    handlers: new Map([
      [RequestCode.REGISTER_BROKER, register],
      [RequestCode.UNREGISTER_BROKER, unregister],
    ]),
  });
  const address = await server.start();
  onTestFinished(() => server.stop());
  return Object.assign(standIn, { address: `${address.host}:${address.port}`, stop: () => server.stop() });
}

test('a broker registers all its topics at each name server, and leaves when it stops', async () => {
  const [first, second] = [await nameServer(), await nameServer()];
  const running = await startTestBroker({ settings: { nameServerAddresses: [first.address, second.address] } });
  expect(running.broker.registeredCount).toBe(2);
  for (const { registrations } of [first, second]) {
    expect(registrations).toHaveLength(1);
    expect(registrations[0]).toMatchObject({
      brokerAddr: running.address,
      dataVersion: running.store.state.topics.dataVersion,
    });
    const names = registrations[0]!.topics.map((topic) => topic.topicName);
    expect(names).toEqual(expect.arrayContaining(['TBW102', 'DefaultCluster', 'broker-a', 'SCHEDULE_TOPIC_XXXX']));
  }
  await running.stop();
  expect([first.unregistrations, second.unregistrations]).toEqual([['broker-a'], ['broker-a']]);
});

test('a new topic is announced at once, under a version that no whole table has', async () => {
  const server = await nameServer();
  const running = await startTestBroker({ settings: { nameServerAddresses: [server.address] } });
  await caller(running)(sendRequest({ topic: 'Fresh' }));
  await vi.waitFor(() => expect(server.registrations).toHaveLength(2));
  const announced = server.registrations[1]!;
  expect(announced.topics.map((topic) => topic.topicName)).toEqual(['Fresh']);
  expect(announced.dataVersion).not.toEqual(running.store.state.topics.dataVersion);
});

test('the whole table is sent again at intervals', async () => {
  const server = await nameServer();
  await startTestBroker({ settings: { nameServerAddresses: [server.address], registerIntervalMs: 50 } });
  await vi.waitFor(() => expect(server.registrations.length).toBeGreaterThan(2));
  expect(server.registrations.at(-1)?.topics.length).toBeGreaterThan(5);
});

test('a name server that is down does not hold up the others, and is found when it comes', async () => {
  const alive = await nameServer();
  const spare = await nameServer();
  const laterPort = Number(spare.address.split(':')[1]);
  await spare.stop();
  const settings = { nameServerAddresses: [spare.address, alive.address], registerRetryMs: 20 };
  const running = await startTestBroker({ settings });
  expect(alive.registrations).toHaveLength(1);
  expect(running.broker.registeredCount).toBe(1);
  const later = await nameServer(laterPort);
  await vi.waitFor(() => expect(running.broker.registeredCount).toBe(2), { timeout: 10_000 });
  expect(later.registrations[0]?.topics.length).toBeGreaterThan(5);
});

test('a name server that refuses is asked again with the whole table', async () => {
  const server = await nameServer();
  server.isBroken = true;
  const running = await startTestBroker({ settings: { nameServerAddresses: [server.address], registerRetryMs: 20 } });
  expect(running.broker.registeredCount).toBe(0);
  await caller(running)(sendRequest({ topic: 'Fresh' }));
  server.isBroken = false;
  await vi.waitFor(() => expect(server.registrations).toHaveLength(1));
  expect(server.registrations[0]?.topics.map((topic) => topic.topicName)).toEqual(
    expect.arrayContaining(['TBW102', 'Fresh']),
  );
});

test('a broker that may only be read says so of each topic', async () => {
  const server = await nameServer();
  await startTestBroker({ settings: { nameServerAddresses: [server.address], brokerPerm: 4 } });
  const perms = new Set(server.registrations[0]?.topics.map((topic) => topic.perm & 2));
  expect([...perms]).toEqual([0]);
});
