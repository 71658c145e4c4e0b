// Requests as clients send them, with what a test does not care about filled in.

import { createRequest } from '../../../src/remoting/protocol/request-headers.ts';
import { RequestCode } from '../../../src/remoting/protocol/request-code.ts';
import type { RemotingCommand, RemotingRequest } from '../../../src/remoting/protocol/remoting-command.ts';
import { decodeRecord, recordSizeAt } from '../../../src/store/commit-log/message-decoder.ts';
import type { StoredMessage } from '../../../src/model/message.ts';
import { formatProperties } from '../../../src/model/message-properties.ts';

export interface SendOptions {
  readonly topic?: string;
  readonly queueId?: number;
  readonly body?: string | Buffer;
  readonly properties?: Readonly<Record<string, string>>;
  readonly reconsumeTimes?: number;
  readonly maxReconsumeTimes?: number;
  readonly sysFlag?: number;
}

export function sendRequest(options: SendOptions = {}): RemotingRequest {
  const { topic = 'Letters', queueId = 0, body = 'hello', properties = {}, sysFlag = 0 } = options;
  const header = {
    producerGroup: 'PID_test',
    topic,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    queueId,
    sysFlag,
    bornTimestamp: 1_700_000_000_000,
    flag: 7,
    properties: formatProperties(Object.entries(properties)),
    reconsumeTimes: options.reconsumeTimes,
    maxReconsumeTimes: options.maxReconsumeTimes,
    batch: false,
  };
  return createRequest(RequestCode.SEND_MESSAGE_V2, header, typeof body === 'string' ? Buffer.from(body) : body);
}

export function batchRequest(bodies: readonly string[], topic = 'Letters', queueId = 0): RemotingRequest {
  const header = {
    producerGroup: 'PID_test',
    topic,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    queueId,
    sysFlag: 0,
    bornTimestamp: 1_700_000_000_000,
    flag: 0,
    properties: '',
    batch: true,
  };
  return createRequest(RequestCode.SEND_BATCH_MESSAGE, header, Buffer.concat(bodies.map((body) => batchElement(body))));
}

export function batchElement(body: string, properties = 'TAGS\u0001a\u0002', flag = 3): Buffer {
  const bodyBytes = Buffer.from(body);
  const propertyBytes = Buffer.from(properties);
  const element = Buffer.alloc(22 + bodyBytes.length + propertyBytes.length);
  element.writeInt32BE(element.length, 0);
  element.writeInt32BE(flag, 12);
  element.writeInt32BE(bodyBytes.length, 16);
  bodyBytes.copy(element, 20);
  element.writeInt16BE(propertyBytes.length, 20 + bodyBytes.length);
  propertyBytes.copy(element, 22 + bodyBytes.length);
  return element;
}

export interface PullOptions {
  readonly topic?: string;
  readonly queueId?: number;
  readonly offset?: number;
  readonly group?: string;
  readonly expression?: string;
  readonly sysFlag?: number;
  readonly holdMs?: number;
  readonly commitOffset?: number;
  readonly countMax?: number;
  readonly subVersion?: number;
}

/** By default with its own subscription (4); with `holdMs` it may be held (2). */
export function pullRequest(options: PullOptions = {}): RemotingRequest {
  const { topic = 'Letters', queueId = 0, offset = 0, group = 'CID_test', expression = '*', holdMs } = options;
  return createRequest(RequestCode.PULL_MESSAGE, {
    consumerGroup: group,
    topic,
    queueId,
    queueOffset: offset,
    maxMsgNums: options.countMax ?? 32,
    sysFlag: options.sysFlag ?? (holdMs === undefined ? 4 : 6),
    commitOffset: options.commitOffset ?? 0,
    suspendTimeoutMillis: holdMs ?? 0,
    subscription: expression,
    subVersion: options.subVersion ?? 0,
    expressionType: 'TAG',
  });
}

export function messagesOf(response: RemotingCommand): StoredMessage[] {
  const messages: StoredMessage[] = [];
  const { body } = response;
  for (let position = 0; position < body.length; position += recordSizeAt(body, position)) {
    const record = decodeRecord(body, { position, limit: body.length });
    if (record.kind !== 'message') throw new Error(`a pull answered with a record of kind ${record.kind}`);
    messages.push(record.message);
  }
  return messages;
}

export interface HeartbeatOptions {
  readonly clientId?: string;
  readonly group?: string;
  readonly topics?: readonly string[];
  readonly messageModel?: string;
  readonly fingerprint?: number;
  readonly withoutSub?: boolean;
  readonly version?: number;
  readonly expression?: string;
}

export function heartbeatRequest(options: HeartbeatOptions = {}): RemotingRequest {
  const { clientId = 'client-1', group = 'CID_test', topics = ['Letters'], messageModel = 'CLUSTERING' } = options;
  const body = {
    clientID: clientId,
    heartbeatFingerprint: options.fingerprint ?? 0,
    withoutSub: options.withoutSub ?? false,
    consumerDataSet: [
      {
        groupName: group,
        consumeType: 'CONSUME_PASSIVELY',
        messageModel,
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        unitMode: false,
        subscriptionDataSet: topics.map((topic) => ({
          topic,
          subString: options.expression ?? '*',
          subVersion: options.version ?? 1,
          expressionType: 'TAG',
          codeSet: [],
          tagsSet: [],
          classFilterMode: false,
        })),
      },
    ],
    producerDataSet: [{ groupName: 'PID_test' }],
  };
  return createRequest(RequestCode.HEART_BEAT, {}, Buffer.from(JSON.stringify(body)));
}

export const sendBackRequest = (
  offset: number,
  options: { group?: string; delayLevel?: number; maxReconsumeTimes?: number } = {},
): RemotingRequest =>
  createRequest(RequestCode.CONSUMER_SEND_MSG_BACK, {
    offset,
    group: options.group ?? 'CID_test',
    delayLevel: options.delayLevel ?? 0,
    maxReconsumeTimes: options.maxReconsumeTimes,
  });
