// Answers code 35: a client leaves a group on purpose (Java: ClientManageProcessor.unregisterClient).

import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import type { ConsumerTable } from '../client/consumer-table.ts';
import type { ProducerTable } from '../client/producer-table.ts';
import type { SubscriptionGroups } from '../subscription/subscription-groups.ts';

export function unregisterClientProcessor(context: {
  readonly consumers: ConsumerTable;
  readonly producers: ProducerTable;
  readonly groups: SubscriptionGroups;
}): (request: RemotingCommand, connection: Connection) => RemotingResponse {
  return (request, connection) => {
    const { producerGroup, consumerGroup } = decodeHeader(RequestCode.UNREGISTER_CLIENT, request);
    if (producerGroup !== undefined) context.producers.unregister(producerGroup, connection);
    if (consumerGroup !== undefined) {
      const isNotifying = context.groups.find(consumerGroup)?.notifyConsumerIdsChangedEnable ?? true;
      context.consumers.unregister(consumerGroup, connection, isNotifying);
    }
    return { code: ResponseCode.SUCCESS };
  };
}
