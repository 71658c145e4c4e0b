// From checked configuration values to what a broker takes.

import { hostname } from 'node:os';
import type { BrokerSettings } from '../broker/broker-settings.ts';
import type { BrokerFileValues } from './config/read-config-file.ts';

export function brokerSettingsOf(values: BrokerFileValues): BrokerSettings {
  return {
    ...identityOf(values),
    ...registrationOf(values),
    ...topicsAndGroupsOf(values),
    ...limitsOf(values),
    isLongPolling: values.longPollingEnable,
    shortPollingMs: values.shortPollingTimeMills,
    isConsumerChangeNotified: values.notifyConsumerIdsChangedEnable,
    clientExpiryMs: values.channelExpiredTimeout,
    clientExpiryCheckMs: values.scanExpiredClientsInterval,
  };
}

function identityOf(values: BrokerFileValues) {
  return {
    clusterName: values.brokerClusterName,
    brokerName: values.brokerName === '' ? hostname() : values.brokerName,
    brokerId: values.brokerId,
    ...(values.brokerIP1 === '' ? {} : { advertisedHost: values.brokerIP1 }),
    ...(values.brokerIP2 === '' ? {} : { replicationHost: values.brokerIP2 }),
    ...(values.haListenPort === 0 ? {} : { replicationPort: values.haListenPort }),
    listenHost: values.bindAddress,
    listenPort: values.listenPort,
    brokerPerm: values.brokerPermission,
    regionId: values.regionId,
    isTraceOn: values.traceOn,
  };
}

function registrationOf(values: BrokerFileValues) {
  return {
    nameServerAddresses: values.namesrvAddr.split(/[;,]/).filter((address) => address !== ''),
    registerIntervalMs: values.registerNameServerPeriod,
    registerTimeoutMs: values.registerBrokerTimeoutMills,
    registerRetryMs: values.registerRetryInterval,
  };
}

function topicsAndGroupsOf(values: BrokerFileValues) {
  return {
    isTopicAutoCreated: values.autoCreateTopicEnable,
    isGroupAutoCreated: values.autoCreateSubscriptionGroup,
    defaultTopicQueueCount: values.defaultTopicQueueNums,
    isClusterTopicUsable: values.clusterTopicEnable,
    isBrokerTopicUsable: values.brokerTopicEnable,
    hasTraceTopic: values.traceTopicEnable,
    traceTopicName: values.msgTraceTopicName,
    reviveQueueCount: values.reviveQueueNum,
    topicCountMax: values.maxTopics,
    groupCountMax: values.maxGroups,
  };
}

function limitsOf(values: BrokerFileValues) {
  return {
    messageSizeBytesMax: values.maxMessageSize,
    batchMessageCountMax: values.maxMessagesPerBatch,
    waitingSendsMax: values.sendThreadPoolQueueCapacity,
    waitingSendBytesMax: values.maxWaitingSendBytes,
    pullMessageCountMax: values.maxTransferCountOnMessageInMemory,
    pullBytesMax: values.maxTransferBytesOnMessageInMemory,
    heldPullsMax: values.pullThreadPoolQueueCapacity,
    holdMsMax: values.maxPullHoldTimeMillis,
    heartbeatEntriesMax: values.maxHeartbeatEntries,
    groupClientsMax: values.maxClientsPerGroup,
  };
}
