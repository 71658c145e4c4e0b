// Messages that are given back: to the retry topic with a delay, and to the dead-letter topic in the end.

import { expect, test, vi } from 'vitest';
import { parseProperties } from '../../src/model/message-properties.ts';
import { parseMessageId } from '../../src/model/message-id.ts';
import { caller, startTestBroker } from './support/running-broker.ts';
import { messagesOf, pullRequest, sendBackRequest, sendRequest } from './support/requests.ts';

test('a message that was given back comes again in the retry topic, with its history', async () => {
  const running = await startTestBroker({ store: { messageDelayLevel: '1s 5s 200s' } });
  const call = caller(running);
  const sent = await call(sendRequest({ body: 'again', properties: { UNIQ_KEY: 'K1' } }));
  const msgId = sent.extFields.get('msgId') as string;
  const offset = parseMessageId(msgId)!.physicalOffset;
  expect((await call(sendBackRequest(offset, { delayLevel: 1 }))).code).toBe(0);
  expect(running.store.maxOffset('SCHEDULE_TOPIC_XXXX', 0)).toBe(1);
  expect(running.store.maxOffset('%RETRY%CID_test', 0)).toBe(0);

  const response = await call(pullRequest({ topic: '%RETRY%CID_test', holdMs: 60_000 }), 60_000);
  const [message] = messagesOf(response);
  expect(message).toMatchObject({ topic: '%RETRY%CID_test', reconsumeTimes: 1 });
  expect(Buffer.from(message!.body).toString()).toBe('again');
  const properties = Object.fromEntries(parseProperties(message!.properties));
  expect(properties).toMatchObject({ RETRY_TOPIC: 'Letters', ORIGIN_MESSAGE_ID: msgId, UNIQ_KEY: 'K1', REAL_QID: '0' });
  expect(properties).not.toHaveProperty('DELAY');
});

test('without a level the delay grows with the tries', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const offset = parseMessageId((await call(sendRequest())).extFields.get('msgId') as string)!.physicalOffset;
  await call(sendBackRequest(offset));
  expect(running.store.maxOffset('SCHEDULE_TOPIC_XXXX', 2)).toBe(1);
  const again = await call(sendRequest({ reconsumeTimes: 4 }));
  await call(sendBackRequest(parseMessageId(again.extFields.get('msgId') as string)!.physicalOffset));
  expect(running.store.maxOffset('SCHEDULE_TOPIC_XXXX', 6)).toBe(1);
});

test('after the last try, or when the consumer says so, a message goes to the dead-letter topic', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const offset = parseMessageId((await call(sendRequest())).extFields.get('msgId') as string)!.physicalOffset;
  await call(sendBackRequest(offset, { delayLevel: -1 }));
  await call(sendBackRequest(offset, { maxReconsumeTimes: 0 }));
  expect(running.store.state.topics.get('%DLQ%CID_test')).toMatchObject({ writeQueueNums: 1, perm: 6 });
  const messages = messagesOf(await call(pullRequest({ topic: '%DLQ%CID_test' })));
  expect(messages.map((message) => message.reconsumeTimes)).toEqual([1, 1]);
});

test('a send to the retry topic beyond the maximum goes to the dead-letter topic', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const retry = { topic: '%RETRY%CID_test', maxReconsumeTimes: 3 };
  await call(sendRequest({ ...retry, reconsumeTimes: 3 }));
  await call(sendRequest({ ...retry, reconsumeTimes: 4, body: 'dead', properties: { DELAY: '3' } }));
  expect(messagesOf(await call(pullRequest({ topic: '%RETRY%CID_test' })))).toHaveLength(1);
  const [dead] = messagesOf(await call(pullRequest({ topic: '%DLQ%CID_test' })));
  expect(Buffer.from(dead!.body).toString()).toBe('dead');
});

test('a group that keeps no retries gets its message back accepted and dropped', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const offset = parseMessageId((await call(sendRequest())).extFields.get('msgId') as string)!.physicalOffset;
  await call(pullRequest());
  const { groups } = running.store.state;
  groups.put({ ...groups.get('CID_test')!, retryQueueNums: 0 });
  const before = running.store.stats().endPhysicalOffset;
  expect((await call(sendBackRequest(offset))).code).toBe(0);
  expect(running.store.stats().endPhysicalOffset).toBe(before);
});

test('a delayed message waits through a restart and is delivered once', async () => {
  const first = await startTestBroker({ store: { messageDelayLevel: '1s 2s' } });
  await caller(first)(sendRequest({ body: 'later', properties: { DELAY: '1', TAGS: 'x' } }));
  await first.stop();
  const second = await startTestBroker({ directory: first.directory, store: { messageDelayLevel: '1s 2s' } });
  const call = caller(second);
  const response = await call(pullRequest({ holdMs: 60_000, expression: 'x' }), 60_000);
  expect(messagesOf(response).map((message) => Buffer.from(message.body).toString())).toEqual(['later']);
  await vi.waitFor(() => expect(second.store.state.delayOffsets.get(1)).toBe(1), { timeout: 10_000 });
  await second.stop();
  const third = await startTestBroker({ directory: first.directory, store: { messageDelayLevel: '1s 2s' } });
  expect(third.store.state.delayOffsets.get(1)).toBe(1);
  expect(third.store.maxOffset('Letters', 0)).toBe(1);
});
