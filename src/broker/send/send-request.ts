// The header of a send (codes 10, 310, 320), decoded for the hot path: one object of one shape, one pass over the fields, no
// table look-ups. It must agree with the declared headers of remoting; a test compares the two.

import { parseField } from '../../remoting/protocol/header-fields.ts';
import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import type { RemotingCommand } from '../../remoting/protocol/remoting-command.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';

export class SendRequest {
  producerGroup = '';
  topic = '';
  defaultTopic = '';
  defaultTopicQueueNums = 0;
  queueId = 0;
  sysFlag = 0;
  bornTimestamp = 0;
  flag = 0;
  properties = '';
  reconsumeTimes = 0;
  unitMode = false;
  /** undefined: what the group's settings say. */
  maxReconsumeTimes: number | undefined = undefined;
  batch = false;
}

export function decodeSendRequest(request: RemotingCommand): SendRequest {
  return request.code === RequestCode.SEND_MESSAGE ? decodeLongNames(request) : decodeLetters(request);
}

function decodeLongNames(request: RemotingCommand): SendRequest {
  const header = decodeHeader(RequestCode.SEND_MESSAGE, request);
  const send = new SendRequest();
  send.producerGroup = header.producerGroup;
  send.topic = header.topic;
  send.defaultTopic = header.defaultTopic;
  send.defaultTopicQueueNums = header.defaultTopicQueueNums;
  send.queueId = header.queueId;
  send.sysFlag = header.sysFlag;
  send.bornTimestamp = header.bornTimestamp;
  send.flag = header.flag;
  send.properties = header.properties ?? '';
  send.reconsumeTimes = header.reconsumeTimes ?? 0;
  send.unitMode = header.unitMode ?? false;
  send.maxReconsumeTimes = header.maxReconsumeTimes;
  send.batch = header.batch ?? false;
  return send;
}

const LETTER_A = 0x61;

const int = (name: string, text: string): number => parseField(name, 'int', text) as number;
const long = (name: string, text: string): number => parseField(name, 'long', text) as number;
const flag = (text: string): boolean => parseField('', 'boolean', text) as boolean;

/** By letter from 'a' on: Java's SendMessageRequestHeaderV2. */
const setters: readonly ((send: SendRequest, value: string) => void)[] = [
  (send, value) => (send.producerGroup = value),
  (send, value) => (send.topic = value),
  (send, value) => (send.defaultTopic = value),
  (send, value) => (send.defaultTopicQueueNums = int('defaultTopicQueueNums', value)),
  (send, value) => (send.queueId = int('queueId', value)),
  (send, value) => (send.sysFlag = int('sysFlag', value)),
  (send, value) => (send.bornTimestamp = long('bornTimestamp', value)),
  (send, value) => (send.flag = int('flag', value)),
  (send, value) => (send.properties = value),
  (send, value) => (send.reconsumeTimes = int('reconsumeTimes', value)),
  (send, value) => (send.unitMode = flag(value)),
  (send, value) => (send.maxReconsumeTimes = int('maxReconsumeTimes', value)),
  (send, value) => (send.batch = flag(value)),
];

function decodeLetters(request: RemotingCommand): SendRequest {
  const send = new SendRequest();
  const { flat } = request.extFields;
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index] as string;
    if (name.length === 1) setters[name.charCodeAt(0) - LETTER_A]?.(send, flat[index + 1] as string);
  }
  return send;
}
