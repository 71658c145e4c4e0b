// Sends against a store whose answers the test decides.

import { expect, test } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { Prng } from '../../../src/base/prng.ts';
import { defaultBrokerSettings } from '../../../src/broker/broker-settings.ts';
import type { BrokerSettings } from '../../../src/broker/broker-settings.ts';
import { SendMessageProcessor } from '../../../src/broker/processor/send-message-processor.ts';
import { HostsOfConnections } from '../../../src/broker/send/connection-hosts.ts';
import { UniqueKeys } from '../../../src/broker/send/unique-key.ts';
import { BrokerStatistics } from '../../../src/broker/statistics/broker-statistics.ts';
import { SubscriptionGroups } from '../../../src/broker/subscription/subscription-groups.ts';
import { BrokerTopics } from '../../../src/broker/topic/broker-topics.ts';
import { hostAddress } from '../../../src/model/host-address.ts';
import { topicConfig } from '../../../src/model/topic-config.ts';
import type { RemotingResponse } from '../../../src/remoting/protocol/remoting-command.ts';
import type { PutMessageResult, PutMessageStatus } from '../../../src/store/store-types.ts';
import { arrived, FakeConnection } from '../support/fake-connection.ts';
import { fakeStore, stored } from '../support/fake-store.ts';
import { sendRequest } from '../support/requests.ts';

function processor(overrides: Partial<BrokerSettings> = {}) {
  const settings = { ...defaultBrokerSettings, ...overrides };
  const clock = new ManualClock();
  const store = fakeStore();
  const changed: string[] = [];
  const topics = new BrokerTopics({
    table: store.state.topics,
    settings,
    logger: silentLogger,
    onChanged: (config) => changed.push(config.topicName),
  });
  topics.addSystemTopics();
  const prng = new Prng(1);
  const send = new SendMessageProcessor({
    settings,
    store,
    topics,
    groups: new SubscriptionGroups({ table: store.state.groups, settings, logger: silentLogger }),
    hosts: new HostsOfConnections(undefined),
    uniqueKeys: new UniqueKeys({ clock, host: hostAddress('127.0.0.1', 0), pid: 7, prng }),
    statistics: new BrokerStatistics(clock),
    clock,
    prng,
    brokerHost: () => '127.0.0.1:10911',
  });
  const connection = new FakeConnection();
  const process = (options: Parameters<typeof sendRequest>[0] = {}) =>
    send.process(arrived(sendRequest(options)), connection) as RemotingResponse | Promise<RemotingResponse>;
  return { store, send, process, changed };
}

test('a put that is answered at once makes no promise', () => {
  const { process } = processor();
  expect(process()).not.toBeInstanceOf(Promise);
  expect(process()).toMatchObject({
    code: 0,
    extFields: { queueOffset: 1, msgId: '7F00000100002A9F0000000000000064' },
  });
});

const CODES: Readonly<Record<PutMessageStatus, number>> = {
  PUT_OK: 0,
  FLUSH_DISK_TIMEOUT: 10,
  FLUSH_SLAVE_TIMEOUT: 12,
  MESSAGE_ILLEGAL: 13,
  PROPERTIES_SIZE_EXCEEDED: 13,
  SERVICE_NOT_AVAILABLE: 14,
  OS_PAGE_CACHE_BUSY: 2,
};

test.each(Object.entries(CODES))('the outcome %s is response code %i', (status, code) => {
  const { process, store } = processor();
  const isStored = code === 0 || code === 10 || code === 12;
  const outcome = isStored ? { ...stored(0), status } : { status, reason: 'The disk has 3 bytes left.' };
  store.answer = () => outcome as PutMessageResult;
  const response = process() as RemotingResponse;
  expect(response.code).toBe(code);
  expect(response.extFields).toMatchObject({ MSG_REGION: 'DefaultRegion', TRACE_ON: 'true' });
  if (isStored) expect(response.extFields).toMatchObject({ queueOffset: 0, queueId: 0 });
  if (code === 14 || code === 2) expect(response.remark).toContain('The disk has 3 bytes left.');
});

test('sends beyond the number that may wait are refused until one is answered', async () => {
  const { process, store, send } = processor({ waitingSendsMax: 2 });
  const resolvers: ((result: PutMessageResult) => void)[] = [];
  store.answer = () => new Promise((resolve) => resolvers.push(resolve));
  const waiting = [process(), process()];
  expect(process()).toMatchObject({ code: 2, remark: expect.stringContaining('2 sends are waiting') as unknown });
  expect(store.puts).toHaveLength(2);
  resolvers[0]?.(stored(0));
  expect(await waiting[0]).toMatchObject({ code: 0 });
  expect(send.waitingCount).toBe(1);
  expect(process()).toBeInstanceOf(Promise);
});

test('sends beyond the bytes that may wait are refused', () => {
  const { process, store } = processor({ waitingSendBytesMax: 1_000 });
  store.answer = () => new Promise(() => {});
  expect(process({ body: Buffer.alloc(1_000) })).toBeInstanceOf(Promise);
  expect(process()).toMatchObject({ code: 2, remark: expect.stringContaining('1000 bytes of messages') as unknown });
});

test('a send that the store rejects with an error no longer counts as waiting', async () => {
  const { process, store, send } = processor();
  store.answer = () => Promise.reject(new Error('the store is closed'));
  await expect(process()).rejects.toThrow('the store is closed');
  expect(send.waitingCount).toBe(0);
});

test('a delay level sends a message to its queue of the schedule topic, and the answer names its own queue', () => {
  const { process, store } = processor();
  const response = process({ queueId: 3, properties: { DELAY: '2', TIMER_DELIVER_MS: '5' } }) as RemotingResponse;
  expect(response.extFields).toMatchObject({ queueId: 3 });
  expect(store.puts[0]).toMatchObject({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 1 });
  expect(store.puts[0]?.properties).toContain('REAL_TOPIC\u0001Letters\u0002REAL_QID\u00013\u0002');
  expect(store.puts[0]?.properties).not.toContain('TIMER_DELIVER_MS');
  void process({ properties: { DELAY: '99' } });
  expect(store.puts[1]).toMatchObject({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 2 });
  void process({ properties: { DELAY: '0' } });
  expect(store.puts[2]).toMatchObject({ topic: 'Letters', queueId: 0 });
});

test('a topic that allows several tags marks its messages so', () => {
  const { process, store } = processor();
  store.state.topics.put(topicConfig('Letters', { topicFilterType: 'MULTI_TAG' }));
  void process({ sysFlag: 1 });
  expect(store.puts[0]?.sysFlag).toBe(3);
});

test('a topic without queues to write to is no place for a message without a queue', () => {
  const { process, store } = processor();
  store.state.topics.put(topicConfig('Letters', { writeQueueNums: 0 }));
  expect(process({ queueId: -1 })).toMatchObject({ code: 29 });
});

test('name servers hear of a topic when it is made, once', () => {
  const { process, changed } = processor();
  void process();
  void process();
  expect(changed).toEqual(['Letters']);
});
