// Messages through a broker on a real store, over real sockets.

import { expect, test } from 'vitest';
import { formatHostAddress } from '../../src/model/host-address.ts';
import { parseMessageId } from '../../src/model/message-id.ts';
import { parseProperties } from '../../src/model/message-properties.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { RemotingClient } from '../../src/remoting/transport/remoting-client.ts';
import { caller, startTestBroker } from './support/running-broker.ts';
import { batchRequest, messagesOf, pullRequest, sendRequest } from './support/requests.ts';

test('a message that was sent is pulled with everything it had', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const sent = await call(sendRequest({ body: 'hello', properties: { UNIQ_KEY: 'K1', TAGS: 'red', имя: 'значение' } }));
  expect(sent.code).toBe(0);
  expect(sent.extFields.toJSON()).toMatchObject({
    queueId: '0',
    queueOffset: '0',
    transactionId: 'K1',
    TRACE_ON: 'true',
  });
  const id = parseMessageId(sent.extFields.get('msgId') as string);
  expect(formatHostAddress(id!.storeHost)).toBe(running.address);

  const [message, ...others] = messagesOf(await call(pullRequest()));
  expect(others).toEqual([]);
  expect(message).toMatchObject({ topic: 'Letters', queueId: 0, queueOffset: 0, flag: 7, reconsumeTimes: 0 });
  expect(message).toMatchObject({ bornTimestampMs: 1_700_000_000_000, physicalOffset: id!.physicalOffset });
  expect(Buffer.from(message!.body).toString()).toBe('hello');
  expect(formatHostAddress(message!.storeHost)).toBe(running.address);
  expect(Object.fromEntries(parseProperties(message!.properties))).toEqual({
    UNIQ_KEY: 'K1',
    TAGS: 'red',
    имя: 'значение',
    MSG_REGION: 'DefaultRegion',
    TRACE_ON: 'true',
    CLUSTER: 'DefaultCluster',
  });
});

test('bodies of nothing and of the largest size come back whole, one byte more is refused', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const largest = Buffer.alloc(4 * 1024 * 1024, 'x');
  for (const body of [Buffer.alloc(0), largest]) expect((await call(sendRequest({ body }))).code).toBe(0);
  expect((await call(sendRequest({ body: Buffer.concat([largest, Buffer.from('x')]) }))).code).toBe(13);
  expect(messagesOf(await call(pullRequest({ offset: 0 })))[0]?.body.length).toBe(0);
  const [message] = messagesOf(await call(pullRequest({ offset: 1 })));
  expect(largest.equals(message!.body)).toBe(true);
});

test('the broker makes the unique key that a producer left out, each time another one', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const keys = new Set<string>();
  for (let count = 0; count < 3; count++)
    keys.add((await call(sendRequest())).extFields.get('transactionId') as string);
  expect(keys.size).toBe(3);
  for (const message of messagesOf(await call(pullRequest()))) {
    expect(keys.delete(parseProperties(message.properties).get('UNIQ_KEY') as string)).toBe(true);
  }
});

test('what only the broker may say is not taken from a producer', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  await call(sendRequest({ properties: { CLUSTER: 'mine', POP_CK: 'x', MSG_REGION: 'y', TRACE_ON: 'no', a: 'b' } }));
  const [message] = messagesOf(await call(pullRequest()));
  const properties = Object.fromEntries(parseProperties(message!.properties));
  expect(properties).toMatchObject({
    CLUSTER: 'DefaultCluster',
    MSG_REGION: 'DefaultRegion',
    TRACE_ON: 'true',
    a: 'b',
  });
  expect(properties).not.toHaveProperty('POP_CK');
});

test('a batch is stored as separate messages with consecutive offsets', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  await call(sendRequest());
  const response = await call(batchRequest(['one', 'two', 'three']));
  expect(response.extFields.toJSON()).toMatchObject({ queueOffset: '1', queueId: '0' });
  expect(response.extFields.get('msgId')?.split(',')).toHaveLength(3);
  const messages = messagesOf(await call(pullRequest({ offset: 1 })));
  expect(messages.map((message) => Buffer.from(message.body).toString())).toEqual(['one', 'two', 'three']);
  expect(messages.map((message) => [message.queueOffset, message.flag])).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
  // As Apache: the broker's own properties are not added to the messages of a batch.
  expect(messages[0]?.properties).toBe('TAGS\u0001a\u0002');
});

test('a batch may not have more messages, nor more bytes, than the settings allow', async () => {
  const running = await startTestBroker({ settings: { batchMessageCountMax: 2, messageSizeBytesMax: 200 } });
  const call = caller(running);
  expect((await call(batchRequest(['1', '2']))).code).toBe(0);
  expect((await call(batchRequest(['1', '2', '3']))).code).toBe(13);
  expect((await call(batchRequest(['x'.repeat(200)]))).code).toBe(13);
});

