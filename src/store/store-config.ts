// The engine's settings with their defaults, Java's names beside them. The broker's configuration table maps Apache's keys
// onto these; a program that embeds the store sets them directly.

export type FlushDiskType = 'ASYNC_FLUSH' | 'SYNC_FLUSH';

/** Format settings (sizes of files) must stay the same for the life of a directory; the others may differ at each open. */
export interface StoreConfig {
  /** mappedFileSizeCommitLog. Format. */
  readonly commitLogSegmentSizeBytes: number;
  /** mappedFileSizeConsumeQueue; a multiple of 20. Format. */
  readonly consumeQueueSegmentSizeBytes: number;
  /** maxHashSlotNum. Format. */
  readonly indexHashSlotCount: number;
  /** maxIndexNum. Format. */
  readonly indexEntryCountMax: number;
  /** messageIndexEnable */
  readonly indexEnabled: boolean;
  /** maxMessageSize: the limit of one body. */
  readonly messageSizeBytesMax: number;
  readonly flushDiskType: FlushDiskType;
  /** flushIntervalCommitLog: how long an ASYNC_FLUSH message may stay unsynced. */
  readonly flushIntervalMs: number;
  /** syncFlushTimeout: after this a put under SYNC_FLUSH resolves with FLUSH_DISK_TIMEOUT. */
  readonly syncFlushTimeoutMs: number;
  /** How often consume queues and index are synced and the checkpoint is moved (flushConsumeQueueThoroughInterval and others). */
  readonly checkpointIntervalMs: number;
  /** Bytes of consume queue units kept in memory before they are written out. */
  readonly consumeQueuePendingBytesMax: number;
  /** Consume queue files mapped at one time for reading. */
  readonly consumeQueueMappedFilesMax: number;
  /** Index files mapped at one time. */
  readonly indexMappedFilesMax: number;
  /** Puts that may wait for room or durability before `put` refuses with OS_PAGE_CACHE_BUSY. */
  readonly pendingPutsMax: number;
  /** The newest bytes of the log that are taken to be in memory without asking the kernel. */
  readonly hotLogBytes: number;
  /** messageDelayLevel */
  readonly messageDelayLevel: string;
  /** fileReservedTime, in hours there. */
  readonly fileReservedMs: number;
  /** deleteWhen: hours of the day (local time) at which expired files go, such as [4]. */
  readonly deleteWhenHours: readonly number[];
  /** cleanResourceInterval */
  readonly cleanIntervalMs: number;
  /** deleteFileBatchMax */
  readonly deleteFileBatchMax: number;
  /** diskMaxUsedSpaceRatio: above this, expired files go at once. */
  readonly diskMaxUsedPercent: number;
  /** diskSpaceCleanForciblyRatio: above this, the oldest files go although they have not expired. */
  readonly diskCleanForciblyPercent: number;
  /** diskSpaceWarningLevelRatio: above this, writes are refused. */
  readonly diskWarningPercent: number;
  /** cleanFileForciblyEnable */
  readonly cleanFileForciblyEnabled: boolean;
  /** checkCRCOnRecover */
  readonly checkCrcOnRecover: boolean;
  /** maxTopics, maxQueues: what auto-creation may reach. */
  readonly topicCountMax: number;
  readonly queueCountMax: number;
  /** How long a committed consumer offset may stay in memory only. With the sync behind it, it must be on disk in 100 ms. */
  readonly offsetCommitIntervalMs: number;
  /** How often Apache's consumerOffset.json is refreshed. */
  readonly offsetExportIntervalMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;

/** Apache's defaults where Apache has the setting. */
export const defaultStoreConfig: StoreConfig = Object.freeze({
  commitLogSegmentSizeBytes: 1024 * MIB,
  consumeQueueSegmentSizeBytes: 300_000 * 20,
  indexHashSlotCount: 5_000_000,
  indexEntryCountMax: 20_000_000,
  indexEnabled: true,
  messageSizeBytesMax: 4 * MIB,
  flushDiskType: 'ASYNC_FLUSH',
  flushIntervalMs: 500,
  syncFlushTimeoutMs: 5_000,
  checkpointIntervalMs: 10_000,
  consumeQueuePendingBytesMax: 32 * MIB,
  consumeQueueMappedFilesMax: 1_024,
  indexMappedFilesMax: 16,
  pendingPutsMax: 100_000,
  hotLogBytes: 64 * MIB,
  messageDelayLevel: '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h',
  fileReservedMs: 72 * HOUR_MS,
  deleteWhenHours: [4],
  cleanIntervalMs: 10_000,
  deleteFileBatchMax: 10,
  diskMaxUsedPercent: 75,
  diskCleanForciblyPercent: 85,
  diskWarningPercent: 90,
  cleanFileForciblyEnabled: true,
  checkCrcOnRecover: true,
  topicCountMax: 100_000,
  queueCountMax: 1_000_000,
  offsetCommitIntervalMs: 25,
  offsetExportIntervalMs: 5_000,
} satisfies StoreConfig);
