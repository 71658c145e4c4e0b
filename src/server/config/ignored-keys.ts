// Keys of Apache RocketMQ 5.5.0 that a configuration file may have and that change nothing here, each with the reason. A key that
// is neither here nor in a table is a mistake and stops the start.

import type { IgnoredKeys } from '../../base/config-table.ts';

/** One reason and the keys that share it, separated by spaces. */
type Group = readonly [reason: string, keys: string];

function ignored(groups: readonly Group[]): IgnoredKeys {
  return new Map(groups.flatMap(([reason, keys]) => keys.split(' ').map((key) => [key, reason] as const)));
}

/** Of BrokerConfig, MessageStoreConfig, NettyServerConfig, NettyClientConfig and AuthConfig. */
export const ignoredBrokerKeys: IgnoredKeys = ignored([
  [
    'A setting of Netty: Node.js brings its own event loop and buffers.',
    'channelNotActiveInterval clientChannelMaxIdleTimeSeconds clientCloseSocketIfTimeout clientPooledByteBufAllocatorEnable clientSocketRcvBufSize clientSocketSndBufSize connectTimeoutMillis enableReconnectForGoAway enableShutdownGracefully maxReconnectIntervalTimeSeconds scanAvailableNameSrv serverPooledByteBufAllocatorEnable serverSocketBacklog serverSocketRcvBufSize serverSocketSndBufSize shutdownWaitTimeSeconds socksProxyConfig useTLS writeBufferLowWaterMark',
  ],
  [
    'Authentication and authorization are not part of this version.',
    'aclCacheExpiredSecond aclCacheMaxNum aclCacheRefreshSecond authConfigPath authenticationMetadataProvider authenticationProvider authenticationStrategy authenticationWhitelist authorizationMetadataProvider authorizationProvider authorizationStrategy authorizationWhitelist clusterName configName initAuthenticationUser innerClientAuthenticationCredentials migrateAuthFromV1Enabled statefulAuthenticationCacheExpiredSecond statefulAuthenticationCacheMaxNum statefulAuthorizationCacheExpiredSecond statefulAuthorizationCacheMaxNum userCacheExpiredSecond userCacheMaxNum userCacheRefreshSecond',
  ],
  ['Batch consume queues are not part of this version.', 'mapperFileSizeBatchConsumeQueue searchBcqByCacheEnable'],
  [
    'Broadcast offsets are kept by the clients.',
    'broadcastOffsetExpireMaxSecond broadcastOffsetExpireSecond enableBroadcastOffsetStore',
  ],
  [
    'Cold data flow control is not part of this version.',
    'cgColdReadThreshold coldCtrStrategyEnable coldDataFlowControlEnable coldDataScanEnable globalColdReadThreshold usePIDColdCtrStrategy',
  ],
  [
    'Compaction topics are not part of this version.',
    'compactionCqMappedFileSize compactionMappedFileSize compactionScheduleInternal enableCompaction maxOffsetMapSize',
  ],
  [
    'Light message queues (LMQ) are not part of this version.',
    'enableLmq enableLmqQuota enableLmqStats enableMultiDispatch maxLmqConsumeQueueNum',
  ],
  [
    'Lite topics are not part of this version.',
    'enableLiteEventMode liteEventCheckInterval liteEventFullDispatchDelayTime liteEventFullDispatchDelayTimeForWildcardGroup liteLagCountMetricsEnable liteLagLatencyCollectEnable liteLagLatencyMetricsEnable liteLagLatencyTopK litePullMessageEnable liteSubscriptionCheckInterval liteSubscriptionCheckTimeoutMills liteTtlCheckInterval maxLiteSubscriptionCount minLiteTTl',
  ],
  [
    'Mapping, warming and swapping of files need no settings here: pages are readied ahead on a native thread.',
    'accessMessageInMemoryHotRatio accessMessageInMemoryMaxRatio cleanSwapedMapInterval commitCommitLogLeastPages commitCommitLogThoroughInterval commitIntervalCommitLog commitLogForceSwapMapInterval commitLogRecoverMaxNum commitLogSwapMapInterval commitLogSwapMapReserveFileNum correctLogicMinOffsetForceInterval correctLogicMinOffsetSleepInterval dataReadAheadEnable debugLockEnable deleteCommitLogFilesInterval deleteConsumeQueueFilesInterval destroyMapedFileIntervalForcibly dispatchCqCacheNum enableAcceleratedRecovery enableAsyncReput enableRunningFlagsInFlush flushCommitLogLeastPages flushCommitLogThoroughInterval flushCommitLogTimed flushConsumeQueueLeastPages flushConsumeQueueThoroughInterval flushIntervalConsumeQueue flushLeastPagesWhenWarmMapedFile highSpeedMode logicQueueForceSwapMapInterval logicQueueSwapMapInterval logicQueueSwapMapReserveFileNum mappedFileSwapEnable maxRecoveryCommitlogFiles putConsumeQueueDataByFileChannel redeleteHangedFileInterval sampleCountThreshold sampleSteps sharedByteBufferNum spinLockCollisionRetreatOptimalDegree topicQueueLockNum transferMsgByHeap transientStorePoolEnable useABSLock useReentrantLockWhenPutMessage wakeCommitWhenPutMessage wakeFlushWhenPutMessage warmMapedFileEnable writeWithoutMmap',
  ],
  [
    'Metrics export and account statistics are not part of this version.',
    'accountStatsEnable accountStatsPrintZeroValues autoDeleteUnusedStats commercialBaseCount commercialSizePerMsg enableConnectionMetrics enableDetailStat enableLagAndDlqMetrics enableMessageStoreMetrics enableRemotingMetrics enableRequestMetrics enableScheduleMessageStats enableStatsMetrics estimateAccumulation maxStatsIdleTimeInMinutes metricGrpcExporterIntervalInMills metricGrpcExporterTimeOutInMills metricLoggingExporterIntervalInMills metricsExportBatchMaxDataPoints metricsExporterType metricsGrpcExporterHeader metricsGrpcExporterTarget metricsInDelta metricsLabel metricsOtelCardinalityLimit metricsPromExporterHost metricsPromExporterPort',
  ],
  ['Registrations are sent as they are; name servers here take compressed ones too.', 'compressedRegister'],
  [
    'Name servers are named by namesrvAddr only.',
    'fetchNameSrvAddrByDnsLookup fetchNamesrvAddrByAddressServer fetchNamesrvAddrInterval loadBalancePollNameServerInterval updateNameServerAddrPeriod',
  ],
  [
    'One fixed behaviour here: there is nothing to set.',
    'autoMessageVersionOnTopicLen brokerConfigPath checkCommitLogOffsetOnRecover clearRetryTopicWhenDeleteTopic configBlackList consumerFallbehindThreshold consumerOffsetUpdateVersionStep defaultQueryMaxNum delayOffsetUpdateVersionStep disableConsumeIfConsumerReadSlowly disappearTimeAfterStart diskFallRecorded enableBatchPush enableCleanExpiredOffset enableCreateSysGroup enableLogConsumeQueueRepeatedlyBuildWhenRecover enableMixedMessageType enableNetWorkFlowControl enableRegisterProducer enableScheduleAsyncDeliver enableSingleTopicRegister enableSplitMetadata enableSplitRegistration flushConsumerOffsetHistoryInterval flushDelayOffsetInterval forceRegister forceVerifyPropCRC indexFileReadEnable indexFileWriteEnable logicalDiskSpaceCleanForciblyThreshold maxBatchDeleteFilesNum maxConsumeQueueScan maxFilterMessageSize maxMsgsNumBatch maxTopicLength maxTransferBytesOnMessageInDisk maxTransferCountOnMessageInDisk messageIndexSafe persistConsumerOffsetIncrementally printChannelGroups printChannelGroupsMinNum priorityOrderAsc pullBatchMaxMessageCount putMsgIndexHightWater readOnlyCommitLogStorePaths realTimeNotifyConsumerChange recheckReputOffsetFromCq rejectPullConsumerEnable scheduleAsyncDeliverMaxPendingLimit scheduleAsyncDeliverMaxResendNum2Blocked splitMetadataSize splitRegistrationSize startAcceptSendRequestTimeStamp storeReplyMessageEnable subscriptionExpiredTimeout travelCqFileNumWhenGetMessage useServerSideResetOffset useStaticSubscription validateSystemTopicWhenUpdateTopic',
  ],
  [
    'Pop consumption is not part of this version.',
    'appendAckAsync appendCkAsync defaultMessageRequestMode defaultPopShareQueueNum enableLitePopLog enableNotifyAfterPopOrderLockRelease enableNotifyBeforePopCalculateLag enablePopBatchAck enablePopBufferMerge enablePopLog enablePopMessageThreshold enablePopMetrics enableRetryTopicV2 enableSkipLongAwaitingAck initPopOffsetByCheckMsgInMem maxMessageFilterNumForNotification maxPopPollingSize popCkMaxBufferSize popCkOffsetMaxQueueSize popCkStayBufferTime popCkStayBufferTimeOut popConsumerFSServiceInit popConsumerKVServiceEnable popConsumerKVServiceInit popConsumerKVServiceLog popFromRetryProbability popFromRetryProbabilityForPriority popInflightMessageThreshold popLongPollingForceNotifyInterval popPollingMapExpireTimeSeconds popPollingMapSize popPollingSize popResponseReturnActualRetryTopic popReviveMaxAttemptTimes popReviveMaxReturnSizePerRead popReviveSkipIfGroupAbsent retrieveMessageFromPopRetryTopicV1 reviveAckWaitMs reviveInterval reviveMaxSlow reviveScanTime serverLoadBalancerEnable skipWhenCKRePutReachMaxTimes useMessageFilterForNotification useSeparateRetryQueue',
  ],
  [
    'Property filters (SQL92) are not part of this version.',
    'bitMapLengthConsumeQueueExt enableCalcFilterBitMap enablePropertyFilter expectConsumerNumUseFilter filterDataCleanTimeSpan filterSupportRetry mappedFileSizeConsumeQueueExt maxErrorRateOfBloomFilter',
  ],
  [
    'Replication, the controller and acting masters are not part of this version.',
    'asyncLearner brokerElectionPriority brokerHeartbeatInterval brokerNotActiveTimeoutMillis checkSyncStateSetPeriod cleanOfflineBrokerInterval compatibleWithOldNameSrv controllerAddr controllerHeartBeatTimeoutMills enableAutoInSyncReplicas enableRemoteEscape enableSlaveActingMaster fetchControllerAddrByDnsLookup haFlowControlEnable haHousekeepingInterval haMasterAddress haMaxGapNotInSync haMaxTimeSlaveNotCatchup haSendHeartbeatInterval haTransferBatchSize inBrokerContainer inSyncReplicas isolateLogEnable maxChecksumRange maxHaTransferByteInSecond maxSlaveResendLength minInSyncReplicas offsetCheckInSlave readUnCommitted replicasPerDiskPartition sendHeartbeatTimeoutMillis skipPreOnline slaveReadEnable slaveTimeout storePathBrokerIdentity storePathEpochFile syncBrokerMemberGroupPeriod syncBrokerMetadataPeriod syncControllerMetadataPeriod syncFromLastFile syncMasterFlushOffsetWhenStartup totalReplicas',
  ],
  [
    'Requests do not wait in queues here: they are answered in the turn of the loop in which they arrive.',
    'brokerFastFailureEnable fastFailIfNoBufferInStorePool osPageCacheBusyTimeOutMills putMessageTimeout waitTimeMillsInAckQueue waitTimeMillsInAdminBrokerQueue waitTimeMillsInHeartbeatQueue waitTimeMillsInLitePullQueue waitTimeMillsInPullQueue waitTimeMillsInSendQueue waitTimeMillsInTransactionQueue',
  ],
  ['Static topics are not part of this version.', 'forwardTimeout'],
  [
    'The Raft log (DLedger) is not part of this version.',
    'dLegerGroup dLegerPeers dLegerSelfId preferredLeaderId storePathDLedgerCommitLog',
  ],
  ["The home directory of Apache's scripts: nothing is read from there.", 'rocketmqHome'],
  [
    'Found in many files, but no setting of Apache RocketMQ 5 either: these lie in the data directory.',
    'abortFile storeCheckpoint storePathConsumeQueue storePathIndex',
  ],
  [
    'There are no thread pools to size: one event loop serves all requests, and native threads serve the disk.',
    'ackMessageThreadPoolNums ackThreadPoolQueueCapacity adminBrokerThreadPoolNums adminBrokerThreadPoolQueueCapacity asyncSendEnable batchDispatchRequestThreadPoolNums clientAsyncSemaphoreValue clientCallbackExecutorThreads clientManageThreadPoolNums clientManagerThreadPoolQueueCapacity clientOnewaySemaphoreValue clientWorkerThreads compactionThreadNum consumerManageThreadPoolNums consumerManagerThreadPoolQueueCapacity disableCallbackExecutor disableNettyWorkerGroup dispatchCqThreads dispatchFromSenderThread enableBuildConsumeQueueConcurrently enableFastChannelEventProcess endTransactionThreadPoolNums heartbeatThreadPoolNums heartbeatThreadPoolQueueCapacity litePullMessageThreadPoolNums litePullThreadPoolQueueCapacity loadBalanceProcessorThreadPoolNums loadBalanceThreadPoolQueueCapacity lockInStrictMode maxAsyncPutMessageRequests maxClientEventCount popReviveConcurrency processReplyMessageThreadPoolNums pullMessageThreadPoolNums putMessageFutureThreadPoolNums putThreadPoolQueueCapacity queryMessageThreadPoolNums queryThreadPoolQueueCapacity recoverConcurrently recoverThreadPoolNums replyThreadPoolQueueCapacity sendMessageThreadPoolNums serverAsyncSemaphoreValue serverCallbackExecutorThreads serverNettyWorkerGroupEnable serverOnewaySemaphoreValue serverSelectorThreads serverWorkerThreads timerGetMessageThreadNum timerPutMessageThreadNum timerReputServiceCorePoolSize timerReputServiceMaxPoolSize transientStorePoolSize useEpollNativeSelector',
  ],
  [
    'There is no RocksDB here: LMDB and the log take its place.',
    'bottomMostCompressionTypeForConsumeQueueStore cleanRocksDBDirtyCQIntervalMin combineAssignOffsetCQType combineCQEnableCheckSelf combineCQLoadingCQTypes combineCQMaxExtraSearchCommitLogFiles combineCQPreferCQType combineCQUseRocksdbForLmq configManagerVersion enableRocksDBLog indexRocksDBEnable iteratorWhenUseRocksdbConsumeQueue maxRocksDBIndexQueryDays memTableFlushIntervalMs realTimePersistRocksDBConfig rocksdbCQDoubleWriteEnable rocksdbCompressionType rocksdbFlushWalFrequency rocksdbWalFileRollingThreshold statRocksDBCQIntervalSec timerRocksDBEnable timerRocksDBPrecisionMs timerRocksDBRollIntervalHours timerRocksDBRollMaxTps timerRocksDBRollRangeHours timerRocksDBStopScan timerRocksDBTimeExpiredMaxTps transRocksDBEnable transactionCheckRocksdbCoreThreads transactionCheckRocksdbMaxThreads transactionCheckRocksdbQueueCapacity useSeparateStorePathForRocksdbCQ useSingleRocksDBForAllConfigs',
  ],
  [
    'Timers of any length are not part of this version; delay levels are.',
    'allowRecallWhenBrokerNotWriteable appendTopicForTimerDeleteKey mappedFileSizeTimerLog recallMessageEnable timerColdDataCheckIntervalMs timerCongestNumEachSlot timerEnableCheckMetrics timerEnableRetryUntilSuccess timerFlushIntervalMs timerInterceptDelayLevel timerMaxDelaySec timerMetricSmallThreshold timerPrecisionMs timerProgressLogIntervalMs timerRecallToTimeWheelEnable timerRecallToTimelineEnable timerReputServiceQueueCapacity timerRollWindowSlot timerSkipUnknownError timerStopEnqueue timerWheelEnable timerWheelSnapshotFlush timerWheelSnapshotIntervalMs',
  ],
  [
    'Transactions are not part of this version.',
    'enableTransactionMetrics endTransactionPoolQueueCapacity rejectTransactionMessage transWriteOriginTransHalfEnable transactionCheckInterval transactionCheckMax transactionMetricFlushInterval transactionOpBatchInterval transactionOpMsgMaxSize transactionTimeOut',
  ],
]);

