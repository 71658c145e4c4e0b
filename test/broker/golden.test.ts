// Requests that were sent to Apache RocketMQ 5.5.0 are sent to our broker, and the answers are compared.

import { expect, test } from 'vitest';
import { topicConfig } from '../../src/model/topic-config.ts';
import { goldenExchange } from '../remoting/support/golden-wire.ts';
import type { GoldenFrame } from '../remoting/support/golden-wire.ts';
import { caller, startTestBroker } from './support/running-broker.ts';
import type { Call } from './support/running-broker.ts';

/** Values that depend on what else was stored, or on time and chance. */
const VOLATILE = new Set(['msgId', 'queueOffset', 'maxOffset', 'nextBeginOffset', 'offset']);

/** In the order in which Apache got them. */
const SAME_AS_APACHE = [
  ...['found', 'second', 'queue-illegal', 'topic-unknown-no-default', 'topic-default-not-inherited'].map(
    (n) => `10-${n}`,
  ),
  ...['topic-illegal', 'topic-empty', 'topic-blank', 'topic-127', 'topic-128', 'topic-system'].map((n) => `10-${n}`),
  ...['topic-system-half', 'topic-tbw102', 'properties-too-long', 'properties-max'].map((n) => `10-${n}`),
  ...['delay-level', 'delay-level-above', 'sysflag-compressed', 'retry-topic'].map((n) => `10-${n}`),
  ...['retry-topic-exhausted', 'field-missing'].map((n) => `10-${n}`),
  ...[
    '10-properties-full',
    '10-topic-read-only',
    '310-found',
    '310-with-broker-name',
    '320-found',
    '320-retry-topic',
    '320-topic-long',
    '320-not-marked',
  ],
  ...['34-consumer', '34-again', '34-empty', '38-found', '38-unknown'],
  ...['found', 'found-one', 'commit', 'offset-at-max', 'offset-above-max', 'offset-negative'].map((n) => `11-${n}`),
  ...['queue-empty', 'queue-empty-ahead', 'tag-mismatch', 'tag-match', 'queue-illegal'].map((n) => `11-${n}`),
  ...['topic-unknown', 'no-permission', 'expression-illegal', 'subscription-unknown'].map((n) => `11-${n}`),
  ...['long-poll-timeout', 'max-nums-zero'].map((n) => `11-${n}`),
  ...['14-unknown-first', '14-unknown-no-zero', '14-unknown-topic', '14-unknown-queue', '15-found', '14-found'],
  ...['15-backwards', '14-after-backwards', '15-above-max', '14-after-above-max', '15-topic-unknown'],
  ...['15-group-unknown', '15-queue-unknown', '15-offset-missing'],
  ...['30-found', '30-committed-false', '30-topic-unknown', '30-queue-unknown'],
  ...['31-found', '31-topic-unknown', '31-queue-unknown'],
  ...['29-zero', '29-future', '29-lower', '29-upper', '29-boundary-illegal', '29-topic-unknown'],
  ...['36-found', '36-delay-5', '36-delay-negative', '36-max-zero', '36-minimal', '36-offset-unknown'],
  ...['36-offset-negative', '36-group-empty', '35-consumer', '38-after-unregister', '35-producer', '35-unknown'],
  ...['35-field-missing', '9999-broker'],
];

test('answers are those of Apache 5.5.0', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  addTopics(running.store.state.topics);
  const differences: string[] = [];
  for (const name of SAME_AS_APACHE) {
    const { request, response } = goldenExchange(name);
    const atMaximum = name === '11-offset-at-max' || name === '11-long-poll-timeout';
    const overrides = atMaximum ? { queueOffset: String(running.store.maxOffset('GoldenTopic', 0)) } : {};
    const ours = comparable(await replay(call, request, overrides), request);
    const apache = comparable(fromGolden(response as GoldenFrame), request);
    if (ours !== apache) differences.push(`${name}\n  ours:   ${ours}\n  Apache: ${apache}`);
  }
  expect(differences.join('\n')).toBe('');
});

test('a broker that may make neither topics nor groups refuses as Apache does', async () => {
  const running = await startTestBroker({ settings: { isTopicAutoCreated: false, isGroupAutoCreated: false } });
  running.store.state.topics.put(topicConfig('GoldenTopic', { readQueueNums: 4, writeQueueNums: 4 }));
  const call = caller(running);
  const names = ['10-strict-unknown-topic', '34-strict', '11-strict-group-unknown', '15-strict-group-unknown'];
  for (const name of [...names, '36-strict-group-unknown']) {
    const { request, response } = goldenExchange(name);
    const ours = comparable(await replay(call, request), request);
    expect(`${name} ${ours}`).toBe(`${name} ${comparable(fromGolden(response as GoldenFrame), request)}`);
  }
});

