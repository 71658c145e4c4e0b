// Bytes of a consume queue: fixed units in files of a fixed size, named by the byte offset at which they start. Nothing but
// this file knows the numbers; docs/formats/consume-queue.md shows the same table.
//
// | position | size | type  | field          |
// |----------|------|-------|----------------|
// | 0        | 8    | int64 | physicalOffset |
// | 8        | 4    | int32 | sizeBytes      |
// | 12       | 8    | int64 | tagsCode       |

import { assert } from '../../base/assert.ts';

export const UNIT_SIZE_BYTES = 20;
export const UNIT_PHYSICAL_OFFSET_POSITION = 0;
export const UNIT_SIZE_POSITION = 8;
export const UNIT_TAGS_CODE_POSITION = 12;
assert(UNIT_TAGS_CODE_POSITION + 8 === UNIT_SIZE_BYTES, 'the last field of a unit must end with it');

/** The size in the units that fill a file below the first offset of a queue that did not start at a file's beginning. */
export const PRE_BLANK_SIZE = 0x7fff_ffff;

export const FILE_NAME_DIGITS = 20;

const TWO_32 = 0x1_0000_0000;

/** One entry of a queue: where the record is, how long it is, and the hash of its tags. */
export interface Unit {
  readonly physicalOffset: number;
  readonly sizeBytes: number;
  readonly tagsCode: number;
}

/** `physicalOffset` must be a safe integer ≥ 0; `tagsCode` any safe integer. */
export function writeUnit(target: DataView, position: number, unit: Unit): void {
  writeUnitFields(target, position, unit.physicalOffset, unit.sizeBytes, unit.tagsCode);
}

/** {@link writeUnit} without an object, for the path that every message takes. */
export function writeUnitFields(
  target: DataView,
  position: number,
  physicalOffset: number,
  sizeBytes: number,
  tagsCode: number,
): void {
  target.setInt32(position, Math.floor(physicalOffset / TWO_32));
  target.setInt32(position + 4, physicalOffset | 0);
  target.setInt32(position + 8, sizeBytes);
  target.setInt32(position + 12, Math.floor(tagsCode / TWO_32));
  target.setInt32(position + 16, tagsCode | 0);
}

/** From untrusted bytes: check with {@link isValidUnit}. A tags code beyond 2^53 loses its lowest bits. */
export function physicalOffsetAt(source: DataView, position: number): number {
  return source.getInt32(position) * TWO_32 + source.getUint32(position + 4);
}

export function sizeBytesAt(source: DataView, position: number): number {
  return source.getInt32(position + UNIT_SIZE_POSITION);
}

export function tagsCodeAt(source: DataView, position: number): number {
  return source.getInt32(position + UNIT_TAGS_CODE_POSITION) * TWO_32 + source.getUint32(position + 16);
}

export function unitAtPosition(source: DataView, position: number): Unit {
  return {
    physicalOffset: physicalOffsetAt(source, position),
    sizeBytes: sizeBytesAt(source, position),
    tagsCode: tagsCodeAt(source, position),
  };
}

/** A file is zeros behind its last unit, and no record has size 0. A pre-blank unit is valid in this sense. */
export function isValidUnit(physicalOffset: number, sizeBytes: number): boolean {
  return sizeBytes > 0 && physicalOffset >= 0 && Number.isSafeInteger(physicalOffset);
}

/** True for a unit that only fills the file below the queue's first offset. */
export function isPreBlank(physicalOffset: number, sizeBytes: number): boolean {
  return sizeBytes === PRE_BLANK_SIZE && physicalOffset === 0;
}

/** A view of exactly the bytes of `bytes`. */
export function dataViewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The name of the file that starts at a byte offset. */
export function fileNameOf(startBytes: number): string {
  assert(Number.isSafeInteger(startBytes) && startBytes >= 0, 'a file starts at a safe integer');
  return String(startBytes).padStart(FILE_NAME_DIGITS, '0');
}

/** The byte offset that a file name stands for; undefined for any other name. */
export function parseFileName(name: string): number | undefined {
  if (!/^[0-9]{20}$/.test(name)) return undefined;
  const startBytes = Number(name);
  return Number.isSafeInteger(startBytes) ? startBytes : undefined;
}
