// Reads the body of a heartbeat (code 34; Java: HeartbeatData and what is in it). Whatever is missing has Java's default;
// whatever has another shape than the field wants makes the whole heartbeat illegal.

import { javaStringHash } from '../../base/java-string-hash.ts';
import { BodyReader } from '../../remoting/protocol/body-reader.ts';
import { parseJavaJson } from '../../remoting/protocol/java-json-parser.ts';
import { invalidParameter } from '../../remoting/protocol/remoting-errors.ts';
import { SUBSCRIBE_ALL, TagFilter, tagsOf } from '../subscription/subscription-data.ts';
import type { SubscriptionData } from '../subscription/subscription-data.ts';

export interface ConsumerData {
  readonly groupName: string;
  /** CONSUME_PASSIVELY (push), CONSUME_ACTIVELY (pull) or CONSUME_POP. */
  readonly consumeType: string;
  /** CLUSTERING, BROADCASTING or LITE_SELECTIVE. */
  readonly messageModel: string;
  readonly consumeFromWhere: string;
  readonly unitMode: boolean;
  readonly subscriptions: readonly SubscriptionData[];
}

export interface HeartbeatData {
  readonly clientId: string;
  /** 0: a heartbeat of the first kind, which always carries the subscriptions. */
  readonly fingerprint: number;
  /** The subscriptions are as in the last full heartbeat and were left out. */
  readonly isWithoutSubscriptions: boolean;
  readonly consumers: readonly ConsumerData[];
  readonly producerGroups: readonly string[];
}

const CLIENT_ID_LENGTH_MAX = 1_024;
/** Ten thousand subscriptions as Java writes them. Reading much more would keep all others waiting. */
const PARSE_LIMITS = { depthMax: 8, sizeBytesMax: 2 * 1024 * 1024 };

/** Throws RequestError INVALID_PARAMETER. `entriesMax`: groups and topics that one heartbeat may name. */
export function readHeartbeat(body: Buffer, entriesMax: number): HeartbeatData {
  const reader = new BodyReader(parseJavaJson(body, PARSE_LIMITS), 'heartbeat');
  const consumers = reader.objects('consumerDataSet').map(readConsumer);
  const producerGroups = reader.objects('producerDataSet').map((producer) => producer.string('groupName'));
  const entryCount = consumers.reduce(
    (sum, { subscriptions }) => sum + 1 + subscriptions.length,
    producerGroups.length,
  );
  if (entryCount > entriesMax) {
    throw invalidParameter(`The heartbeat names ${entryCount} groups and topics, the limit is ${entriesMax}.`);
  }
  const clientId = reader.string('clientID');
  if (clientId.length > CLIENT_ID_LENGTH_MAX) {
    throw invalidParameter(`The client id has ${clientId.length} characters, the limit is ${CLIENT_ID_LENGTH_MAX}.`);
  }
  return {
    clientId,
    fingerprint: reader.int('heartbeatFingerprint'),
    isWithoutSubscriptions: reader.boolean('withoutSub'),
    consumers,
    producerGroups,
  };
}

function readConsumer(reader: BodyReader): ConsumerData {
  return {
    groupName: reader.string('groupName'),
    consumeType: reader.string('consumeType', 'CONSUME_PASSIVELY'),
    messageModel: reader.string('messageModel', 'CLUSTERING'),
    consumeFromWhere: reader.string('consumeFromWhere', 'CONSUME_FROM_LAST_OFFSET'),
    unitMode: reader.boolean('unitMode'),
    subscriptions: reader.objects('subscriptionDataSet').map(readSubscription),
  };
}

function readSubscription(reader: BodyReader): SubscriptionData {
  const expression = reader.string('subString', SUBSCRIBE_ALL);
  const isUnfiltered = expression === SUBSCRIBE_ALL || reader.boolean('classFilterMode');
  return {
    topic: reader.string('topic'),
    expression,
    expressionType: reader.string('expressionType', 'TAG'),
    version: reader.long('subVersion'),
    filter: isUnfiltered ? undefined : new TagFilter(codesOf(reader, expression)),
  };
}

/** The hashes that the client computed; some clients leave that to the broker. */
function codesOf(reader: BodyReader, expression: string): number[] {
  const given = reader.value('codeSet');
  const codes = Array.isArray(given) ? given.filter((code) => typeof code === 'number') : [];
  return codes.length > 0 ? codes : (tagsOf(expression) ?? []).map((tag) => javaStringHash(tag));
}
