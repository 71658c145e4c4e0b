// CRC-32 as Java's java.util.zip.CRC32 computes it. The store takes the function as a parameter, so that a faster one can be
// plugged in; this one is always there.

import { crc32 as zlibCrc32 } from 'node:zlib';

/** 0..2^32-1; of all the bytes, or of a part of them: a native implementation needs no view for that. */
export type Crc32 = (bytes: Uint8Array, position?: number, lengthBytes?: number) => number;

export const crc32: Crc32 = (bytes, position, lengthBytes) =>
  position === undefined || lengthBytes === undefined
    ? zlibCrc32(bytes)
    : zlibCrc32(bytes.subarray(position, position + lengthBytes));
