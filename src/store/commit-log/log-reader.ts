// Reads the log by offset without ever waiting for the disk on the event loop: the newest bytes and what the kernel says is in
// memory are borrowed from the mapping, the rest is read on a thread.

import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { MappedRegion } from '../file-system.ts';
import type { MappedFileQueue } from '../mapped-file/mapped-file-queue.ts';
import type { MappedFile } from '../mapped-file/mapped-file.ts';

/** Borrowed until {@link release}, which must be called exactly once. */
export interface LogView {
  readonly bytes: Buffer;
  release(): void;
}

/** The kernel is asked about this much at a time, and a sequential reader only once in as many bytes. */
const WINDOW_SIZE_BYTES = 1024 * 1024;
/** How long the answer is believed. Pages that were just used are the last that the kernel evicts. */
const WINDOW_BELIEVED_MS = 100;
const WINDOWS_REMEMBERED_MAX = 64;

class PinnedView implements LogView {
  readonly bytes: Buffer;
  #region: MappedRegion | undefined;

  constructor(region: MappedRegion, position: number, sizeBytes: number) {
    region.pin();
    this.#region = region;
    this.bytes = region.buffer.subarray(position, position + sizeBytes);
  }

  release(): void {
    assert(this.#region !== undefined, 'a view is released once');
    this.#region.unpin();
    this.#region = undefined;
  }
}

class OwnedView implements LogView {
  readonly bytes: Buffer;
  #isReleased = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  release(): void {
    assert(!this.#isReleased, 'a view is released once');
    this.#isReleased = true;
  }
}

export class LogReader {
  readonly #files: MappedFileQueue;
  readonly #clock: Clock;
  readonly #hotLogBytes: number;
  /** Window number → monotonic time until which it is taken to be in memory. */
  readonly #residentUntilMs = new Map<number, number>();
  /** The log's end; the owner keeps it current. */
  endOffset: number;
  /** What lies below was not written by this process, so nothing is known about where it is. */
  writtenFromOffset = Number.POSITIVE_INFINITY;

  constructor(options: { files: MappedFileQueue; clock: Clock; hotLogBytes: number }) {
    this.#files = options.files;
    this.#clock = options.clock;
    this.#hotLogBytes = options.hotLogBytes;
    this.endOffset = options.files.endOffset;
  }

  /** See CommitLog.view. */
  view(physicalOffset: number, sizeBytes: number): LogView | Promise<LogView | undefined> | undefined {
    if (!(sizeBytes > 0) || physicalOffset + sizeBytes > this.endOffset) return undefined;
    const file = this.#files.find(physicalOffset);
    if (file === undefined) return undefined;
    const position = physicalOffset - file.startOffset;
    if (position + sizeBytes > file.sizeBytes) return undefined;
    const region = file.region;
    if (region === undefined) return this.#readCold(file, position, sizeBytes);
    if (this.#isHot(physicalOffset) || this.#isResident(file, position, sizeBytes)) {
      this.#files.touch(file);
      return new PinnedView(region, position, sizeBytes);
    }
    return this.#readCold(file, position, sizeBytes);
  }

  #isHot(physicalOffset: number): boolean {
    return physicalOffset >= this.writtenFromOffset && physicalOffset >= this.endOffset - this.#hotLogBytes;
  }

  #isResident(file: MappedFile, position: number, sizeBytes: number): boolean {
    const region = file.region as MappedRegion;
    const nowMs = this.#clock.monotonicMs();
    const first = Math.floor(position / WINDOW_SIZE_BYTES);
    const last = Math.floor((position + sizeBytes - 1) / WINDOW_SIZE_BYTES);
    for (let window = first; window <= last; window++) {
      const windowNumber = Math.floor(file.startOffset / WINDOW_SIZE_BYTES) + window;
      const untilMs = this.#residentUntilMs.get(windowNumber);
      if (untilMs !== undefined && nowMs < untilMs) continue;
      const from = window * WINDOW_SIZE_BYTES;
      if (!region.isResident(from, Math.min(WINDOW_SIZE_BYTES, file.sizeBytes - from))) {
        this.#residentUntilMs.delete(windowNumber);
        return region.isResident(position, sizeBytes);
      }
      if (this.#residentUntilMs.size >= WINDOWS_REMEMBERED_MAX) this.#residentUntilMs.clear();
      this.#residentUntilMs.set(windowNumber, nowMs + WINDOW_BELIEVED_MS);
    }
    return true;
  }

  /** undefined when retention removed the segment, before or while it was being mapped. */
  async #readCold(file: MappedFile, position: number, sizeBytes: number): Promise<LogView | undefined> {
    try {
      return await this.#files.use(file, async (region) => {
        // A reader seldom comes for one record only: let the kernel fetch what follows, so that the next views are borrowed.
        region.advise(position, Math.min(WINDOW_SIZE_BYTES, file.sizeBytes - position), 'willneed');
        return new OwnedView(await region.readAt(position, sizeBytes));
      });
    } catch (error) {
      if (file.isDeleted) return undefined;
      throw error;
    }
  }
}
