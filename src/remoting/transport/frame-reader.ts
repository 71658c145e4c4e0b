// Cuts a stream of bytes into frames. A frame that lies within one chunk is decoded where it lies; a frame that spans chunks is
// put together in a buffer of its own, allocated after its length was checked. That buffer grows as bytes arrive, so a claimed
// length costs the claimer's bandwidth, not our memory (nor the collector's time, which counts what is allocated, not what is used).

import { decodeFrame } from '../protocol/frame-codec.ts';
import type { DecodeLimits } from '../protocol/frame-codec.ts';
import { FrameLayout } from '../protocol/frame-layout.ts';
import type { RemotingCommand } from '../protocol/remoting-command.ts';
import { RemotingError } from '../protocol/remoting-errors.ts';

const LENGTH_SIZE = 4;
const PARTIAL_FIRST_BYTES = 64 * 1024;
const PARTIAL_GROWTH = 4;
const nothing = Buffer.alloc(0);

export interface FrameReaderLimits extends DecodeLimits {
  readonly frameSizeBytesMax: number;
}

export class FrameReader {
  readonly #limits: FrameReaderLimits;
  #chunk: Buffer = nothing;
  #position = 0;
  /** A frame that the chunks so far hold in part: at first only its length field, then all of it. */
  #partial: Buffer = nothing;
  #partialSize = 0;
  /** What the partial frame will have in the end. */
  #partialSizeMax = 0;

  constructor(limits: FrameReaderLimits) {
    this.#limits = limits;
  }

  /** True when bytes of an unfinished frame are waiting for more. */
  get hasPartialFrame(): boolean {
    return this.#partialSize > 0 || this.#position < this.#chunk.length;
  }

  /** Takes a chunk, which must not change afterwards. The chunk before it must have been read to its end with `next`. */
  feed(chunk: Buffer): void {
    this.#chunk =
      this.#position < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#position), chunk]) : chunk;
    this.#position = 0;
  }

  /**
   * The next whole frame, or undefined when the chunk has no more.
   * Throws RemotingError ERR_REMOTING_MALFORMED_FRAME; the stream can't be read any further then.
   */
  next(): RemotingCommand | undefined {
    if (this.#partialSize > 0) return this.#nextFromPartial();
    const chunk = this.#chunk;
    const start = this.#position;
    const available = chunk.length - start;
    if (available >= LENGTH_SIZE) {
      const size = LENGTH_SIZE + this.#checkedLength(chunk, start);
      if (available >= size) {
        this.#position = start + size;
        return decodeFrame(chunk, start, start + size, this.#limits);
      }
      this.#beginPartial(size);
    } else if (available > 0) {
      this.#beginPartial(LENGTH_SIZE);
    }
    if (available === 0) this.#chunk = nothing;
    return undefined;
  }

  #beginPartial(size: number): void {
    this.#partial = Buffer.allocUnsafeSlow(Math.min(size, PARTIAL_FIRST_BYTES));
    this.#partialSize = 0;
    this.#partialSizeMax = size;
    this.#fillPartial();
  }

  #nextFromPartial(): RemotingCommand | undefined {
    if (!this.#fillPartial()) return undefined;
    if (this.#partialSizeMax === LENGTH_SIZE) {
      this.#partialSizeMax += this.#checkedLength(this.#partial, 0);
      this.#growPartial(Math.min(this.#partialSizeMax, PARTIAL_FIRST_BYTES));
      if (!this.#fillPartial()) return undefined;
    }
    const frame = this.#partial;
    this.#partial = nothing;
    this.#partialSize = 0;
    return decodeFrame(frame, 0, frame.length, this.#limits);
  }

  /** Moves bytes of the chunk into the partial frame; true when it is full. */
  #fillPartial(): boolean {
    const sizeMax = this.#partialSizeMax;
    while (this.#position < this.#chunk.length && this.#partialSize < sizeMax) {
      if (this.#partialSize === this.#partial.length) {
        this.#growPartial(Math.min(sizeMax, this.#partial.length * PARTIAL_GROWTH));
      }
      const end = Math.min(this.#chunk.length, this.#position + this.#partial.length - this.#partialSize);
      this.#chunk.copy(this.#partial, this.#partialSize, this.#position, end);
      this.#partialSize += end - this.#position;
      this.#position = end;
    }
    if (this.#position === this.#chunk.length) {
      this.#chunk = nothing;
      this.#position = 0;
    }
    return this.#partialSize === sizeMax;
  }

  #growPartial(capacityBytes: number): void {
    const grown = Buffer.allocUnsafeSlow(capacityBytes);
    this.#partial.copy(grown, 0, 0, this.#partialSize);
    this.#partial = grown;
  }

  #checkedLength(bytes: Buffer, position: number): number {
    const length = bytes.readInt32BE(position + FrameLayout.frameLength);
    if (length >= FrameLayout.overhead && length <= this.#limits.frameSizeBytesMax) return length;
    throw new RemotingError(
      'ERR_REMOTING_MALFORMED_FRAME',
      `The frame length ${length} is outside ${FrameLayout.overhead}..${this.#limits.frameSizeBytesMax}.`,
      { frameLength: length },
    );
  }
}