test('a one-way send is stored and not answered', async () => {
  const running = await startTestBroker();
  const client = running.client();
  await client.invokeOneway(running.address, sendRequest({ body: 'quiet' }), 1_000);
  const found = await client.invoke(running.address, pullRequest(), 5_000);
  expect(messagesOf(found).map((message) => Buffer.from(message.body).toString())).toEqual(['quiet']);
});

test('without a queue the broker chooses among the writable ones', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const queues = new Set<string>();
  for (let count = 0; count < 60; count++)
    queues.add((await call(sendRequest({ queueId: -1 }))).extFields.get('queueId')!);
  expect([...queues].sort()).toEqual(['0', '1', '2', '3']);
});

test('one answer carries at most 32 messages and 256 KiB, but always one', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  for (let count = 0; count < 40; count++) await call(sendRequest({ body: 'small' }));
  expect(messagesOf(await call(pullRequest({ countMax: 100 })))).toHaveLength(32);
  for (let count = 0; count < 3; count++) await call(sendRequest({ queueId: 1, body: Buffer.alloc(200 * 1024) }));
  await call(sendRequest({ queueId: 2, body: Buffer.alloc(300 * 1024) }));
  expect(messagesOf(await call(pullRequest({ queueId: 1 })))).toHaveLength(1);
  expect(messagesOf(await call(pullRequest({ queueId: 2 })))).toHaveLength(1);
});

test('messages, topics and offsets survive a restart', async () => {
  const first = await startTestBroker();
  const call = caller(first);
  await call(sendRequest({ body: 'kept' }));
  await call(pullRequest({ sysFlag: 5, commitOffset: 1 }));
  await first.stop();
  const second = await startTestBroker({ directory: first.directory });
  const callAgain = caller(second);
  expect(second.store.state.consumerOffsets.fetch('CID_test', 'Letters', 0)).toBe(1);
  expect(messagesOf(await callAgain(pullRequest())).map((message) => Buffer.from(message.body).toString())).toEqual([
    'kept',
  ]);
  expect((await callAgain(sendRequest())).extFields.get('queueOffset')).toBe('1');
});

test('under SYNC_FLUSH sends are answered when they are on disk, many at a time', async () => {
  const running = await startTestBroker({ store: { flushDiskType: 'SYNC_FLUSH' } });
  const call = caller(running);
  const responses = await Promise.all(
    Array.from({ length: 64 }, (_, index) => call(sendRequest({ body: `m${index}` }))),
  );
  expect(responses.map((response) => response.code)).toEqual(new Array(64).fill(0));
  expect(running.store.stats().flushedOffset).toBe(running.store.stats().endPhysicalOffset);
  expect(messagesOf(await call(pullRequest()))).toHaveLength(32);
});

test('a timer message is refused while there are no timers, rather than delivered at once', async () => {
  const running = await startTestBroker();
  const response = await caller(running)(sendRequest({ properties: { TIMER_DELIVER_MS: '9999999999999' } }));
  expect(response).toMatchObject({ code: 1, remark: expect.stringContaining('timerWheelEnable is false') as unknown });
});

test('no more topics are made than the settings allow', async () => {
  const running = await startTestBroker();
  const topicCountMax = running.store.state.topics.size + 1;
  await running.stop();
  const limited = await startTestBroker({ directory: running.directory, settings: { topicCountMax } });
  const call = caller(limited);
  expect((await call(sendRequest({ topic: 'First' }))).code).toBe(0);
  expect((await call(sendRequest({ topic: 'Second' }))).code).toBe(17);
  expect((await call(sendRequest({ topic: 'First' }))).code).toBe(0);
});

test('no more groups are made than the settings allow', async () => {
  const running = await startTestBroker();
  const groupCountMax = running.store.state.groups.size + 1;
  await running.stop();
  const limited = await startTestBroker({ directory: running.directory, settings: { groupCountMax } });
  const call = caller(limited);
  await call(sendRequest());
  expect((await call(pullRequest({ group: 'CID_1' }))).code).toBe(0);
  expect((await call(pullRequest({ group: 'CID_2' }))).code).toBe(26);
});

test('a broker with an advertised address puts it into message ids', async () => {
  const port = await freePort();
  const running = await startTestBroker({ settings: { advertisedHost: '127.0.0.77', listenPort: port } });
  const client = new RemotingClient({ clock: systemClock, logger: silentLogger });
  const response = await client.invoke(running.address, sendRequest(), 5_000);
  await client.close();
  const id = parseMessageId(response.extFields.get('msgId') as string);
  expect(formatHostAddress(id!.storeHost)).toBe(`127.0.0.77:${port}`);
  expect(running.broker.identity).toMatchObject({
    brokerAddr: `127.0.0.77:${port}`,
    haServerAddr: `127.0.0.77:${port + 1}`,
  });
});

/** One that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = await startTestBroker();
  const { port } = probe.broker.address;
  await probe.stop();
  return port;
}
