// Answers code 38: the client ids of a group, from which its members work out who consumes which queue
// (Java: ConsumerManageProcessor.getConsumerListByGroup).

import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { ConsumerTable } from '../client/consumer-table.ts';

export function consumerListProcessor(consumers: ConsumerTable): (request: RemotingCommand) => RemotingResponse {
  return (request) => {
    const { consumerGroup } = decodeHeader(RequestCode.GET_CONSUMER_LIST_BY_GROUP, request);
    const body = consumers.find(consumerGroup)?.clientIdsBody();
    if (body === undefined) {
      return { code: ResponseCode.SYSTEM_ERROR, remark: `no consumer for this group, ${consumerGroup}` };
    }
    return { code: ResponseCode.SUCCESS, body };
  };
}
