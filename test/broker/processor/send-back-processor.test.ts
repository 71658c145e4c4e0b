// Send-backs against a store whose answers the test decides: many at a time must not mean many messages in memory.

import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { Prng } from '../../../src/base/prng.ts';
import { defaultBrokerSettings } from '../../../src/broker/broker-settings.ts';
import type { BrokerSettings } from '../../../src/broker/broker-settings.ts';
import { SendBackProcessor } from '../../../src/broker/processor/send-back-processor.ts';
import { HostsOfConnections } from '../../../src/broker/send/connection-hosts.ts';
import { SubscriptionGroups } from '../../../src/broker/subscription/subscription-groups.ts';
import { BrokerTopics } from '../../../src/broker/topic/broker-topics.ts';
import { hostAddress } from '../../../src/model/host-address.ts';
import type { StoredMessage } from '../../../src/model/message.ts';
import type { PutMessageResult } from '../../../src/store/store-types.ts';
import { arrived, FakeConnection } from '../support/fake-connection.ts';
import { fakeStore, stored } from '../support/fake-store.ts';
import { sendBackRequest } from '../support/requests.ts';

const host = hostAddress('127.0.0.1', 10_911);
const original = {
  topic: 'Letters',
  properties: '',
  body: Buffer.alloc(100),
  reconsumeTimes: 0,
  bornHost: host,
  storeHost: host,
  physicalOffset: 0,
} as unknown as StoredMessage;

function processor(overrides: Partial<BrokerSettings> = {}) {
  const settings = { ...defaultBrokerSettings, ...overrides };
  const store = fakeStore();
  const sendBack = new SendBackProcessor({
    settings,
    store,
    topics: new BrokerTopics({ table: store.state.topics, settings, logger: silentLogger, onChanged: () => {} }),
    groups: new SubscriptionGroups({ table: store.state.groups, settings, logger: silentLogger }),
    hosts: new HostsOfConnections(undefined),
    prng: new Prng(1),
    brokerHost: () => '127.0.0.1:10911',
  });
  const process = () => sendBack.process(arrived(sendBackRequest(0)), new FakeConnection());
  return { store, process };
}

test('a few messages at a time are read, however many are sent back, and all are answered', async () => {
  const { store, process } = processor();
  const reads: ((message: StoredMessage) => void)[] = [];
  let readCount = 0;
  store.messageAt = () => {
    readCount++;
    return new Promise((resolve) => reads.push(resolve));
  };
  const answers = Array.from({ length: 100 }, () => process());
  while (readCount < 100) {
    await new Promise((resolve) => setImmediate(resolve));
    expect(reads.length).toBeLessThanOrEqual(8);
    for (const finish of reads.splice(0)) finish(original);
  }
  for (const finish of reads.splice(0)) finish(original);
  expect((await Promise.all(answers)).map(({ code }) => code)).toEqual(new Array(100).fill(0));
  expect(store.puts).toHaveLength(100);
});

test('those that wait for the disk do not keep others from being read, up to the limits for sends', async () => {
  for (const limits of [{ waitingSendsMax: 20 }, { waitingSendBytesMax: 2_000 }]) {
    const { store, process } = processor(limits);
    store.messageAt = () => Promise.resolve(original);
    const puts: ((result: PutMessageResult) => void)[] = [];
    store.answer = () => new Promise((resolve) => puts.push(resolve));
    const first = Array.from({ length: 20 }, () => process());
    await expect.poll(() => puts.length).toBe(20);
    expect(await process()).toMatchObject({ code: 2 });
    for (const [index, finish] of puts.entries()) finish(stored(index));
    expect((await Promise.all(first)).map(({ code }) => code)).toEqual(new Array(20).fill(0));
    store.answer = undefined;
    expect(await process()).toMatchObject({ code: 0 });
  }
});

test('a message that can not be read makes room for the next', async () => {
  const { store, process } = processor();
  store.messageAt = () => Promise.reject(new Error('The disk can not be read.'));
  const failed = await Promise.allSettled(Array.from({ length: 20 }, () => process()));
  expect(failed.every(({ status }) => status === 'rejected')).toBe(true);
  store.messageAt = () => Promise.resolve(original);
  expect(await process()).toMatchObject({ code: 0 });
});
