// Bytes of an index file: a header, a hash table of slots, and entries in the order of the log, those of one slot chained from the
// newest to the oldest. Nothing but this file knows the numbers; docs/formats/index-file.md shows the same tables.
//
// Header
// | position | size | type  | field            |
// |----------|------|-------|------------------|
// | 0        | 8    | int64 | beginTimestampMs |
// | 8        | 8    | int64 | endTimestampMs   |
// | 16       | 8    | int64 | beginPhyOffset   |
// | 24       | 8    | int64 | endPhyOffset     |
// | 32       | 4    | int32 | hashSlotCount    |
// | 36       | 4    | int32 | indexCount       |
//
// Entry
// | position | size | type  | field             |
// |----------|------|-------|-------------------|
// | 0        | 4    | int32 | keyHash           |
// | 4        | 8    | int64 | physicalOffset    |
// | 12       | 4    | int32 | timeDiffSeconds   |
// | 16       | 4    | int32 | previousIndex     |

import { assert } from '../../base/assert.ts';

export const HEADER_SIZE_BYTES = 40;
export const HEADER_BEGIN_TIMESTAMP_POSITION = 0;
export const HEADER_END_TIMESTAMP_POSITION = 8;
export const HEADER_BEGIN_PHY_OFFSET_POSITION = 16;
export const HEADER_END_PHY_OFFSET_POSITION = 24;
export const HEADER_HASH_SLOT_COUNT_POSITION = 32;
export const HEADER_INDEX_COUNT_POSITION = 36;
assert(HEADER_INDEX_COUNT_POSITION + 4 === HEADER_SIZE_BYTES, 'the last field of the header must end with it');

export const SLOT_SIZE_BYTES = 4;

export const ENTRY_SIZE_BYTES = 20;
export const ENTRY_KEY_HASH_POSITION = 0;
export const ENTRY_PHYSICAL_OFFSET_POSITION = 4;
export const ENTRY_TIME_DIFF_POSITION = 12;
export const ENTRY_PREVIOUS_INDEX_POSITION = 16;
assert(ENTRY_PREVIOUS_INDEX_POSITION + 4 === ENTRY_SIZE_BYTES, 'the last field of an entry must end with it');

/** Slot value and previous index of nothing: entry 0 is never used. */
export const NO_INDEX = 0;
/** indexCount of a file without entries: the index that the next entry gets. */
export const FIRST_INDEX = 1;

const INT32_MAX = 0x7fff_ffff;
const TWO_32 = 0x1_0000_0000;

/** The two format settings that give every position. */
export interface IndexGeometry {
  readonly hashSlotCount: number;
  /** maxIndexNum: one more than the entries that a file takes. */
  readonly entryCountMax: number;
}

export function fileSizeOf(geometry: IndexGeometry): number {
  return entryPosition(geometry, geometry.entryCountMax);
}

export function slotPosition(slot: number): number {
  return HEADER_SIZE_BYTES + slot * SLOT_SIZE_BYTES;
}

export function entryPosition(geometry: IndexGeometry, index: number): number {
  return HEADER_SIZE_BYTES + geometry.hashSlotCount * SLOT_SIZE_BYTES + index * ENTRY_SIZE_BYTES;
}

export interface IndexHeader {
  readonly beginTimestampMs: number;
  readonly endTimestampMs: number;
  readonly beginPhyOffset: number;
  readonly endPhyOffset: number;
  /** Slots that have a chain. */
  readonly hashSlotCount: number;
  /** The index that the next entry gets. */
  readonly indexCount: number;
}

/** From untrusted bytes; an indexCount of 0 (a file that was just made) reads as 1, as in Apache. */
export function readHeader(source: DataView): IndexHeader {
  return {
    beginTimestampMs: readInt64(source, HEADER_BEGIN_TIMESTAMP_POSITION),
    endTimestampMs: readInt64(source, HEADER_END_TIMESTAMP_POSITION),
    beginPhyOffset: readInt64(source, HEADER_BEGIN_PHY_OFFSET_POSITION),
    endPhyOffset: readInt64(source, HEADER_END_PHY_OFFSET_POSITION),
    hashSlotCount: source.getInt32(HEADER_HASH_SLOT_COUNT_POSITION),
    indexCount: Math.max(FIRST_INDEX, source.getInt32(HEADER_INDEX_COUNT_POSITION)),
  };
}

