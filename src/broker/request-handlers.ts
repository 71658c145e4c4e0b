// Which request code goes to which processor. Codes that are missing here are answered with "not supported" by the server.

import { RequestCode } from '../remoting/protocol/request-code.ts';
import type { RequestHandler } from '../remoting/transport/connection.ts';
import type { ClientExpiry } from './client/client-expiry.ts';
import type { ProducerTable } from './client/producer-table.ts';
import { queryConsumerOffset, updateConsumerOffset } from './processor/consumer-offset-processor.ts';
import { consumerListProcessor } from './processor/consumer-list-processor.ts';
import { HeartbeatProcessor } from './processor/heartbeat-processor.ts';
import type { PullContext, PullMessageProcessor } from './processor/pull-message-processor.ts';
import { getMaxOffset, getMinOffset, searchOffsetByTimestamp } from './processor/queue-offset-processor.ts';
import { runtimeInfoProcessor } from './processor/runtime-info-processor.ts';
import { SendBackProcessor } from './processor/send-back-processor.ts';
import { SendMessageProcessor } from './processor/send-message-processor.ts';
import type { SendContext } from './processor/send-message-processor.ts';
import { unregisterClientProcessor } from './processor/unregister-client-processor.ts';

export interface HandlerContext extends SendContext, PullContext {
  readonly producers: ProducerTable;
  readonly clientExpiry: ClientExpiry;
}

export function requestHandlers(
  context: HandlerContext,
  pull: PullMessageProcessor,
): ReadonlyMap<number, RequestHandler> {
  const { store, consumers } = context;
  const send = new SendMessageProcessor(context);
  const sendBack = new SendBackProcessor(context);
  const heartbeat = new HeartbeatProcessor(context);
  const consumerList = consumerListProcessor(consumers);
  const figures = { ...context, waitingSends: () => send.waitingCount, heldPulls: () => pull.holds.count };
  const info = runtimeInfoProcessor(figures);
  const sending: RequestHandler = (request, connection) => send.process(request, connection);
  return new Map<number, RequestHandler>([
    [RequestCode.SEND_MESSAGE, sending],
    [RequestCode.SEND_MESSAGE_V2, sending],
    [RequestCode.SEND_BATCH_MESSAGE, sending],
    [RequestCode.CONSUMER_SEND_MSG_BACK, (request, connection) => sendBack.process(request, connection)],
    [RequestCode.PULL_MESSAGE, (request, connection) => pull.process(request, connection)],
    [RequestCode.HEART_BEAT, (request, connection) => heartbeat.process(request, connection)],
    [RequestCode.UNREGISTER_CLIENT, unregisterClientProcessor(context)],
    [RequestCode.GET_CONSUMER_LIST_BY_GROUP, (request) => consumerList(request)],
    [RequestCode.QUERY_CONSUMER_OFFSET, (request) => queryConsumerOffset(context, request)],
    [RequestCode.UPDATE_CONSUMER_OFFSET, (request) => updateConsumerOffset(context, request)],
    [RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, (request) => searchOffsetByTimestamp(store, request)],
    [RequestCode.GET_MAX_OFFSET, (request) => getMaxOffset(store, request)],
    [RequestCode.GET_MIN_OFFSET, (request) => getMinOffset(store, request)],
    [RequestCode.GET_BROKER_RUNTIME_INFO, () => info()],
  ]);
}
