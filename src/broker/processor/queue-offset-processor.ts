// Answers codes 29, 30 and 31: the offsets of a queue by time, its maximum (the next one to be written) and its minimum
// (Java: AdminBrokerProcessor). A queue that does not exist is an empty one.

import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import { responseHeader } from '../../remoting/protocol/response-headers.ts';
import type { BrokerStore } from '../broker-store.ts';

export async function searchOffsetByTimestamp(store: BrokerStore, request: RemotingCommand): Promise<RemotingResponse> {
  const { topic, queueId, timestamp, boundaryType } = decodeHeader(RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, request);
  const boundary = boundaryType?.toUpperCase() === 'UPPER' ? 'UPPER' : 'LOWER';
  return answer(await store.offsetByTime(topic, queueId, timestamp, boundary));
}

export function getMaxOffset(store: BrokerStore, request: RemotingCommand): RemotingResponse {
  const { topic, queueId } = decodeHeader(RequestCode.GET_MAX_OFFSET, request);
  return answer(store.maxOffset(topic, queueId));
}

export function getMinOffset(store: BrokerStore, request: RemotingCommand): RemotingResponse {
  const { topic, queueId } = decodeHeader(RequestCode.GET_MIN_OFFSET, request);
  return { ...answer(store.minOffset(topic, queueId)), remark: '' };
}

const answer = (offset: number): RemotingResponse => ({
  code: ResponseCode.SUCCESS,
  extFields: responseHeader(RequestCode.GET_MAX_OFFSET, { offset }),
});
