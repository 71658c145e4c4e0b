// Finds out whether memory holds nothing but zeros, a chunk at a time at the speed of memcmp.

const CHUNK_SIZE_BYTES = 1024 * 1024;
const zeros = Buffer.alloc(CHUNK_SIZE_BYTES);

/** Shared, read-only by convention: never more than 1 MiB. */
export function isAllZero(buffer: Buffer, from: number, to: number): boolean {
  // Mostly the first byte decides, without a native call.
  if (from < to && buffer[from] !== 0) return false;
  for (let position = from; position < to; position += CHUNK_SIZE_BYTES) {
    const length = Math.min(CHUNK_SIZE_BYTES, to - position);
    if (buffer.compare(zeros, 0, length, position, position + length) !== 0) return false;
  }
  return true;
}

/**
 * The chunks (at most 1 MiB each) of the range that hold something else than zeros. `nextData` says where to go on from a
 * position: behind a hole, for whoever knows of holes. Looking into one would make a page of memory for each page of it.
 */
export function* chunksWithData(
  buffer: Buffer,
  from: number,
  to: number,
  nextData: (position: number) => number = (position) => position,
): Generator<{ position: number; lengthBytes: number }> {
  for (let position = nextData(from); position < to;) {
    const lengthBytes = Math.min(CHUNK_SIZE_BYTES, to - position);
    if (!isAllZero(buffer, position, position + lengthBytes)) yield { position, lengthBytes };
    position = nextData(position + lengthBytes);
  }
}
