// The settings of the store that is killed: small files, so that every kind of work is under way at any moment.

import type { StoreConfig } from '../../../src/store/store-config.ts';

export const killedStoreConfig = (round: number): Partial<StoreConfig> => ({
  commitLogSegmentSizeBytes: 1024 * 1024,
  consumeQueueSegmentSizeBytes: 20_000,
  indexHashSlotCount: 1_000,
  indexEntryCountMax: 3_000,
  checkpointIntervalMs: 50,
  flushIntervalMs: 50,
  flushDiskType: round % 2 === 0 ? 'SYNC_FLUSH' : 'ASYNC_FLUSH',
});
