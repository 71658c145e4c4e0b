// Reads CommitLog records: single fields out of a record that is known to be good, and whole records out of bytes that nobody
// has vouched for (Java: MessageDecoder, CommitLog.checkMessageAndReturnSize).

import { assert } from '../../base/assert.ts';
import type { Crc32 } from '../../base/crc32.ts';
import { int32At } from '../../base/int32.ts';
import { readInt64, readInt64OrNaN } from '../../base/int64.ts';
import type { HostAddress } from '../../model/host-address.ts';
import type { StoredMessage } from '../../model/message.ts';
import {
  BLANK_SIZE_BYTES,
  BODY_CRC_MASK,
  BODY_CRC_POSITION,
  BODY_LENGTH_POSITION_LESS_HOSTS,
  BODY_POSITION_LESS_HOSTS,
  BORN_HOST_POSITION,
  BORN_TIMESTAMP_POSITION,
  bornHostSizeBytes,
  FLAG_POSITION,
  HOST_V6_SIZE_BYTES,
  hostsSizeBytes,
  MAGIC_CODE_BLANK,
  MAGIC_CODE_POSITION,
  MAGIC_CODE_V1,
  MAGIC_CODE_V2,
  PHYSICAL_OFFSET_POSITION,
  PORT_SIZE_BYTES,
  PREPARED_TRANSACTION_OFFSET_POSITION_LESS_HOSTS,
  PROPERTIES_LENGTH_SIZE_BYTES,
  QUEUE_ID_POSITION,
  QUEUE_OFFSET_POSITION,
  RECONSUME_TIMES_POSITION_LESS_HOSTS,
  RECORD_SIZE_BYTES_MIN,
  STORE_HOST_POSITION_LESS_B,
  STORE_TIMESTAMP_POSITION_LESS_B,
  storeHostSizeBytes,
  SYS_FLAG_POSITION,
  topicLengthSizeBytes,
  TOTAL_SIZE_POSITION,
} from './message-layout.ts';

export type DecodedRecord =
  | { readonly kind: 'message'; readonly message: StoredMessage }
  /** The rest of the segment is unused; `sizeBytes` is what the record says is left. */
  | { readonly kind: 'blank'; readonly sizeBytes: number }
  /** Zeros where a record would begin: nothing was ever written here. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'bad'; readonly reason: string };

/** Where the moving parts of one record are. One mutable object serves a whole scan. */
export interface RecordShape {
  sizeBytes: number;
  bodyPosition: number;
  bodyLength: number;
  topicPosition: number;
  topicLength: number;
  propertiesPosition: number;
  propertiesLength: number;
}

export const newRecordShape = (): RecordShape => ({
  sizeBytes: 0,
  bodyPosition: 0,
  bodyLength: 0,
  topicPosition: 0,
  topicLength: 0,
  propertiesPosition: 0,
  propertiesLength: 0,
});

/** What the size field says; the caller knows that a record begins there. */
export function recordSizeAt(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + TOTAL_SIZE_POSITION);
}

export function sysFlagOf(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + SYS_FLAG_POSITION);
}

export function queueIdOf(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + QUEUE_ID_POSITION);
}

export function queueOffsetOf(buffer: Buffer, position = 0): number {
  return readInt64(buffer, position + QUEUE_OFFSET_POSITION);
}

export function physicalOffsetOf(buffer: Buffer, position = 0): number {
  return readInt64(buffer, position + PHYSICAL_OFFSET_POSITION);
}

export function storeTimestampOf(buffer: Buffer, position = 0): number {
  const bornHost = bornHostSizeBytes(sysFlagOf(buffer, position));
  return readInt64(buffer, position + STORE_TIMESTAMP_POSITION_LESS_B + bornHost);
}

/** The topic of a good record. */
export function topicOf(buffer: Buffer, position = 0): string {
  const shape = locate(buffer, position);
  return text(buffer, shape.topicPosition, shape.topicLength);
}

/** The properties of a good record, as one string. */
export function propertiesOf(buffer: Buffer, position = 0): string {
  const shape = locate(buffer, position);
  return text(buffer, shape.propertiesPosition, shape.propertiesLength);
}

