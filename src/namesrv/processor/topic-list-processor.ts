// The lists of topics: all, of a cluster, and the names that brokers and clusters have as topics.

import { encodeJavaJson } from '../../remoting/protocol/java-json.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import type { RouteContext } from './route-processor.ts';

export function getAllTopicList({ table }: RouteContext): RemotingResponse {
  return topicList(table.topics());
}

export function getTopicsByCluster({ table }: RouteContext, request: RemotingCommand): RemotingResponse {
  const { cluster } = decodeHeader(RequestCode.GET_TOPICS_BY_CLUSTER, request);
  return topicList(table.topicsOfCluster(cluster));
}

/** Cluster and broker names, which are topics on every broker, and the address of a broker that knows the other system topics. */
export function getSystemTopicList(
  { table, resolveBrokerAddress }: RouteContext,
  connection: Connection,
): RemotingResponse {
  const names = [...table.clusters()].flatMap(([cluster, brokers]) => [cluster, ...brokers]);
  for (const { brokerName, brokerAddrs } of table.groups()) {
    const id = Math.min(...brokerAddrs.keys());
    const address = brokerAddrs.get(id);
    if (address !== undefined) return topicList(names, resolveBrokerAddress(brokerName, id, address, connection));
  }
  return topicList(names);
}

function topicList(topics: readonly string[], brokerAddr?: string): RemotingResponse {
  return { code: ResponseCode.SUCCESS, body: encodeJavaJson({ brokerAddr, topicList: topics }) };
}
