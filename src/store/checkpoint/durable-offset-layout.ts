// The byte positions of our file `cometmq/durable-offset`: 4,096 bytes with two slots of 32 bytes, each in a disk sector of its
// own, written in turn. Quoted by docs/formats/store-checkpoint.md; a test compares the two.
//
// | Position | Size | Type   | Field                                            |
// |----------|------|--------|--------------------------------------------------|
// | 0        | 4    | uint32 | magic, 0x436D446F ("CmDo")                       |
// | 4        | 4    | uint32 | clean: 1 after a clean stop, else 0              |
// | 8        | 8    | int64  | sequence, higher by one with each write          |
// | 16       | 8    | int64  | offset: the log is on disk up to here            |
// | 24       | 4    | uint32 | zero                                             |
// | 28       | 4    | uint32 | CRC-32 of the 28 bytes before                    |

export const DURABLE_OFFSET_FILE_SIZE_BYTES = 4_096;
export const SLOT_POSITIONS = [0, 2_048] as const;
export const SLOT_SIZE_BYTES = 32;
export const SLOT_MAGIC = 0x436d446f;

/** In a slot. */
export const SLOT_MAGIC_POSITION = 0;
export const SLOT_CLEAN_POSITION = 4;
export const SLOT_SEQUENCE_POSITION = 8;
export const SLOT_OFFSET_POSITION = 16;
export const SLOT_CRC_POSITION = 28;
