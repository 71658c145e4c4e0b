// CRC-32 with zlib's polynomial. A thin door: the addon needs a quarter of node:zlib's time at 1 KiB (bench numbers in
// native/README.md).
import { nativeAddon } from './load-addon.ts';

/** The CRC-32 of `bytes`, as an unsigned number. `seed` is the CRC-32 of what comes before them. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return nativeAddon.crc32(bytes, 0, bytes.length, seed);
}

/** The same for a part (of a mapped region's buffer, for one), without the cost of a view. Throws 'ERR_NATIVE_RANGE' when the part is not inside `bytes`. */
export function crc32OfRange(bytes: Uint8Array, offset: number, lengthBytes: number, seed = 0): number {
  return nativeAddon.crc32(bytes, offset, lengthBytes, seed);
}
