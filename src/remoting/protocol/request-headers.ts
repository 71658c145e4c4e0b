// The one table of request headers: which fields a request code has, of which type, and whether clients always send them
// (Java: the *RequestHeader classes, CFNotNull). Types, decoders and encoders follow from it.

import type { RemotingCommand, RemotingRequest } from './remoting-command.ts';
import { headerCodec, optional, required } from './header-fields.ts';
import type { HeaderCodec, HeaderOf, HeaderSpec, OutgoingHeaderOf } from './header-fields.ts';
import { RequestCode } from './request-code.ts';

/** Of every header that extends Java's RpcRequestHeader: which broker the client means, and namespaces. */
const rpc = {
  brokerName: optional('string', 'bname'),
  namespace: optional('string', 'ns'),
  namespaced: optional('boolean', 'nsd'),
  oneway: optional('boolean', 'oway'),
} as const;

/** Of every header that extends Java's TopicRequestHeader. */
const topicRpc = { ...rpc, logical: optional('boolean', 'lo') } as const;

const sendMessage = {
  producerGroup: required('string'),
  topic: required('string'),
  defaultTopic: required('string'),
  defaultTopicQueueNums: required('int'),
  queueId: required('int'),
  sysFlag: required('int'),
  bornTimestamp: required('long'),
  flag: required('int'),
  properties: optional('string'),
  reconsumeTimes: optional('int'),
  unitMode: optional('boolean'),
  maxReconsumeTimes: optional('int'),
  batch: optional('boolean'),
  ...topicRpc,
} as const;

/** The same header under one-letter names: less to write and to parse. `brokerName` has a letter, the other rpc fields do not. */
const sendMessageV2 = {
  producerGroup: required('string', 'a'),
  topic: required('string', 'b'),
  defaultTopic: required('string', 'c'),
  defaultTopicQueueNums: required('int', 'd'),
  queueId: required('int', 'e'),
  sysFlag: required('int', 'f'),
  bornTimestamp: required('long', 'g'),
  flag: required('int', 'h'),
  properties: optional('string', 'i'),
  reconsumeTimes: optional('int', 'j'),
  unitMode: optional('boolean', 'k'),
  maxReconsumeTimes: optional('int', 'l'),
  batch: optional('boolean', 'm'),
  ...topicRpc,
  brokerName: optional('string', 'n'),
} as const;

const pullMessage = {
  consumerGroup: required('string'),
  topic: required('string'),
  liteTopic: optional('string'),
  queueId: required('int'),
  queueOffset: required('long'),
  maxMsgNums: required('int'),
  sysFlag: required('int'),
  commitOffset: required('long'),
  suspendTimeoutMillis: required('long'),
  subscription: optional('string'),
  subVersion: required('long'),
  expressionType: optional('string'),
  maxMsgBytes: optional('int'),
  requestSource: optional('int'),
  // Apache's spelling, on the wire since 5.0.
  proxyForwardClientId: optional('string', 'proxyFrowardClientId'),
  ...topicRpc,
} as const;

const brokerIdentity = {
  brokerName: required('string'),
  brokerAddr: required('string'),
  clusterName: required('string'),
  brokerId: required('long'),
} as const;

