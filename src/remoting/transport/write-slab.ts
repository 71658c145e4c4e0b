// The memory into which headers and small bodies are written before they go to a socket. One slab serves all connections of a
// server: it is filled and handed to the kernel within one turn of the loop, nearly always at once, and then filled again.

import { assert } from '../../base/assert.ts';

const SLAB_SIZE_BYTES = 256 * 1024;

export class WriteSlab {
  readonly buffer: Buffer;
  #position = 0;
  /** Bytes taken that no socket has taken over yet. */
  #outstandingBytes = 0;

  constructor(sizeBytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(sizeBytes);
  }

  /** Where the next region would start. */
  get position(): number {
    return this.#position;
  }

  hasRoom(sizeBytes: number): boolean {
    return this.#position + sizeBytes <= this.buffer.length;
  }

  /** Reserves a region and returns its position. */
  take(sizeBytes: number): number {
    assert(this.hasRoom(sizeBytes), 'a region fits its write slab');
    const position = this.#position;
    this.#position += sizeBytes;
    this.#outstandingBytes += sizeBytes;
    return position;
  }

  /** Ends the region that was taken last at `position`: less was written than was reserved. */
  cutTo(position: number): void {
    assert(position <= this.#position, 'a write slab region can only be cut');
    this.#outstandingBytes -= this.#position - position;
    this.#position = position;
  }

  /** The kernel has copied this many of the bytes taken. Once it has them all, the slab is used again from its start. */
  giveBack(sizeBytes: number): void {
    this.#outstandingBytes -= sizeBytes;
    assert(this.#outstandingBytes >= 0, 'no write slab region is given back twice');
    if (this.#outstandingBytes === 0) this.#position = 0;
  }
}

/** Hands out the slab that is being filled. */
export class WriteSlabPool {
  #current = new WriteSlab(SLAB_SIZE_BYTES);

  slabWithRoom(sizeBytes: number): WriteSlab {
    if (!this.#current.hasRoom(sizeBytes)) {
      if (sizeBytes > SLAB_SIZE_BYTES / 2) return new WriteSlab(sizeBytes);
      this.#current = new WriteSlab(SLAB_SIZE_BYTES);
    }
    return this.#current;
  }

  /** A slow socket keeps regions of `slab`: it goes to waste with them, and a new one takes its place. */
  abandon(slab: WriteSlab): void {
    if (slab === this.#current) this.#current = new WriteSlab(SLAB_SIZE_BYTES);
  }
}
