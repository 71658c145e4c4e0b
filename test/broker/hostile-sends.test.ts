// Sends that no honest client makes: what they may not do to the log, to other messages, and to the broker.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { scanProperties } from '../../src/broker/send/properties-scan.ts';
import { createRequest } from '../../src/remoting/protocol/request-headers.ts';
import { RequestCode } from '../../src/remoting/protocol/request-code.ts';
import { findViolations } from '../../src/store/inspect/check-store.ts';
import { caller, startTestBroker } from './support/running-broker.ts';
import { batchElement, batchRequest, messagesOf, pullRequest, sendRequest } from './support/requests.ts';

const batch = (body: Buffer, sysFlag = 0, properties = '') =>
  createRequest(
    RequestCode.SEND_BATCH_MESSAGE,
    {
      producerGroup: 'PID_test',
      topic: 'Letters',
      defaultTopic: 'TBW102',
      defaultTopicQueueNums: 4,
      queueId: 0,
      sysFlag,
      bornTimestamp: 1,
      flag: 0,
      properties,
      batch: true,
    },
    body,
  );

test('a batch can not be part of a transaction: its messages would have a place in the queue that the log denies', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  expect((await call(batchRequest(['one', 'two']))).code).toBe(0);
  for (const sysFlag of [0x4, 0x8, 0xc]) {
    expect((await call(batch(batchElement('half'), sysFlag))).code).toBe(13);
  }
  expect((await call(batchRequest(['three']))).extFields.get('queueOffset')).toBe('2');
  await running.stop();
  // The queues are built again from the log, and must come out the same.
  rmSync(join(running.directory, 'consumequeue'), { recursive: true });
  const again = await startTestBroker({ directory: running.directory });
  const found = messagesOf(await caller(again)(pullRequest()));
  expect(found.map(({ body, queueOffset }) => [Buffer.from(body).toString(), queueOffset])).toEqual([
    ['one', 0],
    ['two', 1],
    ['three', 2],
  ]);
});

test('a batch can not have a delay', async () => {
  const call = caller(await startTestBroker());
  expect((await call(batch(batchElement('later'), 0, 'DELAY\u00013\u0002'))).code).toBe(13);
  expect((await call(batch(batchElement('now'), 0, 'DELAY\u00010\u0002'))).code).toBe(0);
});

test('single messages with the flags of a transaction leave the queues as the log says', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  for (const sysFlag of [0, 0x4, 0x8, 0xc, 0x30, 0x700, 0x7fffff00, -256]) {
    const { code } = await call(sendRequest({ sysFlag, body: `flag ${sysFlag}` }));
    expect([0, 13]).toContain(code);
  }
  const before = messagesOf(await call(pullRequest())).map(({ body }) => Buffer.from(body).toString());
  await running.stop();
  rmSync(join(running.directory, 'consumequeue'), { recursive: true });
  const again = await startTestBroker({ directory: running.directory });
  const after = messagesOf(await caller(again)(pullRequest())).map(({ body }) => Buffer.from(body).toString());
  expect(after).toEqual(before);
});

test('the highest delay level stands for every number above it', async () => {
  const running = await startTestBroker({ store: { messageDelayLevel: '1s 1000s' } });
  const call = caller(running);
  for (const level of ['2', '18', '999999999', '2147483647', '+2147483647']) {
    expect((await call(sendRequest({ properties: { DELAY: level } }))).code).toBe(0);
  }
  expect(running.store.maxOffset('SCHEDULE_TOPIC_XXXX', 1)).toBe(5);
  for (const level of ['2147483648', '1.5', '0x1', ' 1', '1e3', '99999999999999999999']) {
    expect((await call(sendRequest({ properties: { DELAY: level } }))).code).not.toBe(0);
  }
  for (const level of ['0', '-1', '-2147483648']) {
    expect((await call(sendRequest({ properties: { DELAY: level } }))).code).toBe(0);
  }
  expect(running.store.maxOffset('Letters', 0)).toBe(3);
});

test(
  'a message whose properties just fit is delivered after its delay, and holds up no other',
  { timeout: 30_000 },
  async () => {
    const running = await startTestBroker({ store: { messageDelayLevel: '1s' } });
    const call = caller(running);
    let fitting = 0;
    // At the edge: what the schedule topic can still take, with the broker's own properties.
    for (let length = 32_767; fitting < 3; length--) {
      const { code } = await call(sendRequest({ body: 'tight', properties: { DELAY: '1', a: 'x'.repeat(length) } }));
      if (code === 0) fitting++;
    }
    await call(sendRequest({ body: 'next', properties: { DELAY: '1' } }));
    await expect.poll(() => running.store.maxOffset('Letters', 0), { timeout: 10_000 }).toBe(4);
    const bodies = messagesOf(await call(pullRequest())).map(({ body }) => Buffer.from(body).toString());
    expect(bodies).toEqual(['tight', 'tight', 'tight', 'next']);
  },
);

test('properties of nothing but separators are looked over once', { timeout: 30_000 }, () => {
  // Looking for each next separator from each entry would take minutes for this.
  for (const text of ['\u0002', '\u0001', 'a\u0002', 'abc\u0002', 'abc\u0001', 'a\u0001b\u0002']) {
    const scanned = scanProperties(text.repeat(2_000_000));
    expect(scanned.uniqueKey).toBeUndefined();
  }
});

test('queues and index agree with the log about texts that UTF-8 can not carry', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  for (const text of ['\ud800', 'a\udfffb', '\udc00\ud800', 'fine \ud83d\ude00']) {
    const properties = { TAGS: text, KEYS: text, UNIQ_KEY: `key ${text}` };
    expect((await call(sendRequest({ properties }))).code).toBe(0);
    expect((await call(sendRequest({ properties: { ...properties, DELAY: '2' } }))).code).toBe(0);
  }
  await running.stop();
  expect(await findViolations({ dir: running.directory, strict: true })).toEqual([]);
});

test('a topic name is kept by itself, not with the request that it came in', { timeout: 30_000 }, async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const filler = 'x'.repeat(30_000);
  const before = heapAfterCollection();
  for (let index = 0; index < 400; index++) {
    const topic = `TopicOfADecentLength${index}`;
    expect((await call(sendRequest({ topic, properties: { a: filler } }))).code).toBe(0);
    await call(pullRequest({ topic, group: `GroupOfADecentLength${index}`, expression: `${filler}${index}` }));
  }
  // 24 MB would be their requests.
  expect(heapAfterCollection() - before).toBeLessThan(12_000_000);
});

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
