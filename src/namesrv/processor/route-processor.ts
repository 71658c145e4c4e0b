// GET_ROUTEINFO_BY_TOPIC and GET_BROKER_CLUSTER_INFO: where brokers are, in addresses that the asking client can use.

import { brokerDataJson, encodeTopicRoute } from '../../remoting/protocol/body/topic-route-body.ts';
import type { BrokerData } from '../../remoting/protocol/body/topic-route-body.ts';
import { encodeJavaJson } from '../../remoting/protocol/java-json.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import type { ResolveBrokerAddress } from '../namesrv-settings.ts';
import type { RouteInfoTable } from '../route-info-table.ts';

/** V4_9_4: from here on clients parse standard JSON, and some of them nothing else. */
const STANDARD_JSON_VERSION = 401;

export interface RouteContext {
  readonly table: RouteInfoTable<Connection>;
  readonly resolveBrokerAddress: ResolveBrokerAddress;
}

export function getRouteInfoByTopic(
  { table, resolveBrokerAddress }: RouteContext,
  request: RemotingCommand,
  connection: Connection,
): RemotingResponse {
  const { topic, acceptStandardJsonOnly } = decodeHeader(RequestCode.GET_ROUTEINFO_BY_TOPIC, request);
  const route = table.route(topic);
  if (route === undefined) {
    // Apache's words: producers and people look for them.
    const remark =
      `No topic route info in name server for the topic: ${topic}\n` +
      'See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.';
    return { code: ResponseCode.TOPIC_NOT_EXIST, remark };
  }
  const brokerDatas = route.brokerDatas.map((broker) => resolved(broker, resolveBrokerAddress, connection));
  const standard = acceptStandardJsonOnly === true || request.version >= STANDARD_JSON_VERSION;
  return { code: ResponseCode.SUCCESS, body: encodeTopicRoute({ ...route, brokerDatas }, standard) };
}

/** Always in the loose form, whatever the client's version: so does Apache. */
export function getBrokerClusterInfo(
  { table, resolveBrokerAddress }: RouteContext,
  connection: Connection,
): RemotingResponse {
  const brokers = [...table.groups()].map((broker) => resolved(broker, resolveBrokerAddress, connection));
  const body = {
    brokerAddrTable: new Map(brokers.map((broker) => [broker.brokerName, brokerDataJson(broker)])),
    clusterAddrTable: new Map([...table.clusters()].map(([cluster, names]) => [cluster, [...names]])),
  };
  return { code: ResponseCode.SUCCESS, body: encodeJavaJson(body) };
}

function resolved(broker: BrokerData, resolve: ResolveBrokerAddress, connection: Connection): BrokerData {
  const brokerAddrs = new Map<number, string>();
  for (const [id, address] of broker.brokerAddrs) {
    brokerAddrs.set(id, resolve(broker.brokerName, id, address, connection));
  }
  return { ...broker, brokerAddrs };
}