/** The body of a good record, as a view: borrowed like `buffer` itself. */
export function bodyOf(buffer: Buffer, position = 0): Buffer {
  const shape = locate(buffer, position);
  return buffer.subarray(shape.bodyPosition, shape.bodyPosition + shape.bodyLength);
}

function locate(buffer: Buffer, position: number): RecordShape {
  const shape = newRecordShape();
  const problem = shapeProblem(buffer, { position, limit: buffer.length }, shape);
  assert(problem === undefined, 'a record that was vouched for has a good shape');
  return shape;
}

const text = (buffer: Buffer, position: number, length: number): string =>
  length === 0 ? '' : buffer.toString('utf8', position, position + length);

/** Where a record may lie: `limit` is the position that it must not pass. */
export interface RecordBounds {
  readonly position: number;
  readonly limit: number;
}

/**
 * Fills `shape` (positions in `buffer`) and returns undefined when the lengths of a record fit into one another and into the
 * bounds; else says what does not. Trusts no byte. Magic must be one of the two.
 */
export function shapeProblem(buffer: Buffer, bounds: RecordBounds, shape: RecordShape): string | undefined {
  const { position, limit } = bounds;
  if (limit - position < RECORD_SIZE_BYTES_MIN) return 'there is no room for a record';
  const sizeBytes = int32At(buffer, position);
  const magicCode = int32At(buffer, position + MAGIC_CODE_POSITION);
  if (magicCode !== MAGIC_CODE_V1 && magicCode !== MAGIC_CODE_V2) return `the magic code is ${hex(magicCode)}`;
  if (sizeBytes < RECORD_SIZE_BYTES_MIN) return `the size is ${sizeBytes}, less than a record can have`;
  if (sizeBytes > limit - position) return `the size is ${sizeBytes}, but only ${limit - position} bytes are left`;
  const end = position + sizeBytes;
  const hosts = hostsSizeBytes(int32At(buffer, position + SYS_FLAG_POSITION));
  const bodyPosition = position + BODY_POSITION_LESS_HOSTS + hosts;
  const topicSizeBytes = topicLengthSizeBytes(magicCode);
  if (bodyPosition + topicSizeBytes + PROPERTIES_LENGTH_SIZE_BYTES > end)
    return `the size ${sizeBytes} has no room for the hosts`;
  const bodyLength = int32At(buffer, position + BODY_LENGTH_POSITION_LESS_HOSTS + hosts);
  const topicPosition = bodyPosition + bodyLength + topicSizeBytes;
  if (bodyLength < 0 || topicPosition + PROPERTIES_LENGTH_SIZE_BYTES > end) return `the body length is ${bodyLength}`;
  const topicLength =
    topicSizeBytes === 1 ? (buffer[topicPosition - 1] as number) : buffer.readUInt16BE(topicPosition - topicSizeBytes);
  const propertiesPosition = topicPosition + topicLength + PROPERTIES_LENGTH_SIZE_BYTES;
  if (topicLength === 0 || propertiesPosition > end) return `the topic length is ${topicLength}`;
  const propertiesLength = buffer.readInt16BE(propertiesPosition - PROPERTIES_LENGTH_SIZE_BYTES);
  if (propertiesLength < 0 || propertiesPosition + propertiesLength !== end) {
    return `the lengths do not add up to the size ${sizeBytes}`;
  }
  shape.sizeBytes = sizeBytes;
  shape.bodyPosition = bodyPosition;
  shape.bodyLength = bodyLength;
  shape.topicPosition = topicPosition;
  shape.topicLength = topicLength;
  shape.propertiesPosition = propertiesPosition;
  shape.propertiesLength = propertiesLength;
  return undefined;
}

/** Says whether the stored CRC is that of the body. */
export function isBodyIntact(buffer: Buffer, position: number, shape: RecordShape, crc32: Crc32): boolean {
  const { bodyPosition, bodyLength } = shape;
  const stored = int32At(buffer, position + BODY_CRC_POSITION);
  return (crc32(buffer, bodyPosition, bodyLength) & BODY_CRC_MASK) === stored;
}

