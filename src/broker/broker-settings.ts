// The broker's settings under our names with units, Apache's keys beside them. The configuration table maps Apache's keys onto
// these; a program that embeds a broker sets them directly.

import { Perm } from '../model/topic-config.ts';

export interface BrokerSettings {
  /** brokerClusterName */
  readonly clusterName: string;
  /** brokerName */
  readonly brokerName: string;
  /** brokerId; 0 is the master. */
  readonly brokerId: number;
  /** brokerIP1: the address under which clients are told to find this broker. Absent: each client's own way here. */
  readonly advertisedHost?: string;
  /** brokerIP2: the address of the replication port, told to name servers. Absent: as brokerIP1. */
  readonly replicationHost?: string;
  /** haListenPort. Absent: the port after the listen port. */
  readonly replicationPort?: number;
  /** bindAddress */
  readonly listenHost: string;
  /** listenPort; 0 takes a free one. */
  readonly listenPort: number;
  /** namesrvAddr, split at ';': 'host:port' each. */
  readonly nameServerAddresses: readonly string[];
  /** registerNameServerPeriod */
  readonly registerIntervalMs: number;
  /** registerBrokerTimeoutMills */
  readonly registerTimeoutMs: number;
  /** How long a name server that could not be reached is left alone at first; doubled up to the register interval. */
  readonly registerRetryMs: number;
  /** brokerPermission: {@link Perm} bits. */
  readonly brokerPerm: number;
  /** regionId: told to producers, and stored with each message. */
  readonly regionId: string;
  /** traceOn: whether producers may trace. */
  readonly isTraceOn: boolean;
  /** autoCreateTopicEnable */
  readonly isTopicAutoCreated: boolean;
  /** autoCreateSubscriptionGroup */
  readonly isGroupAutoCreated: boolean;
  /** defaultTopicQueueNums: queues of the template topic. */
  readonly defaultTopicQueueCount: number;
  /** clusterTopicEnable, brokerTopicEnable: whether the topics named after cluster and broker may be used. */
  readonly isClusterTopicUsable: boolean;
  readonly isBrokerTopicUsable: boolean;
  /** traceTopicEnable, msgTraceTopicName */
  readonly hasTraceTopic: boolean;
  readonly traceTopicName: string;
  /** reviveQueueNum: queues of the topic that holds pop's bookkeeping. */
  readonly reviveQueueCount: number;
  /** Topics and groups that requests may bring into being, all together. */
  readonly topicCountMax: number;
  readonly groupCountMax: number;
  /** maxMessageSize: as the store has it; quoted in refusals and applied to a batch as a whole. */
  readonly messageSizeBytesMax: number;
  readonly batchMessageCountMax: number;
  /** sendThreadPoolQueueCapacity: sends that wait for the store (a sync, room on disk) before more are refused. */
  readonly waitingSendsMax: number;
  /** Bytes of the bodies of those. */
  readonly waitingSendBytesMax: number;
  /** maxTransferCountOnMessageInMemory: messages in one answer to a pull. */
  readonly pullMessageCountMax: number;
  /** maxTransferBytesOnMessageInMemory: bytes in one answer, unless one message alone is larger. */
  readonly pullBytesMax: number;
  /** longPollingEnable; without it a pull is held for `shortPollingMs`. */
  readonly isLongPolling: boolean;
  /** shortPollingTimeMills */
  readonly shortPollingMs: number;
  /** pullThreadPoolQueueCapacity: pulls held at one time, of all connections. */
  readonly heldPullsMax: number;
  /** The longest that a pull is held, whatever the client asks for. */
  readonly holdMsMax: number;
  /** notifyConsumerIdsChangedEnable */
  readonly isConsumerChangeNotified: boolean;
  /** channelExpiredTimeout: without a heartbeat for this long a client is taken for gone. */
  readonly clientExpiryMs: number;
  /** How often that is looked at. */
  readonly clientExpiryCheckMs: number;
  /** Groups and topics that one heartbeat may name. */
  readonly heartbeatEntriesMax: number;
  /** Clients that one group may have. */
  readonly groupClientsMax: number;
}

/** Apache's defaults where Apache has the setting, but for the listen address: loopback unless told otherwise. */
export const defaultBrokerSettings: BrokerSettings = Object.freeze({
  clusterName: 'DefaultCluster',
  brokerName: 'broker-a',
  brokerId: 0,
  listenHost: '127.0.0.1',
  listenPort: 10_911,
  nameServerAddresses: [],
  registerIntervalMs: 30_000,
  registerTimeoutMs: 24_000,
  registerRetryMs: 1_000,
  brokerPerm: Perm.READ | Perm.WRITE,
  regionId: 'DefaultRegion',
  isTraceOn: true,
  isTopicAutoCreated: true,
  isGroupAutoCreated: true,
  defaultTopicQueueCount: 8,
  isClusterTopicUsable: true,
  isBrokerTopicUsable: true,
  hasTraceTopic: false,
  traceTopicName: 'RMQ_SYS_TRACE_TOPIC',
  reviveQueueCount: 8,
  topicCountMax: 100_000,
  groupCountMax: 100_000,
  messageSizeBytesMax: 4 * 1024 * 1024,
  batchMessageCountMax: 65_536,
  waitingSendsMax: 10_000,
  waitingSendBytesMax: 256 * 1024 * 1024,
  pullMessageCountMax: 32,
  pullBytesMax: 256 * 1024,
  isLongPolling: true,
  shortPollingMs: 1_000,
  heldPullsMax: 100_000,
  holdMsMax: 120_000,
  isConsumerChangeNotified: true,
  clientExpiryMs: 120_000,
  clientExpiryCheckMs: 10_000,
  heartbeatEntriesMax: 10_000,
  groupClientsMax: 10_000,
} satisfies BrokerSettings);
