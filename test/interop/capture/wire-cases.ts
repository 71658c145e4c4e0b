/**
 * The hand-made requests whose answers from Apache 5.5.0 are kept: every code of the slice, its good case and its refusals.
 *
 * Three targets: `a` is a broker with default settings, `strict` creates neither topics nor groups by itself and takes at most
 * 64 KiB, `namesrv` is the name server. The order matters: earlier cases make the topics and messages that later ones use.
 */

import { crc32, deflateSync } from 'node:zlib';
import type { RawRequest } from '../support/raw-remoting.ts';

export interface WireCase {
  readonly name: string;
  readonly what: string;
  readonly target: 'a' | 'strict' | 'namesrv';
  readonly request: RawRequest;
  /** A request that another connection sends while this one waits (long polling). */
  readonly meanwhile?: RawRequest;
}

const PROPERTIES =
  'KEYS\u0001k1\u0002UNIQ_KEY\u00017F0000010001000000000000000000AA\u0002WAIT\u0001true\u0002TAGS\u0001tagA\u0002';

/** SendMessageRequestHeader with its long field names (code 10). */
export function sendFields(more: Record<string, string> = {}): Record<string, string> {
  return {
    producerGroup: 'PID_golden',
    topic: 'GoldenTopic',
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: '4',
    queueId: '0',
    sysFlag: '0',
    bornTimestamp: '1700000000000',
    flag: '0',
    properties: PROPERTIES,
    reconsumeTimes: '0',
    unitMode: 'false',
    maxReconsumeTimes: '0',
    batch: 'false',
    ...more,
  };
}

const SHORT_NAMES: Readonly<Record<string, string>> = {
  producerGroup: 'a',
  topic: 'b',
  defaultTopic: 'c',
  defaultTopicQueueNums: 'd',
  queueId: 'e',
  sysFlag: 'f',
  bornTimestamp: 'g',
  flag: 'h',
  properties: 'i',
  reconsumeTimes: 'j',
  unitMode: 'k',
  maxReconsumeTimes: 'l',
  batch: 'm',
};

/** The same fields with the one-letter names of codes 310 and 320. */
export function sendFieldsV2(more: Record<string, string> = {}): Record<string, string> {
  const long = sendFields(more);
  return Object.fromEntries(Object.entries(long).map(([key, value]) => [SHORT_NAMES[key] ?? key, value]));
}

/** One element of a batch body. */
export function batchElement(body: Buffer, properties: string): Buffer {
  const propertyBytes = Buffer.from(properties);
  const bytes = Buffer.alloc(22 + body.length + propertyBytes.length);
  bytes.writeInt32BE(bytes.length, 0);
  bytes.writeInt32BE(body.length, 16);
  body.copy(bytes, 20);
  bytes.writeInt16BE(propertyBytes.length, 20 + body.length);
  propertyBytes.copy(bytes, 22 + body.length);
  return bytes;
}

export function pullFields(more: Record<string, string> = {}): Record<string, string> {
  return {
    consumerGroup: 'CID_golden',
    topic: 'GoldenTopic',
    queueId: '0',
    queueOffset: '0',
    maxMsgNums: '32',
    sysFlag: '4',
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
    expressionType: 'TAG',
    ...more,
  };
}

export function heartbeatBody(more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    clientID: '127.0.0.1@golden',
    consumerDataSet: [
      {
        consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
        consumeType: 'CONSUME_PASSIVELY',
        groupName: 'CID_golden',
        messageModel: 'CLUSTERING',
        subscriptionDataSet: [
          {
            classFilterMode: false,
            codeSet: [],
            expressionType: 'TAG',
            subString: '*',
            subVersion: 1700000000000,
            tagsSet: [],
            topic: 'GoldenTopic',
          },
        ],
        unitMode: false,
      },
    ],
    producerDataSet: [{ groupName: 'PID_golden' }],
    ...more,
  });
}

