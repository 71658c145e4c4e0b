// The body of GET_ROUTEINFO_BY_TOPIC's answer (Java: TopicRouteData): which brokers have a topic, where they are, and with how
// many queues. Written by name servers; brokers and tools read it.

import type { ParsedJson } from '../java-json-parser.ts';
import { parseJavaJson } from '../java-json-parser.ts';
import { BodyReader } from '../body-reader.ts';
import { encodeJavaJson } from '../java-json.ts';
import type { JavaJsonObject } from '../java-json.ts';
import { invalidParameter } from '../remoting-errors.ts';

/** The brokers of one name: the master under id 0 and its slaves (Java: BrokerData). */
export interface BrokerData {
  readonly brokerName: string;
  readonly cluster: string;
  /** 'host:port' by broker id. */
  readonly brokerAddrs: ReadonlyMap<number, string>;
  readonly enableActingMaster: boolean;
}

/** A topic's queues on the brokers of one name (Java: QueueData). */
export interface QueueData {
  readonly brokerName: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  /** Perm bits. */
  readonly perm: number;
  readonly topicSysFlag: number;
}

export interface TopicRouteData {
  readonly brokerDatas: readonly BrokerData[];
  readonly queueDatas: readonly QueueData[];
}

/** Members in Java's order, broker ids ascending. */
export function brokerDataJson(broker: BrokerData): JavaJsonObject {
  return {
    brokerAddrs: new Map([...broker.brokerAddrs].sort(([a], [b]) => a - b)),
    brokerName: broker.brokerName,
    cluster: broker.cluster,
    enableActingMaster: broker.enableActingMaster,
  };
}

/** `standard`: for peers whose parser takes standard JSON only; else broker ids are keys without quotes. */
export function encodeTopicRoute(route: TopicRouteData, standard: boolean): Buffer {
  const queueDatas = route.queueDatas.map(({ brokerName, perm, readQueueNums, topicSysFlag, writeQueueNums }) => {
    return { brokerName, perm, readQueueNums, topicSysFlag, writeQueueNums };
  });
  const body = { brokerDatas: route.brokerDatas.map(brokerDataJson), filterServerTable: {}, queueDatas };
  return encodeJavaJson(body, { standard });
}

/** Throws RequestError INVALID_PARAMETER. */
export function decodeTopicRoute(body: Buffer): TopicRouteData {
  const reader = new BodyReader(parseJavaJson(body));
  return {
    brokerDatas: reader.objects('brokerDatas').map((broker) => ({
      brokerName: broker.string('brokerName'),
      cluster: broker.string('cluster'),
      brokerAddrs: readAddresses(broker.value('brokerAddrs')),
      enableActingMaster: broker.boolean('enableActingMaster'),
    })),
    queueDatas: reader.objects('queueDatas').map((queues) => ({
      brokerName: queues.string('brokerName'),
      readQueueNums: queues.int('readQueueNums'),
      writeQueueNums: queues.int('writeQueueNums'),
      perm: queues.int('perm'),
      topicSysFlag: queues.int('topicSysFlag'),
    })),
  };
}

function readAddresses(value: ParsedJson | undefined): Map<number, string> {
  const addresses = new Map<number, string>();
  if (value === undefined) return addresses;
  const reader = new BodyReader(value, 'brokerAddrs');
  for (const id of reader.names()) {
    if (!/^\d{1,15}$/.test(id)) throw invalidParameter('A broker id in a route is not a number.', { id });
    addresses.set(Number(id), reader.string(id));
  }
  return addresses;
}
