// Makes the pages ahead of the writes present, on a thread and only under load, so that the event loop meets no page faults. At
// most one request is in flight, and nothing may be written to its range meanwhile. It is an optimisation: when it fails the log
// works as well, a little slower.

import { describeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { MappedFileQueue } from '../mapped-file/mapped-file-queue.ts';
import type { MappedFile } from '../mapped-file/mapped-file.ts';

/** How far ahead, and when. */
export interface PopulatePolicy {
  /** Bytes between two syncs that count as load. Below, a page fault now and then is cheaper than pages made in vain. */
  readonly loadBytes: number;
  /** Room for writes while a window is being made. */
  readonly leadBytes: number;
  readonly windowBytesMin: number;
  /** 0: nothing is done ahead. */
  readonly windowBytesMax: number;
  /** A window is so many times as large as what was written since the last sync, within the bounds. */
  readonly windowShare: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** What is prepared and not yet written when a sync comes is written twice: little of it, because syncs are rare and far apart. */
export const ASYNC_FLUSH_POLICY: PopulatePolicy = {
  loadBytes: MIB,
  leadBytes: MIB,
  windowBytesMin: 2 * MIB,
  windowBytesMax: 8 * MIB,
  windowShare: 0.25,
};

/**
 * Always, for the next dozen groups: everything is written twice, but a sync of blocks that were written before has nothing to
 * tell the file system's journal, which spares it two of its four requests to the disk.
 */
export const SYNC_FLUSH_POLICY: PopulatePolicy = {
  loadBytes: 0,
  leadBytes: 64 * KIB,
  windowBytesMin: 256 * KIB,
  windowBytesMax: 4 * MIB,
  windowShare: 16,
};

/** The kernel makes one folio of each piece that is aligned so. */
const ALIGNMENT_BYTES = 64 * KIB;

const alignUp = (position: number): number => Math.ceil(position / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;

export class PopulateAhead {
  readonly #policy: PopulatePolicy;
  readonly #files: MappedFileQueue;
  readonly #logger: Logger;
  #tail: MappedFile | undefined;
  #populatedTo = 0;
  /** Of the newest window. */
  #windowBytes = 0;
  /** Position of the tail at the last sync, or where it began. */
  #loadFrom = 0;
  #running: Promise<void> | undefined;
  /** The file whose beginning is populated although it is not the tail yet. */
  #preparedFile: MappedFile | undefined;
  #isOff: boolean;
  /** When the tail's position is here or beyond, call {@link start}. */
  triggerPosition = Number.POSITIVE_INFINITY;
  /** While a window is being made: where it begins in the tail. No byte from here on may be written before {@link whenIdle}. */
  busyFromPosition = Number.POSITIVE_INFINITY;

  constructor(options: { policy: PopulatePolicy; files: MappedFileQueue; logger: Logger }) {
    this.#policy = options.policy;
    this.#files = options.files;
    this.#logger = options.logger;
    this.#isOff = options.policy.windowBytesMax === 0;
  }

  /** True while a window is being made; the tail must not change then. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Writes go to this file from now on. */
  useTail(tail: MappedFile, position: number): void {
    const isPrepared = this.#preparedFile === tail;
    this.#tail = tail;
    this.#loadFrom = position;
    this.#populatedTo = isPrepared ? Math.min(this.#policy.windowBytesMax, tail.sizeBytes) : position;
    this.#arm(position + (isPrepared ? 0 : this.#policy.loadBytes));
  }

  /** A sync went by when the tail was written up to `position`: load is counted anew from there. */
  flushed(position: number): void {
    this.#loadFrom = position;
    if (this.#populatedTo <= position) this.#arm(position + this.#policy.loadBytes);
  }

  #arm(notBefore: number): void {
    if (this.#isOff || this.#running !== undefined) return;
    this.triggerPosition = Math.max(
      notBefore,
      this.#populatedTo - Math.max(this.#policy.leadBytes, this.#windowBytes / 2),
    );
  }

  /** Starts the next window. */
  start(position: number): void {
    this.triggerPosition = Number.POSITIVE_INFINITY;
    const tail = this.#tail;
    if (tail === undefined || this.#isOff || this.#running !== undefined) return;
    const from = this.#populatedTo > position ? this.#populatedTo : alignUp(position + this.#policy.leadBytes);
    const shareBytes = (position - this.#loadFrom) * this.#policy.windowShare;
    this.#windowBytes = alignUp(
      Math.min(this.#policy.windowBytesMax, Math.max(this.#policy.windowBytesMin, shareBytes)),
    );
    const lengthBytes = Math.min(this.#windowBytes, tail.sizeBytes - from);
    if (lengthBytes > 0) {
      this.#populatedTo = from + lengthBytes;
      this.#run(tail, from, lengthBytes);
      return;
    }
    const next = this.#files.spares[0];
    if (next === undefined || next === this.#preparedFile) return;
    this.#preparedFile = next;
    this.#run(next, 0, Math.min(this.#policy.windowBytesMax, next.sizeBytes));
  }

  #run(file: MappedFile, position: number, lengthBytes: number): void {
    const { region } = file;
    if (region === undefined) return;
    if (file === this.#tail) this.busyFromPosition = position;
    this.#running = region
      .prepare(position, lengthBytes)
      .catch((error: unknown) => {
        this.#isOff = true;
        this.#logger.warn('store.commit-log.populate-failed', { path: file.path, reason: describeError(error) });
      })
      .then(() => {
        this.#running = undefined;
        this.busyFromPosition = Number.POSITIVE_INFINITY;
        if (this.#tail !== undefined) this.#arm(0);
      });
  }

  stop(): void {
    this.#isOff = true;
    this.triggerPosition = Number.POSITIVE_INFINITY;
  }

  async whenIdle(): Promise<void> {
    await this.#running;
  }
}