/** UPDATE_AND_CREATE_TOPIC, only to prepare topics for the cases. */
function createTopic(topic: string, perm: number, queues = 4): RawRequest {
  return {
    code: 17,
    ext: {
      topic,
      defaultTopic: 'TBW102',
      readQueueNums: String(queues),
      writeQueueNums: String(queues),
      perm: String(perm),
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: '0',
      order: 'false',
    },
  };
}

const BODY = 'hello golden';
const BATCH = Buffer.concat([
  batchElement(Buffer.from('first of batch'), PROPERTIES.replace('00AA', '00B1')),
  batchElement(Buffer.from('second of batch'), PROPERTIES.replace('00AA', '00B2')),
]);

function send(name: string, what: string, more: Record<string, string>, body: Buffer | string = BODY): WireCase {
  return { name: `10-${name}`, what, target: 'a', request: { code: 10, ext: sendFields(more), body } };
}

function pull(name: string, what: string, more: Record<string, string>, target: 'a' | 'strict' = 'a'): WireCase {
  return { name: `11-${name}`, what, target, request: { code: 11, ext: pullFields(more) } };
}

function ask(
  target: WireCase['target'],
  code: number,
  name: string,
  what: string,
  ext: Record<string, string>,
  body = '',
): WireCase {
  return { name: `${code}-${name}`, what, target, request: { code, ext, body } };
}

const LONG_TOPIC = 'L'.repeat(128);