export const requestHeaderSpecs = {
  [RequestCode.SEND_MESSAGE]: sendMessage,
  [RequestCode.SEND_MESSAGE_V2]: sendMessageV2,
  [RequestCode.SEND_BATCH_MESSAGE]: sendMessageV2,
  [RequestCode.PULL_MESSAGE]: pullMessage,
  [RequestCode.LITE_PULL_MESSAGE]: pullMessage,
  [RequestCode.QUERY_CONSUMER_OFFSET]: {
    consumerGroup: required('string'),
    topic: required('string'),
    queueId: required('int'),
    setZeroIfNotFound: optional('boolean'),
    ...topicRpc,
  },
  [RequestCode.UPDATE_CONSUMER_OFFSET]: {
    consumerGroup: required('string'),
    topic: required('string'),
    queueId: required('int'),
    commitOffset: required('long'),
    ...topicRpc,
  },
  [RequestCode.SEARCH_OFFSET_BY_TIMESTAMP]: {
    topic: required('string'),
    liteTopic: optional('string'),
    queueId: required('int'),
    timestamp: required('long'),
    /** LOWER (also when absent) or UPPER. */
    boundaryType: optional('string'),
    ...topicRpc,
  },
  [RequestCode.GET_MAX_OFFSET]: {
    topic: required('string'),
    queueId: required('int'),
    /** Absent means true. */
    committed: optional('boolean'),
    ...topicRpc,
  },
  [RequestCode.GET_MIN_OFFSET]: { topic: required('string'), queueId: required('int'), ...topicRpc },
  [RequestCode.GET_BROKER_RUNTIME_INFO]: {},
  [RequestCode.HEART_BEAT]: rpc,
  [RequestCode.UNREGISTER_CLIENT]: {
    clientID: required('string'),
    producerGroup: optional('string'),
    consumerGroup: optional('string'),
    ...rpc,
  },
  [RequestCode.CONSUMER_SEND_MSG_BACK]: {
    /** Physical offset of the message on this broker. */
    offset: required('long'),
    group: required('string'),
    delayLevel: required('int'),
    originMsgId: optional('string'),
    originTopic: optional('string'),
    unitMode: optional('boolean'),
    maxReconsumeTimes: optional('int'),
    ...rpc,
  },
  [RequestCode.GET_CONSUMER_LIST_BY_GROUP]: { consumerGroup: required('string'), ...rpc },
  [RequestCode.NOTIFY_CONSUMER_IDS_CHANGED]: { consumerGroup: required('string'), ...rpc },
  [RequestCode.REGISTER_BROKER]: {
    ...brokerIdentity,
    haServerAddr: required('string'),
    heartbeatTimeoutMillis: optional('long'),
    enableActingMaster: optional('boolean'),
    compressed: optional('boolean'),
    bodyCrc32: optional('int'),
  },
  [RequestCode.UNREGISTER_BROKER]: brokerIdentity,
  [RequestCode.QUERY_DATA_VERSION]: brokerIdentity,
  [RequestCode.GET_ROUTEINFO_BY_TOPIC]: {
    topic: required('string'),
    acceptStandardJsonOnly: optional('boolean'),
    ...topicRpc,
  },
  [RequestCode.GET_BROKER_CLUSTER_INFO]: {},
  [RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER]: {},
  [RequestCode.GET_TOPICS_BY_CLUSTER]: { cluster: required('string') },
  [RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS]: {},
} as const satisfies Readonly<Record<number, HeaderSpec>>;

type Specs = typeof requestHeaderSpecs;

/** A request code whose header the table declares. */
export type KnownRequestCode = keyof Specs;

/** The typed header of a request: `RequestHeader<typeof RequestCode.PULL_MESSAGE>`. */
export type RequestHeader<Code extends KnownRequestCode> = HeaderOf<Specs[Code]>;

export type OutgoingRequestHeader<Code extends KnownRequestCode> = OutgoingHeaderOf<Specs[Code]>;

/** One type for codes 10, 310 and 320. */
export type SendMessageRequestHeader = HeaderOf<typeof sendMessage>;
export type PullMessageRequestHeader = HeaderOf<typeof pullMessage>;

const codecs = Object.fromEntries(
  Object.entries(requestHeaderSpecs).map(([code, spec]) => [code, headerCodec(spec as HeaderSpec)]),
) as { readonly [Code in KnownRequestCode]: HeaderCodec<Specs[Code]> };

/** The typed header of a request; throws RequestError INVALID_PARAMETER when a number can't be read. */
export function decodeHeader<Code extends KnownRequestCode>(code: Code, command: RemotingCommand): RequestHeader<Code> {
  return codecs[code].decode(command.extFields);
}

/** A request with a typed header, to be sent by a client or to one. */
export function createRequest<Code extends KnownRequestCode>(
  code: Code,
  header: OutgoingRequestHeader<Code>,
  body?: Buffer,
): RemotingRequest {
  return { code, extFields: codecs[code].encode(header), body };
}
