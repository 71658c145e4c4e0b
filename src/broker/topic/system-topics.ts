// The topics that a broker has from its first start (Java: TopicConfigManager.init), and those that clients may not write to.

import { AUTO_CREATE_TOPIC, SCHEDULE_TOPIC } from '../../model/names.ts';
import { Perm, topicConfig } from '../../model/topic-config.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import type { BrokerSettings } from '../broker-settings.ts';

const SELF_TEST_TOPIC = 'SELF_TEST_TOPIC';
const OFFSET_MOVED_EVENT = 'OFFSET_MOVED_EVENT';
const TRANSACTION_HALF_TOPICS = [
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC',
  'RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC',
];

const closedToClients: ReadonlySet<string> = new Set([
  SCHEDULE_TOPIC,
  ...TRANSACTION_HALF_TOPICS,
  'TRANS_CHECK_MAX_TIME_TOPIC',
  SELF_TEST_TOPIC,
  OFFSET_MOVED_EVENT,
]);

/** A topic that only the broker itself may write to. */
export const isClosedToClients = (topic: string): boolean => closedToClients.has(topic);

export function systemTopics(settings: BrokerSettings): TopicConfig[] {
  const { clusterName, brokerName } = settings;
  const inherited = (isUsable: boolean): number => Perm.INHERIT | (isUsable ? Perm.READ | Perm.WRITE : 0);
  const topics = [
    withQueues(SELF_TEST_TOPIC, 1),
    withQueues('BenchmarkTest', 1024),
    topicConfig(clusterName, { perm: inherited(settings.isClusterTopicUsable) }),
    withQueues(brokerName, 1, inherited(settings.isBrokerTopicUsable)),
    withQueues(OFFSET_MOVED_EVENT, 1),
    withQueues(SCHEDULE_TOPIC, 18),
    withQueues(`${clusterName}_REPLY_TOPIC`, 1),
    withQueues(`rmq_sys_REVIVE_LOG_${clusterName}`, settings.reviveQueueCount),
    withQueues(`rmq_sys_SYNC_BROKER_MEMBER_${brokerName}`, 1, Perm.INHERIT),
    ...TRANSACTION_HALF_TOPICS.map((topic) => withQueues(topic, 1)),
  ];
  if (settings.isTopicAutoCreated) {
    topics.push(withQueues(AUTO_CREATE_TOPIC, settings.defaultTopicQueueCount, inherited(true)));
  }
  if (settings.hasTraceTopic) topics.push(withQueues(settings.traceTopicName, 1));
  return topics;
}

function withQueues(topicName: string, queueCount: number, perm: number = Perm.READ | Perm.WRITE): TopicConfig {
  return topicConfig(topicName, { readQueueNums: queueCount, writeQueueNums: queueCount, perm });
}