export const SEND_CASES: readonly WireCase[] = [
  send('found', 'first message of a topic that does not exist (auto-create from TBW102)', {}),
  send('second', 'second message, same queue', {}),
  send('queue-negative', 'queueId -1: the broker chooses', { queueId: '-1' }),
  send('queue-illegal', 'queueId beyond the write queues', { queueId: '99' }),
  send('empty-body', 'a body of 0 bytes', {}, ''),
  send('properties-empty', 'empty properties: the broker makes the UNIQ_KEY', { properties: '' }),
  send('topic-unknown-no-default', 'unknown topic whose default topic does not exist either', {
    topic: 'NoSuchTopic',
    defaultTopic: 'NoDefault',
  }),
  send('topic-default-not-inherited', 'unknown topic, default topic without the inherit bit', {
    topic: 'NoSuchTopic2',
    defaultTopic: 'GoldenTopic',
  }),
  send('topic-illegal', 'topic with an illegal character', { topic: 'Golden Topic!' }),
  send('topic-empty', 'empty topic', { topic: '' }),
  send('topic-blank', 'blank topic', { topic: '   ' }),
  send('topic-127', 'topic of 127 characters', { topic: 'L'.repeat(127) }),
  send('topic-128', 'topic of 128 characters', { topic: LONG_TOPIC }),
  send('topic-system', 'a system topic that clients may not write', { topic: 'SCHEDULE_TOPIC_XXXX' }),
  send('topic-system-half', 'the half message topic', { topic: 'RMQ_SYS_TRANS_HALF_TOPIC' }),
  send('topic-tbw102', 'the template topic itself', { topic: 'TBW102' }),
  send('body-too-big', 'a body of maxMessageSize + 1 bytes', {}, Buffer.alloc(4 * 1024 * 1024 + 1)),
  send('body-max', 'a body of exactly maxMessageSize bytes', {}, Buffer.alloc(4 * 1024 * 1024, 0x61)),
  send('properties-too-long', 'properties of 32,768 bytes', { properties: `big\u0001${'x'.repeat(32763)}\u0002` }),
  send('properties-max', 'properties of 32,600 bytes (the broker adds its own)', {
    properties: `UNIQ_KEY\u0001AA\u0002big\u0001${'x'.repeat(32583)}\u0002`,
  }),
  send('properties-full', 'properties of 32,767 bytes: too long once the broker has added its own', {
    properties: `UNIQ_KEY\u0001AA\u0002big\u0001${'x'.repeat(32750)}\u0002`,
  }),
  send('delay-level', 'DELAY=3: stored in SCHEDULE_TOPIC_XXXX', { properties: `DELAY\u00013\u0002${PROPERTIES}` }),
  send('delay-level-above', 'DELAY=99: cut to the highest level', { properties: `DELAY\u000199\u0002${PROPERTIES}` }),
  send('delay-level-text', 'DELAY=abc', { properties: `DELAY\u0001abc\u0002${PROPERTIES}` }),
  send('transaction-prepared', 'TRAN_MSG=true with sysFlag 4 (half message)', {
    sysFlag: '4',
    properties: `TRAN_MSG\u0001true\u0002PGROUP\u0001PID_golden\u0002${PROPERTIES}`,
  }),
  send('sysflag-compressed', 'sysFlag 1 (zlib body)', { sysFlag: '1' }, deflateSync(Buffer.alloc(5000, 0x61))),
  send('retry-topic', 'a send straight to a %RETRY% topic', {
    topic: '%RETRY%CID_golden',
    reconsumeTimes: '1',
    maxReconsumeTimes: '16',
  }),
  send('retry-topic-exhausted', 'a send to a %RETRY% topic at its maximum: goes to the DLQ', {
    topic: '%RETRY%CID_golden',
    reconsumeTimes: '16',
    maxReconsumeTimes: '16',
  }),
  send('born-timestamp-text', 'bornTimestamp is not a number', { bornTimestamp: 'yesterday' }),
  {
    name: '10-field-missing',
    what: 'producerGroup missing',
    target: 'a',
    request: { code: 10, ext: without(sendFields(), 'producerGroup'), body: BODY },
  },
  { name: '10-ext-missing', what: 'no ext fields at all', target: 'a', request: { code: 10, ext: {}, body: BODY } },
  {
    name: '10-binary-header',
    what: 'ROCKETMQ binary request header (the answer is JSON)',
    target: 'a',
    request: { code: 10, ext: sendFields(), body: BODY, serializeType: 'ROCKETMQ' },
  },
  {
    name: '17-create-read-only',
    what: 'prepare: topic with perm 4',
    target: 'a',
    request: createTopic('GoldenReadOnly', 4),
  },
  {
    name: '17-create-write-only',
    what: 'prepare: topic with perm 2',
    target: 'a',
    request: createTopic('GoldenWriteOnly', 2),
  },
  send('topic-read-only', 'a topic with perm 4: Apache 5.5.0 does not look at the topic permission here', {
    topic: 'GoldenReadOnly',
  }),
  {
    name: '310-found',
    what: 'short field names',
    target: 'a',
    request: { code: 310, ext: sendFieldsV2(), body: BODY },
  },
  {
    name: '310-with-broker-name',
    what: 'short field names with n = broker name',
    target: 'a',
    request: { code: 310, ext: { ...sendFieldsV2(), n: 'broker-a' }, body: BODY },
  },
  {
    name: '310-field-missing',
    what: 'topic (b) missing',
    target: 'a',
    request: { code: 310, ext: without(sendFieldsV2(), 'b'), body: BODY },
  },
  {
    name: '320-found',
    what: 'a batch of two',
    target: 'a',
    request: { code: 320, ext: sendFieldsV2({ batch: 'true', properties: '' }), body: BATCH },
  },
  {
    name: '320-truncated',
    what: 'a batch body cut in its last element',
    target: 'a',
    request: { code: 320, ext: sendFieldsV2({ batch: 'true' }), body: BATCH.subarray(0, BATCH.length - 3) },
  },
  {
    name: '320-retry-topic',
    what: 'a batch to a %RETRY% topic',
    target: 'a',
    request: { code: 320, ext: sendFieldsV2({ batch: 'true', topic: '%RETRY%CID_golden' }), body: BATCH },
  },
  {
    name: '320-topic-long',
    what: 'a batch to a topic of 128 characters',
    target: 'a',
    request: { code: 320, ext: sendFieldsV2({ batch: 'true', topic: LONG_TOPIC }), body: BATCH },
  },
  {
    name: '320-empty',
    what: 'a batch without a body',
    target: 'a',
    request: { code: 320, ext: sendFieldsV2({ batch: 'true' }) },
  },
  {
    name: '320-not-marked',
    what: 'code 320 with batch=false',
    target: 'a',
    request: { code: 320, ext: sendFieldsV2({ batch: 'false' }), body: BATCH },
  },
  {
    name: '10-strict-unknown-topic',
    what: 'autoCreateTopicEnable=false: unknown topic',
    target: 'strict',
    request: { code: 10, ext: sendFields({ topic: 'NoSuchTopic' }), body: BODY },
  },
  {
    name: '17-strict-create',
    what: 'prepare: a topic on the strict broker',
    target: 'strict',
    request: createTopic('GoldenTopic', 6),
  },
  {
    name: '10-strict-too-big',
    what: 'maxMessageSize=65536: a body of 65,537 bytes',
    target: 'strict',
    request: { code: 10, ext: sendFields(), body: Buffer.alloc(65537) },
  },
];

