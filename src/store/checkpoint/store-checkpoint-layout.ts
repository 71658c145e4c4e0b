// The byte positions of Apache's `checkpoint` file: 4,096 bytes, six big-endian int64, the rest zero. Quoted by
// docs/formats/store-checkpoint.md; a test compares the two.
//
// | Position | Size | Type  | Field                |
// |----------|------|-------|----------------------|
// | 0        | 8    | int64 | physicMsgTimestamp   |
// | 8        | 8    | int64 | logicsMsgTimestamp   |
// | 16       | 8    | int64 | indexMsgTimestamp    |
// | 24       | 8    | int64 | masterFlushedOffset  |
// | 32       | 8    | int64 | confirmPhyOffset     |
// | 40       | 8    | int64 | logicsPhysicalOffset |

export const STORE_CHECKPOINT_SIZE_BYTES = 4_096;

export const PHYSIC_MSG_TIMESTAMP_POSITION = 0;
export const LOGICS_MSG_TIMESTAMP_POSITION = 8;
export const INDEX_MSG_TIMESTAMP_POSITION = 16;
export const MASTER_FLUSHED_OFFSET_POSITION = 24;
export const CONFIRM_PHY_OFFSET_POSITION = 32;
/** Since RocketMQ 5.5.0. */
export const LOGICS_PHYSICAL_OFFSET_POSITION = 40;
