// The table of response headers, by the code of the request that they answer (Java: the *ResponseHeader classes).

import { headerCodec, optional, required } from './header-fields.ts';
import type { HeaderCodec, HeaderOf, HeaderSpec, OutgoingHeaderOf } from './header-fields.ts';
import type { FieldValue } from './ext-fields.ts';
import type { RemotingCommand } from './remoting-command.ts';
import { RequestCode } from './request-code.ts';

const sendMessage = {
  msgId: required('string'),
  queueId: required('int'),
  queueOffset: required('long'),
  transactionId: optional('string'),
  batchUniqId: optional('string'),
  recallHandle: optional('string'),
  /** Java clients read both of every send response, without a check whether there are any fields. */
  region: optional('string', 'MSG_REGION'),
  traceOn: optional('boolean', 'TRACE_ON'),
} as const;

const pullMessage = {
  suggestWhichBrokerId: required('long'),
  nextBeginOffset: required('long'),
  minOffset: required('long'),
  maxOffset: required('long'),
  offsetDelta: optional('long'),
  topicSysFlag: optional('int'),
  groupSysFlag: optional('int'),
  forbiddenType: optional('int'),
} as const;

const offset = { offset: required('long') } as const;

export const responseHeaderSpecs = {
  [RequestCode.SEND_MESSAGE]: sendMessage,
  [RequestCode.SEND_MESSAGE_V2]: sendMessage,
  [RequestCode.SEND_BATCH_MESSAGE]: sendMessage,
  [RequestCode.PULL_MESSAGE]: pullMessage,
  [RequestCode.LITE_PULL_MESSAGE]: pullMessage,
  [RequestCode.QUERY_CONSUMER_OFFSET]: offset,
  [RequestCode.SEARCH_OFFSET_BY_TIMESTAMP]: offset,
  [RequestCode.GET_MAX_OFFSET]: offset,
  [RequestCode.GET_MIN_OFFSET]: offset,
  [RequestCode.REGISTER_BROKER]: { haServerAddr: optional('string'), masterAddr: optional('string') },
  [RequestCode.QUERY_DATA_VERSION]: { changed: required('boolean') },
} as const satisfies Readonly<Record<number, HeaderSpec>>;

type Specs = typeof responseHeaderSpecs;

/** A request code whose response header the table declares. */
export type AnsweredRequestCode = keyof Specs;

export type ResponseHeader<Code extends AnsweredRequestCode> = HeaderOf<Specs[Code]>;
export type OutgoingResponseHeader<Code extends AnsweredRequestCode> = OutgoingHeaderOf<Specs[Code]>;

const codecs = Object.fromEntries(
  Object.entries(responseHeaderSpecs).map(([code, spec]) => [code, headerCodec(spec as HeaderSpec)]),
) as { readonly [Code in AnsweredRequestCode]: HeaderCodec<Specs[Code]> };

/** The fields of a {@link RemotingResponse} to a request of the given code. */
export function responseHeader<Code extends AnsweredRequestCode>(
  code: Code,
  header: OutgoingResponseHeader<Code>,
): Record<string, FieldValue> {
  return codecs[code].encode(header);
}

/** The typed header of a response to a request of the given code. */
export function decodeResponseHeader<Code extends AnsweredRequestCode>(
  code: Code,
  response: RemotingCommand,
): ResponseHeader<Code> {
  return codecs[code].decode(response.extFields);
}