export const PULL_CASES: readonly WireCase[] = [
  pull('found', 'from offset 0, sysFlag 4 (subscription in the request)', {}),
  pull('found-one', 'maxMsgNums 1', { maxMsgNums: '1' }),
  pull('commit', 'sysFlag 5: commitOffset 1 is taken over', { sysFlag: '5', commitOffset: '1' }),
  pull('offset-far-above-max', 'offset 999 of a queue with one message', { queueOffset: '999', queueId: '1' }),
  pull('offset-at-max', 'offset exactly at the maximum, without suspend', { queueOffset: 'MAX' }),
  pull('offset-above-max', 'offset above the maximum', { queueOffset: '100000' }),
  pull('offset-negative', 'offset -1', { queueOffset: '-1' }),
  pull('queue-empty', 'a queue without a message, offset 0', { queueId: '3' }),
  pull('queue-empty-ahead', 'a queue without a message, offset 5', { queueId: '3', queueOffset: '5' }),
  pull('tag-mismatch', 'TAG expression that fits nothing', { subscription: 'tagZ' }),
  pull('tag-match', 'TAG expression tagA', { subscription: 'tagA' }),
  pull('queue-illegal', 'queueId beyond the read queues', { queueId: '99' }),
  pull('topic-unknown', 'unknown topic', { topic: 'NoSuchTopicAtAll' }),
  pull('no-permission', 'topic without read permission', { topic: 'GoldenWriteOnly' }),
  pull('expression-illegal', 'SQL92 expression while enablePropertyFilter=false', {
    subscription: 'a > 1',
    expressionType: 'SQL92',
  }),
  pull('subscription-unknown', 'sysFlag 0 and no such consumer', { sysFlag: '0', consumerGroup: 'CID_nobody' }),
  pull('subscription-not-latest', 'sysFlag 0, subVersion newer than the heartbeat', {
    sysFlag: '0',
    subVersion: '9700000000000',
  }),
  pull('subscription-topic-unknown', 'sysFlag 0, group known but another topic', {
    sysFlag: '0',
    topic: 'GoldenReadOnly',
  }),
  pull('subscription-known', 'sysFlag 0, subscription from the heartbeat', {
    sysFlag: '0',
    subVersion: '1700000000000',
  }),
  pull('long-poll-timeout', 'sysFlag 6 at the maximum, suspend 1,000 ms, nothing arrives', {
    sysFlag: '6',
    queueOffset: 'MAX',
    suspendTimeoutMillis: '1000',
  }),
  {
    ...pull('long-poll-arrival', 'sysFlag 6 at the maximum, suspend 15,000 ms, a message arrives', {
      sysFlag: '6',
      queueOffset: 'MAX',
      suspendTimeoutMillis: '15000',
    }),
    meanwhile: { code: 10, ext: sendFields(), body: 'arrived while waiting' },
  },
  pull('max-nums-zero', 'maxMsgNums 0', { maxMsgNums: '0' }),
  {
    name: '11-field-missing',
    what: 'queueOffset missing',
    target: 'a',
    request: { code: 11, ext: without(pullFields(), 'queueOffset') },
  },
  pull('strict-group-unknown', 'autoCreateSubscriptionGroup=false: unknown group', {}, 'strict'),
];

