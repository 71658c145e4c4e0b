// Memory for units that are not in a file yet. All queues of a store share a few slabs, cut into chunks of eight units, so that
// 50,000 queues cost 50,000 small numbers and not 50,000 buffers, and an append allocates nothing.

import { assert } from '../../base/assert.ts';
import { dataViewOf, UNIT_SIZE_BYTES, writeUnitFields } from './consume-queue-layout.ts';

export const CHUNK_UNITS = 8;
export const CHUNK_SIZE_BYTES = CHUNK_UNITS * UNIT_SIZE_BYTES;
const SLAB_SHIFT = 12;
const SLAB_CHUNKS = 1 << SLAB_SHIFT;

/** Owner: one ConsumeQueueStore. A chunk is a number; who took it gives it back exactly once. */
export class UnitArena {
  #slabs: DataView[] = [];
  /** Chunks that were given back, the next to be taken last. */
  #free = new Int32Array(SLAB_CHUNKS);
  #freeCount = 0;
  /** Chunks ever cut from the slabs. */
  #cutCount = 0;

  /** What the chunks in use hold, whether their units are full or not. */
  get usedBytes(): number {
    return (this.#cutCount - this.#freeCount) * CHUNK_SIZE_BYTES;
  }

  /** An unused chunk; its bytes are whatever they were. */
  take(): number {
    if (this.#freeCount > 0) return this.#free[--this.#freeCount] as number;
    if (this.#cutCount === this.#slabs.length * SLAB_CHUNKS) {
      this.#slabs.push(dataViewOf(Buffer.allocUnsafeSlow(SLAB_CHUNKS * CHUNK_SIZE_BYTES)));
    }
    return this.#cutCount++;
  }

  give(chunk: number): void {
    assert(chunk >= 0 && chunk < this.#cutCount, 'only a chunk that was taken may be given back');
    if (this.#freeCount === this.#free.length) {
      const longer = new Int32Array(this.#free.length * 2);
      longer.set(this.#free);
      this.#free = longer;
    }
    this.#free[this.#freeCount++] = chunk;
    if (this.#freeCount === this.#cutCount) this.#shrink();
  }

  /** Nothing is in use: one slab stays for what comes next. */
  #shrink(): void {
    this.#slabs.length = Math.min(this.#slabs.length, 1);
    this.#cutCount = 0;
    this.#freeCount = 0;
    if (this.#free.length > SLAB_CHUNKS) this.#free = new Int32Array(SLAB_CHUNKS);
  }

  write(chunk: number, slot: number, physicalOffset: number, sizeBytes: number, tagsCode: number): void {
    const slab = this.#slabs[chunk >> SLAB_SHIFT] as DataView;
    writeUnitFields(slab, this.position(chunk, slot), physicalOffset, sizeBytes, tagsCode);
  }

  /** The slab that holds a chunk. Borrowed: valid until the chunk is given back. */
  slabOf(chunk: number): DataView {
    return this.#slabs[chunk >> SLAB_SHIFT] as DataView;
  }

  /** Where in its slab a unit of a chunk lies. */
  position(chunk: number, slot: number): number {
    return (chunk & (SLAB_CHUNKS - 1)) * CHUNK_SIZE_BYTES + slot * UNIT_SIZE_BYTES;
  }

  /** Copies units of one chunk to `target` at `position`. */
  copy(chunk: number, slot: number, unitCount: number, target: Buffer, position: number): void {
    const slab = this.slabOf(chunk);
    const start = slab.byteOffset + this.position(chunk, slot);
    target.set(new Uint8Array(slab.buffer, start, unitCount * UNIT_SIZE_BYTES), position);
  }
}
