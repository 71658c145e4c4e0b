// Every byte offset of a CommitLog record, and nothing else. All integers are big-endian. `B` and `S` are the lengths of the
// born and the store host: 8 with IPv4, 20 with IPv6 (address, then the port as int32). The table is quoted by
// docs/formats/commit-log.md; a test compares the two.
//
// | Position    | Size | Type   | Field                     |
// |-------------|------|--------|---------------------------|
// | 0           | 4    | int32  | totalSize                 |
// | 4           | 4    | int32  | magicCode                 |
// | 8           | 4    | int32  | bodyCrc                   |
// | 12          | 4    | int32  | queueId                   |
// | 16          | 4    | int32  | flag                      |
// | 20          | 8    | int64  | queueOffset               |
// | 28          | 8    | int64  | physicalOffset            |
// | 36          | 4    | int32  | sysFlag                   |
// | 40          | 8    | int64  | bornTimestamp             |
// | 48          | B    | host   | bornHost                  |
// | 48+B        | 8    | int64  | storeTimestamp            |
// | 56+B        | S    | host   | storeHost                 |
// | 56+B+S      | 4    | int32  | reconsumeTimes            |
// | 60+B+S      | 8    | int64  | preparedTransactionOffset |
// | 68+B+S      | 4    | int32  | bodyLength                |
// | 72+B+S      | n    | bytes  | body                      |
// | after body  | 1, 2 | uint8, uint16 | topicLength (v1, v2) |
// | then        | n    | utf8   | topic                     |
// | then        | 2    | int16  | propertiesLength          |
// | then        | n    | utf8   | properties                |

import { assert } from '../../base/assert.ts';
import { MessageSysFlag } from '../../model/sys-flag.ts';

export const TOTAL_SIZE_POSITION = 0;
export const MAGIC_CODE_POSITION = 4;
export const BODY_CRC_POSITION = 8;
export const QUEUE_ID_POSITION = 12;
export const FLAG_POSITION = 16;
export const QUEUE_OFFSET_POSITION = 20;
export const PHYSICAL_OFFSET_POSITION = 28;
export const SYS_FLAG_POSITION = 36;
export const BORN_TIMESTAMP_POSITION = 40;
export const BORN_HOST_POSITION = 48;

/** From here on positions move with the lengths of the hosts: add {@link hostsSizeBytes} or {@link bornHostSizeBytes}. */
export const STORE_TIMESTAMP_POSITION_LESS_B = 48;
export const STORE_HOST_POSITION_LESS_B = 56;
export const RECONSUME_TIMES_POSITION_LESS_HOSTS = 56;
export const PREPARED_TRANSACTION_OFFSET_POSITION_LESS_HOSTS = 60;
export const BODY_LENGTH_POSITION_LESS_HOSTS = 68;
export const BODY_POSITION_LESS_HOSTS = 72;

export const HOST_V4_SIZE_BYTES = 8;
export const HOST_V6_SIZE_BYTES = 20;
export const PORT_SIZE_BYTES = 4;
export const PROPERTIES_LENGTH_SIZE_BYTES = 2;

/** Java: MessageDecoder.MESSAGE_MAGIC_CODE: the topic's length is one byte. */
export const MAGIC_CODE_V1 = 0xdaa320a7 | 0;
/** Java: MESSAGE_MAGIC_CODE_V2: the topic's length is two bytes. Used only for topics above {@link TOPIC_BYTES_MAX_V1}. */
export const MAGIC_CODE_V2 = 0xdaa320ab | 0;
/** Java: CommitLog.BLANK_MAGIC_CODE: nothing more comes in this segment. */
export const MAGIC_CODE_BLANK = 0xcbd43194 | 0;

/** A blank record is its size (to the end of the segment) and its magic; what follows means nothing. */
export const BLANK_SIZE_BYTES = 8;
/** Java: END_FILE_MIN_BLANK_LENGTH: after each record there is room for a blank one. */
export const ROOM_AFTER_RECORD_BYTES = BLANK_SIZE_BYTES;

export const TOPIC_BYTES_MAX_V1 = 127;
export const PROPERTIES_BYTES_MAX = 32_767;
export const BODY_CRC_MASK = 0x7fffffff;
/** Java: MessageExtEncoder: a whole record may exceed maxMessageSize by this much. */
export const RECORD_OVERHEAD_BYTES_MAX = 64 * 1024;

/** The smallest record: IPv4 hosts, no body, a topic of one character, no properties. */
export const RECORD_SIZE_BYTES_MIN =
  BODY_POSITION_LESS_HOSTS + 2 * HOST_V4_SIZE_BYTES + 1 + 1 + PROPERTIES_LENGTH_SIZE_BYTES;

assert(PHYSICAL_OFFSET_POSITION === QUEUE_OFFSET_POSITION + 8, 'physicalOffset follows queueOffset');
assert(BORN_HOST_POSITION === BORN_TIMESTAMP_POSITION + 8, 'bornHost follows bornTimestamp');
assert(MAGIC_CODE_V1 === -626843481 && MAGIC_CODE_V2 === -626843477, 'magic codes are those of Java');
assert(MAGIC_CODE_BLANK === -875286124, 'blank magic code is that of Java');

export function bornHostSizeBytes(sysFlag: number): number {
  return (sysFlag & MessageSysFlag.BORN_HOST_V6) === 0 ? HOST_V4_SIZE_BYTES : HOST_V6_SIZE_BYTES;
}

export function storeHostSizeBytes(sysFlag: number): number {
  return (sysFlag & MessageSysFlag.STORE_HOST_V6) === 0 ? HOST_V4_SIZE_BYTES : HOST_V6_SIZE_BYTES;
}

/** B + S */
export function hostsSizeBytes(sysFlag: number): number {
  return bornHostSizeBytes(sysFlag) + storeHostSizeBytes(sysFlag);
}

/** 1 or 2 */
export function topicLengthSizeBytes(magicCode: number): number {
  return magicCode === MAGIC_CODE_V2 ? 2 : 1;
}