const GROUP_QUEUE = { consumerGroup: 'CID_golden', topic: 'GoldenTopic', queueId: '0' };
const QUEUE = { topic: 'GoldenTopic', queueId: '0' };
const BACK = {
  offset: '0',
  group: 'CID_golden',
  delayLevel: '0',
  originMsgId: '',
  originTopic: 'GoldenTopic',
  unitMode: 'false',
  maxReconsumeTimes: '16',
};

export const CLIENT_CASES: readonly WireCase[] = [
  ask('a', 34, 'consumer', 'consumer and producer in one heartbeat', {}, heartbeatBody()),
  ask('a', 34, 'again', 'the same heartbeat again', {}, heartbeatBody()),
  ask(
    'a',
    34,
    'empty',
    'neither consumers nor producers',
    {},
    heartbeatBody({ consumerDataSet: [], producerDataSet: [] }),
  ),
  ask('a', 34, 'no-body', 'no body', {}),
  ask('a', 34, 'bad-json', 'a body that is not JSON', {}, '{"clientID":'),
  ask('strict', 34, 'strict', 'autoCreateSubscriptionGroup=false: unknown group', {}, heartbeatBody()),
  ask('a', 38, 'found', 'the members of a group', { consumerGroup: 'CID_golden' }),
  ask('a', 38, 'unknown', 'unknown group', { consumerGroup: 'CID_nobody' }),
  ask('a', 38, 'field-missing', 'consumerGroup missing', {}),
];

export const OFFSET_CASES: readonly WireCase[] = [
  ask('a', 14, 'unknown-first', 'no offset yet, queue still starts at 0 and is in memory', {
    consumerGroup: 'CID_never',
    topic: 'GoldenTopic',
    queueId: '0',
  }),
  ask('a', 14, 'unknown-no-zero', 'no offset yet, setZeroIfNotFound=false', {
    consumerGroup: 'CID_never',
    topic: 'GoldenTopic',
    queueId: '0',
    setZeroIfNotFound: 'false',
  }),
  ask('a', 14, 'unknown-topic', 'no such topic', {
    consumerGroup: 'CID_never',
    topic: 'NoSuchTopicAtAll',
    queueId: '0',
  }),
  ask('a', 14, 'unknown-queue', 'no such queue', { consumerGroup: 'CID_never', topic: 'GoldenTopic', queueId: '77' }),
  ask('a', 15, 'found', 'commit offset 2', { ...GROUP_QUEUE, commitOffset: '2' }),
  ask('a', 14, 'found', 'the committed offset', GROUP_QUEUE),
  ask('a', 15, 'backwards', 'commit offset 1 after 2', { ...GROUP_QUEUE, commitOffset: '1' }),
  ask('a', 14, 'after-backwards', 'the offset after a commit that goes back', GROUP_QUEUE),
  ask('a', 15, 'negative', 'commit offset -1', { ...GROUP_QUEUE, commitOffset: '-1' }),
  ask('a', 14, 'after-negative', 'the offset after commit -1', GROUP_QUEUE),
  ask('a', 15, 'above-max', 'commit offset far above the maximum', { ...GROUP_QUEUE, commitOffset: '1000000' }),
  ask('a', 14, 'after-above-max', 'the offset after a commit above the maximum', GROUP_QUEUE),
  ask('a', 15, 'topic-unknown', 'commit for an unknown topic', {
    ...GROUP_QUEUE,
    topic: 'NoSuchTopicAtAll',
    commitOffset: '1',
  }),
  ask('a', 15, 'group-unknown', 'commit for an unknown group', {
    ...GROUP_QUEUE,
    consumerGroup: 'CID_nobody2',
    commitOffset: '1',
  }),
  ask('a', 15, 'queue-unknown', 'commit for an unknown queue', { ...GROUP_QUEUE, queueId: '77', commitOffset: '1' }),
  ask('a', 15, 'offset-missing', 'commitOffset missing', GROUP_QUEUE),
  ask('strict', 15, 'strict-group-unknown', 'autoCreateSubscriptionGroup=false: unknown group', {
    ...GROUP_QUEUE,
    commitOffset: '1',
  }),
  ask('a', 30, 'found', 'the maximum', QUEUE),
  ask('a', 30, 'committed-false', 'the maximum with committed=false', { ...QUEUE, committed: 'false' }),
  ask('a', 30, 'topic-unknown', 'unknown topic', { topic: 'NoSuchTopicAtAll', queueId: '0' }),
  ask('a', 30, 'queue-unknown', 'unknown queue', { ...QUEUE, queueId: '77' }),
  ask('a', 30, 'field-missing', 'queueId missing', { topic: 'GoldenTopic' }),
  ask('a', 31, 'found', 'the minimum', QUEUE),
  ask('a', 31, 'topic-unknown', 'unknown topic', { topic: 'NoSuchTopicAtAll', queueId: '0' }),
  ask('a', 31, 'queue-unknown', 'unknown queue', { ...QUEUE, queueId: '77' }),
  ask('a', 29, 'zero', 'timestamp 0', { ...QUEUE, timestamp: '0' }),
  ask('a', 29, 'future', 'a timestamp far ahead', { ...QUEUE, timestamp: '9999999999999' }),
  ask('a', 29, 'lower', 'boundaryType LOWER, timestamp 0', { ...QUEUE, timestamp: '0', boundaryType: 'LOWER' }),
  ask('a', 29, 'upper', 'boundaryType UPPER, a timestamp far ahead', {
    ...QUEUE,
    timestamp: '9999999999999',
    boundaryType: 'UPPER',
  }),
  ask('a', 29, 'boundary-illegal', 'boundaryType MIDDLE', { ...QUEUE, timestamp: '0', boundaryType: 'MIDDLE' }),
  ask('a', 29, 'topic-unknown', 'unknown topic', { topic: 'NoSuchTopicAtAll', queueId: '0', timestamp: '0' }),
  ask('a', 29, 'timestamp-missing', 'timestamp missing', QUEUE),
];

