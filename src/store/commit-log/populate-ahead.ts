// Makes the pages ahead of the writes present, on a thread and only under load, so that the event loop meets no page faults. At
// most one request is in flight, and nothing may be written to its range meanwhile. It is an optimisation: when it fails the log
// works as well, a little slower.

import { describeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { MappedFileQueue } from '../mapped-file/mapped-file-queue.ts';
import type { MappedFile } from '../mapped-file/mapped-file.ts';

/** Bytes between two syncs that count as load. Below, a page fault now and then is cheaper than pages made in vain. */
const LOAD_BYTES = 1024 * 1024;
/** What is prepared and not yet written when the next sync comes is written twice: at most this share of what is written anyway. */
const SHARE_AHEAD = 0.25;
/** Room for writes while a window is being made. */
const LEAD_BYTES = 1024 * 1024;
const WINDOW_BYTES_MIN = 2 * LEAD_BYTES;
/** The kernel makes one folio of each piece that is aligned so. */
const ALIGNMENT_BYTES = 64 * 1024;

const alignUp = (position: number): number => Math.ceil(position / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;

export class PopulateAhead {
  readonly #windowBytesMax: number;
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

  constructor(options: { windowBytes: number; files: MappedFileQueue; logger: Logger }) {
    this.#windowBytesMax = options.windowBytes;
    this.#files = options.files;
    this.#logger = options.logger;
    this.#isOff = options.windowBytes === 0;
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
    this.#populatedTo = isPrepared ? Math.min(this.#windowBytesMax, tail.sizeBytes) : position;
    this.#arm(position + (isPrepared ? 0 : LOAD_BYTES));
  }

  /** A sync went by when the tail was written up to `position`: load is counted anew from there. */
  flushed(position: number): void {
    this.#loadFrom = position;
    if (this.#populatedTo <= position) this.#arm(position + LOAD_BYTES);
  }

  #arm(notBefore: number): void {
    if (this.#isOff || this.#running !== undefined) return;
    this.triggerPosition = Math.max(notBefore, this.#populatedTo - Math.max(LEAD_BYTES, this.#windowBytes / 2));
  }

  /** Starts the next window. */
  start(position: number): void {
    this.triggerPosition = Number.POSITIVE_INFINITY;
    const tail = this.#tail;
    if (tail === undefined || this.#isOff || this.#running !== undefined) return;
    const from = this.#populatedTo > position ? this.#populatedTo : alignUp(position + LEAD_BYTES);
    const shareBytes = (position - this.#loadFrom) * SHARE_AHEAD;
    this.#windowBytes = alignUp(Math.min(this.#windowBytesMax, Math.max(WINDOW_BYTES_MIN, shareBytes)));
    const lengthBytes = Math.min(this.#windowBytes, tail.sizeBytes - from);
    if (lengthBytes > 0) {
      this.#populatedTo = from + lengthBytes;
      this.#run(tail, from, lengthBytes);
      return;
    }
    const next = this.#files.spares[0];
    if (next === undefined || next === this.#preparedFile) return;
    this.#preparedFile = next;
    this.#run(next, 0, Math.min(this.#windowBytesMax, next.sizeBytes));
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
