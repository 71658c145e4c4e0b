// Makes the pages ahead of the writes present, on a thread and only under load, so that the event loop meets no page faults. At
// most one request is in flight. It is an optimisation: when it fails the log works as well, a little slower.

import { describeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { MappedFileQueue } from '../mapped-file/mapped-file-queue.ts';
import type { MappedFile } from '../mapped-file/mapped-file.ts';

/** Bytes between two syncs that count as load. Below, a page fault now and then is cheaper than pages made in vain. */
const LOAD_BYTES = 1024 * 1024;

export class PopulateAhead {
  readonly #windowBytes: number;
  readonly #files: MappedFileQueue;
  readonly #logger: Logger;
  #tail: MappedFile | undefined;
  #populatedTo = 0;
  #running: Promise<void> | undefined;
  /** The file whose beginning is populated although it is not the tail yet. */
  #preparedFile: MappedFile | undefined;
  #isOff: boolean;
  /** When the tail's position is here or beyond, call {@link start}. */
  triggerPosition = Number.POSITIVE_INFINITY;

  constructor(options: { windowBytes: number; files: MappedFileQueue; logger: Logger }) {
    this.#windowBytes = options.windowBytes;
    this.#files = options.files;
    this.#logger = options.logger;
    this.#isOff = options.windowBytes === 0;
  }

  /** Writes go to this file from now on. */
  useTail(tail: MappedFile, position: number): void {
    const isPrepared = this.#preparedFile === tail;
    this.#tail = tail;
    this.#populatedTo = isPrepared ? Math.min(this.#windowBytes, tail.sizeBytes) : position;
    this.#arm(position + (isPrepared ? 0 : LOAD_BYTES));
  }

  /** A sync went by when the tail was written up to `position`: load is counted anew from there. */
  flushed(position: number): void {
    if (this.#populatedTo <= position) this.#arm(position + LOAD_BYTES);
  }

  #arm(notBefore: number): void {
    if (this.#isOff || this.#running !== undefined) return;
    this.triggerPosition = Math.max(notBefore, this.#populatedTo - this.#windowBytes / 2);
  }

  /** Starts the next window. */
  start(position: number): void {
    this.triggerPosition = Number.POSITIVE_INFINITY;
    const tail = this.#tail;
    if (tail === undefined || this.#isOff || this.#running !== undefined) return;
    const from = Math.max(this.#populatedTo, position);
    const lengthBytes = Math.min(this.#windowBytes, tail.sizeBytes - from);
    if (lengthBytes > 0) {
      this.#populatedTo = from + lengthBytes;
      this.#run(tail, from, lengthBytes);
      return;
    }
    const next = this.#files.spares[0];
    if (next === undefined || next === this.#preparedFile) return;
    this.#preparedFile = next;
    this.#run(next, 0, Math.min(this.#windowBytes, next.sizeBytes));
  }

  #run(file: MappedFile, position: number, lengthBytes: number): void {
    const { region } = file;
    if (region === undefined) return;
    this.#running = region
      .populate(position, lengthBytes)
      .catch((error: unknown) => {
        this.#isOff = true;
        this.#logger.warn('store.commit-log.populate-failed', { path: file.path, reason: describeError(error) });
      })
      .then(() => {
        this.#running = undefined;
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