export const BACK_CASES: readonly WireCase[] = [
  ask('a', 36, 'found', 'send back, delayLevel 0', BACK),
  ask('a', 36, 'delay-5', 'send back, delayLevel 5', { ...BACK, delayLevel: '5' }),
  ask('a', 36, 'delay-negative', 'delayLevel -1: straight to the DLQ', { ...BACK, delayLevel: '-1' }),
  ask('a', 36, 'max-zero', 'maxReconsumeTimes 0: straight to the DLQ', { ...BACK, maxReconsumeTimes: '0' }),
  ask('a', 36, 'minimal', 'only the required fields', { offset: '0', group: 'CID_golden', delayLevel: '0' }),
  ask('a', 36, 'offset-unknown', 'no message at that offset', { ...BACK, offset: '99999999' }),
  ask('a', 36, 'offset-inside', 'an offset inside a record', { ...BACK, offset: '10' }),
  ask('a', 36, 'offset-negative', 'offset -5', { ...BACK, offset: '-5' }),
  ask('a', 36, 'group-empty', 'empty group', { ...BACK, group: '' }),
  ask('strict', 36, 'strict-group-unknown', 'autoCreateSubscriptionGroup=false: unknown group', BACK),
  ask('a', 35, 'consumer', 'unregister the consumer', { clientID: '127.0.0.1@golden', consumerGroup: 'CID_golden' }),
  ask('a', 38, 'after-unregister', 'the members after the last one left', { consumerGroup: 'CID_golden' }),
  ask('a', 35, 'producer', 'unregister the producer', { clientID: '127.0.0.1@golden', producerGroup: 'PID_golden' }),
  ask('a', 35, 'unknown', 'unregister what was never there', {
    clientID: 'nobody',
    consumerGroup: 'CID_nobody',
    producerGroup: 'PID_nobody',
  }),
  ask('a', 35, 'field-missing', 'clientID missing', {}),
  ask('a', 28, 'found', 'runtime info', {}),
  ask('a', 9999, 'broker', 'a code that nobody knows, at a broker', {}),
  ask('namesrv', 9999, 'namesrv', 'a code that nobody knows, at a name server', {}),
  ask('a', 105, 'at-broker', 'a route request at a broker', { topic: 'GoldenTopic' }),
  ask('namesrv', 10, 'at-namesrv', 'a send at a name server', {}),
];