/**
 * What lies at `position`. The lengths are checked, the body's CRC only when `crc32` is given. The message's body and hosts are
 * views into `buffer`: copy the record first to own them.
 */
export function decodeRecord(buffer: Buffer, bounds: RecordBounds, crc32?: Crc32): DecodedRecord {
  const { position, limit } = bounds;
  if (limit - position >= BLANK_SIZE_BYTES) {
    const sizeBytes = buffer.readInt32BE(position);
    const magicCode = buffer.readInt32BE(position + MAGIC_CODE_POSITION);
    if (magicCode === MAGIC_CODE_BLANK) return { kind: 'blank', sizeBytes };
    if (magicCode === 0 && sizeBytes === 0) return { kind: 'empty' };
  }
  const shape = newRecordShape();
  const problem = shapeProblem(buffer, bounds, shape);
  if (problem !== undefined) return { kind: 'bad', reason: problem };
  const numbers = readNumbers(buffer, position);
  if (numbers === undefined) return { kind: 'bad', reason: 'an offset or time is outside the range that can be' };
  if (crc32 !== undefined && !isBodyIntact(buffer, position, shape, crc32)) {
    return { kind: 'bad', reason: "the body's CRC is wrong" };
  }
  const message: StoredMessage = {
    ...numbers,
    sizeBytes: shape.sizeBytes,
    topic: text(buffer, shape.topicPosition, shape.topicLength),
    body: buffer.subarray(shape.bodyPosition, shape.bodyPosition + shape.bodyLength),
    properties: text(buffer, shape.propertiesPosition, shape.propertiesLength),
  };
  return { kind: 'message', message };
}

function readNumbers(
  buffer: Buffer,
  position: number,
): Omit<StoredMessage, 'topic' | 'body' | 'properties' | 'sizeBytes'> | undefined {
  const sysFlag = sysFlagOf(buffer, position);
  const bornHostSize = bornHostSizeBytes(sysFlag);
  const hosts = hostsSizeBytes(sysFlag);
  const queueOffset = readInt64OrNaN(buffer, position + QUEUE_OFFSET_POSITION);
  const physicalOffset = readInt64OrNaN(buffer, position + PHYSICAL_OFFSET_POSITION);
  const bornTimestampMs = readInt64OrNaN(buffer, position + BORN_TIMESTAMP_POSITION);
  const storeTimestampMs = readInt64OrNaN(buffer, position + STORE_TIMESTAMP_POSITION_LESS_B + bornHostSize);
  const preparedTransactionOffset = readInt64OrNaN(
    buffer,
    position + PREPARED_TRANSACTION_OFFSET_POSITION_LESS_HOSTS + hosts,
  );
  const sum = queueOffset + physicalOffset + bornTimestampMs + storeTimestampMs + preparedTransactionOffset;
  if (Number.isNaN(sum)) return undefined;
  return {
    bodyCrc: buffer.readInt32BE(position + BODY_CRC_POSITION),
    queueId: queueIdOf(buffer, position),
    flag: buffer.readInt32BE(position + FLAG_POSITION),
    queueOffset,
    physicalOffset,
    sysFlag,
    bornTimestampMs,
    bornHost: readHost(buffer, position + BORN_HOST_POSITION, bornHostSize),
    storeTimestampMs,
    storeHost: readHost(buffer, position + STORE_HOST_POSITION_LESS_B + bornHostSize, storeHostSizeBytes(sysFlag)),
    reconsumeTimes: buffer.readInt32BE(position + RECONSUME_TIMES_POSITION_LESS_HOSTS + hosts),
    preparedTransactionOffset,
  };
}

function readHost(buffer: Buffer, position: number, sizeBytes: number): HostAddress {
  const portPosition = position + sizeBytes - PORT_SIZE_BYTES;
  return { address: buffer.subarray(position, portPosition), port: buffer.readInt32BE(portPosition) };
}

/** Bytes of a record that {@link storeTimestampOf} needs, whatever its hosts. */
export const STORE_TIMESTAMP_READ_BYTES = STORE_TIMESTAMP_POSITION_LESS_B + HOST_V6_SIZE_BYTES + 8;

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}