/** Of NamesrvConfig and NettyServerConfig. */
export const ignoredNamesrvKeys: IgnoredKeys = ignored([
  [
    'A setting of Netty: Node.js brings its own event loop and buffers.',
    'enableShutdownGracefully serverPooledByteBufAllocatorEnable serverSocketBacklog serverSocketRcvBufSize serverSocketSndBufSize shutdownWaitTimeSeconds writeBufferLowWaterMark',
  ],
  [
    'One fixed behaviour here: there is nothing to set.',
    'clusterTest configBlackList configStorePath deleteTopicWithBrokerRegistration enableAllTopicList enableTopicList kvConfigPath needWaitForService notifyMinBrokerIdChanged orderMessageEnable productEnvName returnOrderTopicConfigToBroker unRegisterBrokerQueueCapacity waitSecondsForService',
  ],
  [
    'Replication, the controller and acting masters are not part of this version.',
    'enableControllerInNamesrv supportActingMaster',
  ],
  ["The home directory of Apache's scripts: nothing is read from there.", 'rocketmqHome'],
  [
    'There are no thread pools to size: one event loop serves all requests, and native threads serve the disk.',
    'clientRequestThreadPoolNums clientRequestThreadPoolQueueCapacity defaultThreadPoolNums defaultThreadPoolQueueCapacity serverAsyncSemaphoreValue serverCallbackExecutorThreads serverNettyWorkerGroupEnable serverOnewaySemaphoreValue serverSelectorThreads serverWorkerThreads useEpollNativeSelector',
  ],
]);