const REGISTER = {
  brokerName: 'golden-broker',
  brokerAddr: '127.0.0.9:10911',
  clusterName: 'GoldenCluster',
  haServerAddr: '127.0.0.9:10912',
  brokerId: '0',
  enableActingMaster: 'false',
  compressed: 'false',
};
const ONE_TOPIC_BODY =
  '{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1700000000000},"topicConfigTable":{"Registered":{"attributes":{},"order":false,"perm":6,"readQueueNums":2,"topicFilterType":"SINGLE_TAG","topicName":"Registered","topicSysFlag":0,"writeQueueNums":3}}}}';

const REGISTER_BODY = ONE_TOPIC_BODY.replace(
  '"Registered":{',
  '"Second":{"attributes":{},"order":false,"perm":4,"readQueueNums":1,"topicFilterType":"SINGLE_TAG","topicName":"Second","topicSysFlag":0,"writeQueueNums":1},"Registered":{',
);

function register(name: string, what: string, more: Record<string, string>, body: string = REGISTER_BODY): WireCase {
  return ask('namesrv', 103, name, what, { ...REGISTER, bodyCrc32: String(crc32(body) & 0x7fffffff), ...more }, body);
}

/** Last of all: the strict broker is made read-only, then write-only, by UPDATE_BROKER_CONFIG. */
export const PERMISSION_CASES: readonly WireCase[] = [
  {
    name: '17-ordered',
    what: 'prepare: an ordered topic',
    target: 'strict',
    request: { code: 17, ext: { ...createTopic('GoldenOrdered', 6).ext, order: 'true' } },
  },
  {
    name: '25-read-only',
    what: 'prepare: brokerPermission=4',
    target: 'strict',
    request: { code: 25, body: 'brokerPermission=4\n' },
  },
  {
    name: '10-broker-read-only',
    what: 'brokerPermission=4: a send',
    target: 'strict',
    request: { code: 10, ext: sendFields(), body: BODY },
  },
  {
    name: '10-broker-read-only-ordered',
    what: 'brokerPermission=4: a send to an ordered topic',
    target: 'strict',
    request: { code: 10, ext: sendFields({ topic: 'GoldenOrdered' }), body: BODY },
  },
  {
    name: '36-broker-read-only',
    what: 'brokerPermission=4: send back',
    target: 'strict',
    request: { code: 36, ext: BACK },
  },
  {
    name: '25-write-only',
    what: 'prepare: brokerPermission=2',
    target: 'strict',
    request: { code: 25, body: 'brokerPermission=2\n' },
  },
  {
    name: '11-broker-write-only',
    what: 'brokerPermission=2: a pull',
    target: 'strict',
    request: { code: 11, ext: pullFields() },
  },
];

