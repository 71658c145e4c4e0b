// Name servers that neither answer nor refuse, with time that the test moves.

import { expect, onTestFinished, test } from 'vitest';
import { ManualClock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { defaultBrokerSettings } from '../../../src/broker/broker-settings.ts';
import { brokerIdentity } from '../../../src/broker/registration/broker-identity.ts';
import { NameServerRegistration } from '../../../src/broker/registration/name-server-registration.ts';
import { topicConfig } from '../../../src/model/topic-config.ts';
import { createNamesrv } from '../../../src/namesrv/namesrv.ts';
import { decodeTopicRoute } from '../../../src/remoting/protocol/body/topic-route-body.ts';
import { createRequest } from '../../../src/remoting/protocol/request-headers.ts';
import { RequestCode } from '../../../src/remoting/protocol/request-code.ts';
import { RemotingClient } from '../../../src/remoting/transport/remoting-client.ts';
import { fakeStore } from '../support/fake-store.ts';

const settings = { ...defaultBrokerSettings, nameServerAddresses: ['127.0.0.1:1'] };
const listening = { host: '127.0.0.1', port: 10_911 };

async function settles(promise: Promise<void>): Promise<boolean> {
  let isSettled = false;
  void promise.then(() => (isSettled = true));
  await new Promise((resolve) => setImmediate(resolve));
  return isSettled;
}

test('a name server that does not answer holds up neither start nor stop for long', async () => {
  const clock = new ManualClock();
  const client = { invoke: () => new Promise<never>(() => {}) };
  const { topics } = fakeStore().state;
  const registration = new NameServerRegistration({ settings, client, clock, logger: silentLogger, topics });
  const started = registration.start(brokerIdentity(settings, listening, () => []));
  expect(await settles(started)).toBe(false);
  clock.advance(3_000);
  expect(await settles(started)).toBe(true);
  const stopped = registration.stop();
  expect(await settles(stopped)).toBe(false);
  clock.advance(3_000);
  expect(await settles(stopped)).toBe(true);
});

test('attempts at a name server that is down grow apart, up to the interval', async () => {
  const clock = new ManualClock();
  const attemptsMs: number[] = [];
  const client = {
    invoke: () => {
      attemptsMs.push(clock.monotonicMs());
      return Promise.reject(new Error('connection refused'));
    },
  };
  const { topics } = fakeStore().state;
  const registration = new NameServerRegistration({ settings, client, clock, logger: silentLogger, topics });
  await registration.start(brokerIdentity(settings, listening, () => []));
  for (let second = 0; second < 120; second++) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(attemptsMs).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000]);
  await registration.stop();
});

test('a broker that listens everywhere is told by its first outside address, one with a fixed address by that', () => {
  const everywhere = { host: '0.0.0.0', port: 10_911 };
  const outside = (): string[] => ['192.0.2.7', '192.0.2.8'];
  expect(brokerIdentity(settings, everywhere, outside).brokerAddr).toBe('192.0.2.7:10911');
  expect(brokerIdentity(settings, everywhere, () => []).brokerAddr).toBe('127.0.0.1:10911');
  expect(brokerIdentity(settings, listening, outside).brokerAddr).toBe('127.0.0.1:10911');
  const fixed = { ...settings, advertisedHost: '203.0.113.1', replicationHost: '203.0.113.2', replicationPort: 7 };
  expect(brokerIdentity(fixed, everywhere, outside)).toMatchObject({
    brokerAddr: '203.0.113.1:10911',
    haServerAddr: '203.0.113.2:7',
  });
  expect(brokerIdentity({ ...settings, advertisedHost: '2001:db8::1' }, everywhere, outside).brokerAddr).toBe(
    '[2001:db8::1]:10911',
  );
});

test('as many topics as a broker may have, with the longest names, reach the name server', async () => {
  const clock = systemClock;
  const namesrv = createNamesrv({ listenHost: '127.0.0.1', port: 0, clock, logger: silentLogger });
  const { host, port } = await namesrv.start();
  const client = new RemotingClient({ clock, logger: silentLogger });
  const { topics } = fakeStore().state;
  const name = (index: number): string => `${'n'.repeat(120)}${index}`;
  const topicCount = 60_001;
  for (let index = 0; index < topicCount; index++) topics.put(topicConfig(name(index), {}));
  const where = { ...settings, nameServerAddresses: [`${host}:${port}`] };
  const registration = new NameServerRegistration({ settings: where, client, clock, logger: silentLogger, topics });
  onTestFinished(async () => {
    await registration.stop();
    await client.close();
    await namesrv.stop();
  });
  await registration.start(brokerIdentity(settings, listening, () => []));
  await expect.poll(() => registration.registeredCount).toBe(1);
  const route = (topic: string) =>
    client.invoke(`${host}:${port}`, createRequest(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic }), 5_000);
  for (const index of [0, 1_999, 2_000, 30_000, topicCount - 1]) {
    await expect.poll(async () => (await route(name(index))).code, { timeout: 10_000 }).toBe(0);
  }
  // What changes later is told as before.
  const changed = topics.put(topicConfig(name(5), { readQueueNums: 3 }));
  registration.topicChanged(changed);
  await expect.poll(async () => decodeTopicRoute((await route(name(5))).body).queueDatas[0]?.readQueueNums).toBe(3);
}, 30_000);