export function writeHeader(target: DataView, header: IndexHeader): void {
  writeInt64(target, HEADER_BEGIN_TIMESTAMP_POSITION, header.beginTimestampMs);
  writeInt64(target, HEADER_END_TIMESTAMP_POSITION, header.endTimestampMs);
  writeInt64(target, HEADER_BEGIN_PHY_OFFSET_POSITION, header.beginPhyOffset);
  writeInt64(target, HEADER_END_PHY_OFFSET_POSITION, header.endPhyOffset);
  target.setInt32(HEADER_HASH_SLOT_COUNT_POSITION, header.hashSlotCount);
  target.setInt32(HEADER_INDEX_COUNT_POSITION, header.indexCount);
}

/**
 * The header of a file that was made ahead. After an unclean stop Apache would take a file without entries for the index's newest
 * state, and fill it with records that older files have; but it deletes every file that ends later than its checkpoint.
 */
export function madeAheadHeader(): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE_BYTES);
  writeHeader(new DataView(bytes.buffer), {
    beginTimestampMs: 0,
    endTimestampMs: Number.MAX_SAFE_INTEGER,
    beginPhyOffset: 0,
    endPhyOffset: 0,
    hashSlotCount: 0,
    indexCount: FIRST_INDEX,
  });
  return bytes;
}

export interface IndexEntry {
  readonly keyHash: number;
  readonly physicalOffset: number;
  readonly timeDiffSeconds: number;
  readonly previousIndex: number;
}

/** From untrusted bytes. */
export function readEntry(source: DataView, position: number): IndexEntry {
  return {
    keyHash: source.getInt32(position + ENTRY_KEY_HASH_POSITION),
    physicalOffset: readInt64(source, position + ENTRY_PHYSICAL_OFFSET_POSITION),
    timeDiffSeconds: source.getInt32(position + ENTRY_TIME_DIFF_POSITION),
    previousIndex: source.getInt32(position + ENTRY_PREVIOUS_INDEX_POSITION),
  };
}

/** Fields one by one: this is on the path of every message. */
export function writeEntryFields(
  target: DataView,
  position: number,
  keyHash: number,
  physicalOffset: number,
  timeDiffSeconds: number,
  previousIndex: number,
): void {
  target.setInt32(position + ENTRY_KEY_HASH_POSITION, keyHash);
  writeInt64(target, position + ENTRY_PHYSICAL_OFFSET_POSITION, physicalOffset);
  target.setInt32(position + ENTRY_TIME_DIFF_POSITION, timeDiffSeconds);
  target.setInt32(position + ENTRY_PREVIOUS_INDEX_POSITION, previousIndex);
}

/** Whole seconds since the file's begin timestamp, within 0 and the int32 maximum; 0 while that is not set. */
export function timeDiffSecondsOf(storeTimestampMs: number, beginTimestampMs: number): number {
  if (beginTimestampMs <= 0) return 0;
  return Math.min(INT32_MAX, Math.max(0, Math.trunc((storeTimestampMs - beginTimestampMs) / 1_000)));
}

function readInt64(source: DataView, position: number): number {
  return source.getInt32(position) * TWO_32 + source.getUint32(position + 4);
}

function writeInt64(target: DataView, position: number, value: number): void {
  target.setInt32(position, Math.floor(value / TWO_32));
  target.setInt32(position + 4, value | 0);
}

const NAME_PATTERN = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{3})$/;

export function isIndexFileName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

/**
 * The name of a file made now: yyyyMMddHHmmssSSS in local time. Names give the order of the files, so when local time went back
 * (daylight saving, a correction) the name is the one right after `lastName`.
 */
export function indexFileName(nowMs: number, lastName: string | undefined): string {
  const now = new Date(nowMs);
  const offsetMs = now.getTimezoneOffset() * 60_000;
  const name = digitsOf(new Date(nowMs - offsetMs));
  if (lastName === undefined || name > lastName) return name;
  const fields = NAME_PATTERN.exec(lastName);
  assert(fields !== null, 'the last index file has a name of the pattern');
  const [year, month, day, hour, minute, second, millisecond] = fields.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return digitsOf(new Date(Date.UTC(year, month - 1, day, hour, minute, second, millisecond) + 1));
}

/** The UTC fields of a date, without separators. */
function digitsOf(date: Date): string {
  return date.toISOString().replaceAll(/\D/g, '');
}