export const NAMESRV_CASES: readonly WireCase[] = [
  register('one-topic-first', 'an unknown broker that comes with exactly one topic', {}, ONE_TOPIC_BODY),
  register('hand-made', 'an unknown broker with two topics (plain)', {}),
  register('one-topic-then', 'a known broker that comes with one topic', {}, ONE_TOPIC_BODY),
  register(
    'older',
    'a known broker with an older data version',
    {},
    REGISTER_BODY.replace('1700000000000', '1600000000000'),
  ),
  register('crc-wrong', 'bodyCrc32 does not fit', { bodyCrc32: '12345' }),
  register('slave', 'a slave of the same broker', {
    brokerId: '1',
    brokerAddr: '127.0.0.9:10921',
    haServerAddr: '127.0.0.9:10922',
  }),
  register('body-bad', 'a body that is not JSON', {}, '{"filterServerList":'),
  ask(
    'namesrv',
    322,
    'same',
    'the data version that the name server has',
    without({ ...REGISTER }, 'compressed'),
    '{"counter":1,"stateVersion":0,"timestamp":1700000000000}',
  ),
  ask(
    'namesrv',
    322,
    'changed',
    'a newer data version',
    without({ ...REGISTER }, 'compressed'),
    '{"counter":2,"stateVersion":0,"timestamp":1700000000001}',
  ),
  ask(
    'namesrv',
    322,
    'unknown',
    'an unknown broker',
    { ...without({ ...REGISTER }, 'compressed'), brokerAddr: '127.0.0.9:1', brokerName: 'nobody' },
    '{"counter":2,"stateVersion":0,"timestamp":1700000000001}',
  ),
  ask('namesrv', 105, 'standard', 'version 513: standard JSON', { topic: 'Registered' }),
  {
    name: '105-loose',
    what: 'version 317 (client-go): integer keys without quotes',
    target: 'namesrv',
    request: { code: 105, ext: { topic: 'Registered' }, version: 317, language: 'GO' },
  },
  {
    name: '105-version-401',
    what: 'version 401, the first with standard JSON',
    target: 'namesrv',
    request: { code: 105, ext: { topic: 'Registered' }, version: 401 },
  },
  {
    name: '105-version-400',
    what: 'version 400',
    target: 'namesrv',
    request: { code: 105, ext: { topic: 'Registered' }, version: 400 },
  },
  {
    name: '105-accept-standard',
    what: 'version 317 with acceptStandardJsonOnly=true',
    target: 'namesrv',
    request: { code: 105, ext: { topic: 'Registered', acceptStandardJsonOnly: 'true' }, version: 317 },
  },
  ask('namesrv', 105, 'real-topic', 'the route of a topic on a real broker', { topic: 'GoldenTopic' }),
  ask('namesrv', 105, 'template', 'the route of TBW102', { topic: 'TBW102' }),
  ask('namesrv', 105, 'topic-unknown', 'unknown topic', { topic: 'NoSuchTopicAtAll' }),
  ask('namesrv', 105, 'topic-empty', 'empty topic', { topic: '' }),
  ask('namesrv', 105, 'field-missing', 'topic missing', {}),
  ask('namesrv', 106, 'standard', 'cluster info', {}),
  {
    name: '106-loose',
    what: 'cluster info for version 317',
    target: 'namesrv',
    request: { code: 106, version: 317, language: 'GO' },
  },
  ask('namesrv', 206, 'all', 'all topics', {}),
  ask('namesrv', 224, 'by-cluster', 'topics of a cluster (not in the slice)', { cluster: 'GoldenCluster' }),
  ask('namesrv', 104, 'slave', 'unregister the slave', {
    brokerName: 'golden-broker',
    brokerAddr: '127.0.0.9:10921',
    clusterName: 'GoldenCluster',
    brokerId: '1',
  }),
  ask('namesrv', 104, 'master', 'unregister the master', {
    brokerName: 'golden-broker',
    brokerAddr: '127.0.0.9:10911',
    clusterName: 'GoldenCluster',
    brokerId: '0',
  }),
  ask('namesrv', 104, 'unknown', 'unregister what was never there', {
    brokerName: 'nobody',
    brokerAddr: '127.0.0.9:1',
    clusterName: 'GoldenCluster',
    brokerId: '0',
  }),
  ask('namesrv', 105, 'after-unregister', 'the route after unregistration', { topic: 'Registered' }),
  register('name-empty', 'an empty broker name (accepted)', { brokerName: '' }),
  ask('namesrv', 104, 'name-empty', 'unregister the broker without a name', {
    brokerName: '',
    brokerAddr: '127.0.0.9:10911',
    clusterName: 'GoldenCluster',
    brokerId: '0',
  }),
];

function without(fields: Record<string, string>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
}
