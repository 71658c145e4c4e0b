// From checked configuration values to what a broker takes.

import { hostname } from 'node:os';
import type { ConfigValues } from '../base/config-table.ts';
import { defaultBrokerSettings, type BrokerSettings } from '../broker/broker-settings.ts';
import type { brokerConfigTable } from './config/broker-config-table.ts';

export function brokerSettingsOf(
  values: ConfigValues<typeof brokerConfigTable>,
  store: { readonly maxMessageSize: number; readonly maxTopics: number },
): BrokerSettings {
  return {
    ...defaultBrokerSettings,
    clusterName: values.brokerClusterName,
    brokerName: values.brokerName === '' ? hostname() : values.brokerName,
    brokerId: values.brokerId,
    ...(values.brokerIP1 === '' ? {} : { advertisedHost: values.brokerIP1 }),
    listenHost: values.bindAddress,
    listenPort: values.listenPort,
    nameServerAddresses: values.namesrvAddr.split(/[;,]/).filter((address) => address !== ''),
    registerIntervalMs: values.registerNameServerPeriod,
    registerTimeoutMs: values.registerBrokerTimeoutMills,
    brokerPerm: values.brokerPermission,
    regionId: values.regionId,
    isTraceOn: values.traceOn,
    isTopicAutoCreated: values.autoCreateTopicEnable,
    isGroupAutoCreated: values.autoCreateSubscriptionGroup,
    defaultTopicQueueCount: values.defaultTopicQueueNums,
    topicCountMax: store.maxTopics,
    messageSizeBytesMax: store.maxMessageSize,
    waitingSendsMax: values.sendThreadPoolQueueCapacity,
    pullMessageCountMax: values.maxTransferCountOnMessageInMemory,
    pullBytesMax: values.maxTransferBytesOnMessageInMemory,
    isLongPolling: values.longPollingEnable,
    shortPollingMs: values.shortPollingTimeMills,
    clientExpiryMs: values.channelExpiredTimeout,
  };
}