test('a broker that may only be read from, or only be written to, refuses as Apache does', async () => {
  const readOnly = await startTestBroker({ settings: { brokerPerm: 4 } });
  readOnly.store.state.topics.put(topicConfig('GoldenOrdered', { order: true }));
  const writeOnly = await startTestBroker({ settings: { brokerPerm: 2 } });
  const cases = [
    ['10-broker-read-only', readOnly],
    ['10-broker-read-only-ordered', readOnly],
    ['11-broker-write-only', writeOnly],
  ] as const;
  for (const [name, running] of cases) {
    const { request, response } = goldenExchange(name);
    const ours = comparable(await replay(caller(running), request), request);
    expect(`${name} ${ours}`).toBe(`${name} ${comparable(fromGolden(response as GoldenFrame), request)}`);
  }
  const sendBack = await replay(caller(readOnly), goldenExchange('36-found').request);
  expect(sendBack).toMatchObject({ code: 16, remark: 'the broker[127.0.0.1] sending message is forbidden' });
});

/** Apache trips over these (a null pointer, a stack trace in the remark, code 1); ours says what is wrong. */
const BETTER_THAN_APACHE: readonly [string, number, RegExp | undefined][] = [
  ['10-empty-body', 0, undefined],
  ['10-delay-level-text', 13, /DELAY/],
  ['10-born-timestamp-text', 29, /bornTimestamp/],
  ['10-ext-missing', 29, /blank/],
  ['310-field-missing', 29, /blank/],
  ['320-truncated', 13, /illegal/],
  ['320-empty', 13, /illegal/],
  ['34-no-body', 29, /.+/],
  ['34-bad-json', 29, /.+/],
  ['38-field-missing', 1, /no consumer for this group/],
  ['36-offset-inside', 1, /look message by offset failed, 10/],
  ['15-negative', 29, /negative/],
  // Half messages are of a later version: they must not become visible, so they are refused as with rejectTransactionMessage.
  ['10-transaction-prepared', 16, /sending transaction message is forbidden/],
];

test('where Apache trips over a bad request ours names the fault', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  await replay(call, goldenExchange('10-found').request);
  await replay(call, goldenExchange('34-consumer').request);
  for (const [name, code, remark] of BETTER_THAN_APACHE) {
    const response = await replay(call, goldenExchange(name).request);
    expect(`${name} ${response.code}`).toBe(`${name} ${code}`);
    if (remark !== undefined) expect(response.remark).toMatch(remark);
    expect(response.remark ?? '').not.toMatch(/\.java:|\.ts:|at .*\(/);
  }
});

test('the runtime info has every key that Apache has, but for those of a directory or of nothing here', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  await replay(call, goldenExchange('10-found').request);
  const { request, response } = goldenExchange('28-found');
  const tableOf = (body: string): Record<string, string> =>
    (JSON.parse(body) as { table: Record<string, string> }).table;
  const ours = tableOf((await call({ code: request.header.code })).body.toString());
  const apache = tableOf((response as GoldenFrame).bodyText as string);
  const missing = Object.keys(apache).filter((key) => ours[key] === undefined);
  expect(missing.filter((key) => !/^(commitLogDiskRatio_\/|scheduleMessageOffset_)/.test(key))).toEqual([]);
  expect(ours).toMatchObject({ brokerActive: 'true', brokerVersionDesc: 'V5_5_0', msgPutTotalTodayNow: '1' });
  expect(ours['putTps']).toMatch(/^[\d.]+ [\d.]+ [\d.]+$/);
  expect(ours['runtime']).toMatch(/^\[ 0 days, 0 hours, 0 minutes, \d+ seconds \]$/);
});

function addTopics(topics: { put(config: ReturnType<typeof topicConfig>): unknown }): void {
  topics.put(topicConfig('GoldenReadOnly', { readQueueNums: 4, writeQueueNums: 4, perm: 4 }));
  topics.put(topicConfig('GoldenWriteOnly', { readQueueNums: 4, writeQueueNums: 4, perm: 2 }));
}

interface Answer {
  readonly code: number;
  readonly remark: string | undefined;
  readonly extFields: Readonly<Record<string, string>>;
}

async function replay(
  call: Call,
  frame: GoldenFrame,
  overrides: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const body = bodyOf(frame);
  const extFields = { ...frame.header.extFields, ...overrides };
  const response = await call({ code: frame.header.code, extFields, body: body.length === 0 ? undefined : body });
  return { code: response.code, remark: response.remark, extFields: response.extFields.toJSON() };
}

const bodyOf = ({ hex, bodyBytes }: GoldenFrame): Buffer => Buffer.from(hex.slice(hex.length - bodyBytes * 2), 'hex');

const fromGolden = ({ header }: GoldenFrame): Answer => ({
  code: header.code,
  remark: header.remark,
  extFields: header.extFields ?? {},
});

function comparable(answer: Answer, request: GoldenFrame): string {
  const fields = Object.entries(answer.extFields)
    .map(([name, value]) => `${name}=${VOLATILE.has(name) ? '…' : value}`)
    .sort();
  // A port is chance; an empty remark is none.
  const remark = (answer.remark ?? '').replace(/127\.0\.0\.1:\d+/, 'ADDRESS');
  return `${request.header.code} -> ${answer.code} ${JSON.stringify(remark)} {${fields.join(', ')}}`;
}
