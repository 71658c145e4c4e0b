// CRC-32 with zlib's polynomial. On x86-64 a thin door: the addon needs a third of node:zlib's time at 1 KiB (bench numbers in
// native/README.md). Elsewhere it only has a plain table, and node:zlib knows the processor better.
import { crc32 as zlibCrc32 } from 'node:zlib';

import { nativeAddon } from './load-addon.ts';
import { NativeError } from './native-error.ts';

type Crc32OfRange = (bytes: Uint8Array, offset: number, lengthBytes: number, seed?: number) => number;

/**
 * The CRC-32 of a part of `bytes` (of a mapped region's buffer, for one) as an unsigned number, without the cost of a view.
 * `seed` is the CRC-32 of what comes before them. Throws 'ERR_NATIVE_RANGE' when the part is not inside `bytes`.
 */
export const crc32OfRange: Crc32OfRange =
  process.arch === 'x64'
    ? (bytes, offset, lengthBytes, seed = 0) => nativeAddon.crc32(bytes, offset, lengthBytes, seed)
    : crc32WithZlib;

/** The same of all of them. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return crc32OfRange(bytes, 0, bytes.length, seed);
}

/** {@link crc32OfRange} for processors that the addon has no instructions for. */
export function crc32WithZlib(bytes: Uint8Array, offset: number, lengthBytes: number, seed = 0): number {
  if (!(offset >= 0 && lengthBytes >= 0 && lengthBytes <= bytes.length - offset)) {
    const message = `bytes ${offset} to ${offset + lengthBytes} are not inside of ${bytes.length}; take a part that is`;
    throw new NativeError('ERR_NATIVE_RANGE', message, { offset, lengthBytes });
  }
  return zlibCrc32(bytes.subarray(offset, offset + lengthBytes), seed);
}
