// Signed 64-bit big-endian integers as plain numbers. Offsets and times stay below 2^53 (9 PB, the year 287396), and two
// 32-bit accesses cost a fifth of a BigInt access.

import { assert } from './assert.ts';

const TWO_32 = 0x1_0000_0000;

/** Reads an int64 that must fit a safe integer; asserts when it does not. */
export function readInt64(buffer: Buffer, position: number): number {
  const value = buffer.readInt32BE(position) * TWO_32 + buffer.readUInt32BE(position + 4);
  assert(Number.isSafeInteger(value), 'int64 is outside the safe integer range');
  return value;
}

/** Reads an int64 from untrusted bytes: NaN when it does not fit a safe integer. */
export function readInt64OrNaN(buffer: Buffer, position: number): number {
  const value = buffer.readInt32BE(position) * TWO_32 + buffer.readUInt32BE(position + 4);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** Writes a safe integer as int64. */
export function writeInt64(buffer: Buffer, value: number, position: number): void {
  buffer.writeInt32BE(Math.floor(value / TWO_32), position);
  buffer.writeUInt32BE(value >>> 0, position + 4);
}
