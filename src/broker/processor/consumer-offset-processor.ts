// Answers codes 14 and 15: how far a group has consumed a queue (Java: ConsumerManageProcessor).

import { totalmem } from 'node:os';
import { readInt64 } from '../../base/int64.ts';
import { QUEUE_ID_MAX } from '../../model/names.ts';
import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import { responseHeader } from '../../remoting/protocol/response-headers.ts';
import { PHYSICAL_OFFSET_POSITION } from '../../store/commit-log/message-layout.ts';
import type { BrokerStore } from '../broker-store.ts';
import type { SubscriptionGroups } from '../subscription/subscription-groups.ts';
import type { BrokerTopics } from '../topic/broker-topics.ts';

export interface ConsumerOffsetContext {
  readonly store: BrokerStore;
  readonly topics: BrokerTopics;
  readonly groups: SubscriptionGroups;
}

/** Code 15. The offset is in memory when this returns, durable within the store's commit interval. */
export function updateConsumerOffset(context: ConsumerOffsetContext, request: RemotingCommand): RemotingResponse {
  const { consumerGroup, topic, queueId, commitOffset } = decodeHeader(RequestCode.UPDATE_CONSUMER_OFFSET, request);
  const groupConfig = context.groups.find(consumerGroup);
  if (groupConfig === undefined) {
    return { code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, remark: `Group ${consumerGroup} not exist!` };
  }
  const topicConfig = context.topics.find(topic);
  if (topicConfig === undefined) {
    return { code: ResponseCode.TOPIC_NOT_EXIST, remark: `Topic ${topic} not exist!` };
  }
  if (!request.extFields.has('queueId')) return invalid(`QueueId is null, topic is ${topic}`);
  if (!request.extFields.has('commitOffset')) return invalid(`Offset is null, topic is ${topic}`);
  if (queueId < 0 || queueId > QUEUE_ID_MAX) return invalid(`queueId[${queueId}] is illegal, topic is ${topic}`);
  if (commitOffset < 0) return invalid(`Offset ${commitOffset} is negative, topic is ${topic}`);
  // The tables' own texts: those of the request would keep the whole header in memory with the offset.
  const { consumerOffsets } = context.store.state;
  consumerOffsets.commit(groupConfig.groupName, topicConfig.topicName, queueId, commitOffset);
  return { code: ResponseCode.SUCCESS };
}

/**
 * Code 14. A group without an offset starts at 0 where the queue still has its first message, in memory: a young topic is read
 * from its start, whatever the client's consumeFromWhere says.
 */
export async function queryConsumerOffset(
  context: ConsumerOffsetContext,
  request: RemotingCommand,
): Promise<RemotingResponse> {
  const { consumerGroup, topic, queueId, setZeroIfNotFound } = decodeHeader(RequestCode.QUERY_CONSUMER_OFFSET, request);
  const { store } = context;
  const isQueue = queueId >= 0 && queueId <= QUEUE_ID_MAX;
  const committed = isQueue ? store.state.consumerOffsets.fetch(consumerGroup, topic, queueId) : undefined;
  if (committed !== undefined) return found(committed);
  if (setZeroIfNotFound === false) return notFound('Not found, do not set to zero, maybe this group boot first');
  if (isQueue && store.minOffset(topic, queueId) === 0 && (await isFirstMessageInMemory(store, topic, queueId))) {
    return found(0);
  }
  return notFound('Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first');
}

/** accessMessageInMemoryMaxRatio: this share of the machine's memory, counted back from the log's end, is taken to be in the page cache. */
const MEMORY_SHARE = 0.4;

/** Judged by distance from the log's end, as Java does (DefaultMessageStore.checkInMemByConsumeOffset): the same for every queue. */
async function isFirstMessageInMemory(store: BrokerStore, topic: string, queueId: number): Promise<boolean> {
  const result = await store.get({ topic, queueId, queueOffset: 0, messageCountMax: 1 });
  try {
    const [record] = result.views;
    if (record === undefined) return false;
    const behindBytes = store.stats().endPhysicalOffset - readInt64(record, PHYSICAL_OFFSET_POSITION);
    return behindBytes <= totalmem() * MEMORY_SHARE;
  } finally {
    result.release();
  }
}

const found = (offset: number): RemotingResponse => ({
  code: ResponseCode.SUCCESS,
  extFields: responseHeader(RequestCode.QUERY_CONSUMER_OFFSET, { offset }),
});

const notFound = (remark: string): RemotingResponse => ({ code: ResponseCode.QUERY_NOT_FOUND, remark });
const invalid = (remark: string): RemotingResponse => ({ code: ResponseCode.INVALID_PARAMETER, remark });
