// The bytes around a command on the wire. All integers are big-endian.
//
// | offset | size | field | type | notes |
// |--------|------|-------|------|-------|
// | 0 | 4 | frameLength | int32 | bytes that follow this field: 4 + header + body |
// | 4 | 1 | serializeType | uint8 | 0 JSON, 1 ROCKETMQ |
// | 5 | 3 | headerLength | uint24 | at most frameLength - 4 |
// | 8 | headerLength | header | bytes | see json-header-reader.ts and rocketmq-header.ts |
// | 8 + headerLength | rest | body | bytes | may be empty |

import type { SerializeType } from './remoting-command.ts';

export const FrameLayout = {
  frameLength: 0,
  serializeType: 4,
  headerLength: 5,
  header: 8,
  /** What frameLength counts besides header and body. */
  overhead: 4,
} as const;

export const HEADER_LENGTH_MAX = 0xffffff;
export const FRAME_LENGTH_MAX = 0x7fff_ffff;

export const serializeTypeCode: Readonly<Record<SerializeType, number>> = { JSON: 0, ROCKETMQ: 1 };

/** undefined when the byte names no serialization. */
export function serializeTypeOf(code: number): SerializeType | undefined {
  return code === 0 ? 'JSON' : code === 1 ? 'ROCKETMQ' : undefined;
}
