// One get, step by step: queue units, filters, then views of the log. It runs to its end in one go when everything is in
// memory, and otherwise hands out the promise to wait for before it goes on. It starts no I/O of its own.

import { assert } from '../base/assert.ts';
import type { CommitLog, LogView } from './commit-log/commit-log.ts';
import { propertiesOf } from './commit-log/message-decoder.ts';
import type { ConsumeQueue, UnitBatch } from './consume-queue/consume-queue.ts';
import type { GetMessageRequest, GetMessageResult, GetMessageStatus } from './store-types.ts';

/** maxTransferBytesOnMessageInMemory: what one get returns at most, unless the request says otherwise. */
export const TRANSFER_BYTES_MAX = 256 * 1024;
/** maxTransferCountOnMessageInMemory is the broker's; this is what the store itself allows in one get. */
export const MESSAGE_COUNT_MAX = 1_024;
/** maxFilterMessageSize: units looked at in one get when a filter drops them. */
const SCANNED_UNITS_MAX = 16_000;
const UNITS_PER_READ = 64;

const NO_VIEWS: readonly Buffer[] = Object.freeze([]);
const NO_OFFSETS: readonly number[] = Object.freeze([]);
const nothing = (): void => {};

/** A result without messages. */
export function emptyResult(
  status: GetMessageStatus,
  offsets: { nextBeginOffset: number; minOffset: number; maxOffset: number },
): GetMessageResult {
  return {
    status,
    views: NO_VIEWS,
    sizeBytes: 0,
    messageCount: 0,
    queueOffsets: NO_OFFSETS,
    nextBeginOffset: offsets.nextBeginOffset,
    minOffset: offsets.minOffset,
    maxOffset: offsets.maxOffset,
    release: nothing,
  };
}

/** A run of records that lie back to back in one segment, or one record when properties have to be looked at. */
interface Run {
  physicalOffset: number;
  sizeBytes: number;
}

export class GetMessages {
  readonly #commitLog: CommitLog;
  readonly #queue: ConsumeQueue;
  readonly #request: GetMessageRequest;
  readonly #readableLimit: number;
  readonly #maxOffset: number;
  readonly #countMax: number;
  readonly #bytesMax: number;

  #scanOffset: number;
  #scannedUnits = 0;
  #scanDone = false;
  #removedCount = 0;
  readonly #runs: Run[] = [];
  readonly #queueOffsets: number[] = [];
  #sizeBytes = 0;
  #nextRun = 0;
  readonly #views: LogView[] = [];
  #lost = false;

  constructor(options: {
    commitLog: CommitLog;
    queue: ConsumeQueue;
    request: GetMessageRequest;
    readableLimit: number;
    maxOffset: number;
  }) {
    this.#commitLog = options.commitLog;
    this.#queue = options.queue;
    this.#request = options.request;
    this.#readableLimit = options.readableLimit;
    this.#maxOffset = options.maxOffset;
    this.#countMax = Math.max(1, Math.min(options.request.messageCountMax, MESSAGE_COUNT_MAX));
    this.#bytesMax = options.request.bytesMax ?? TRANSFER_BYTES_MAX;
    this.#scanOffset = options.request.queueOffset;
  }

  /** The result at once when nothing has to be read from disk. On failure everything borrowed is given back first. */
  run(): GetMessageResult | Promise<GetMessageResult> {
    try {
      const waiting = this.#advance();
      return waiting === undefined ? this.#result() : this.#runSlowly(waiting);
    } catch (error) {
      this.#releaseViews();
      throw error;
    }
  }

  async #runSlowly(first: Promise<void>): Promise<GetMessageResult> {
    try {
      for (let waiting: Promise<void> | undefined = first; waiting !== undefined; waiting = this.#advance())
        await waiting;
      return this.#result();
    } catch (error) {
      this.#releaseViews();
      throw error;
    }
  }

  /** Goes on until the end (undefined) or until something has to be waited for. */
  #advance(): Promise<void> | undefined {
    while (!this.#scanDone) {
      const batch = this.#queue.read(this.#scanOffset, this.#unitsWanted(), this.#readableLimit);
      if (batch instanceof Promise) return batch.then((units) => this.#take(units));
      const waiting = this.#take(batch);
      if (waiting !== undefined) return waiting;
    }
    while (this.#nextRun < this.#runs.length) {
      const run = this.#runs[this.#nextRun++] as Run;
      const view = this.#commitLog.view(run.physicalOffset, run.sizeBytes);
      if (view instanceof Promise) return view.then((late) => this.#keep(late));
      this.#keep(view);
    }
    return undefined;
  }

  #unitsWanted(): number {
    const missing = this.#countMax - this.#queueOffsets.length;
    return this.#request.filter === undefined ? Math.min(missing, UNITS_PER_READ) : UNITS_PER_READ;
  }

  /** Decides about each unit. Only a property filter may have to wait, and then the rest of the batch is read again later. */
  #take(units: UnitBatch): Promise<void> | undefined {
    if (units.count === 0) this.#scanDone = true;
    for (let index = 0; index < units.count && !this.#scanDone; index++) {
      const physicalOffset = units.physicalOffsets[index] as number;
      const sizeBytes = units.sizes[index] as number;
      if (physicalOffset < this.#commitLog.minOffset) {
        this.#removedCount++;
        this.#step();
        continue;
      }
      const filter = this.#request.filter;
      if (filter?.matchesTagsCode !== undefined && !filter.matchesTagsCode(units.tagsCodes[index] as number)) {
        this.#step();
        continue;
      }
      if (filter?.matchesProperties !== undefined) {
        const view = this.#commitLog.view(physicalOffset, sizeBytes);
        if (view instanceof Promise) return view.then((late) => this.#judge(late, physicalOffset, sizeBytes));
        this.#judge(view, physicalOffset, sizeBytes);
      } else {
        this.#accept(physicalOffset, sizeBytes);
      }
    }
    return undefined;
  }

  #judge(view: LogView | undefined, physicalOffset: number, sizeBytes: number): void {
    if (view === undefined) {
      this.#removedCount++;
      this.#step();
      return;
    }
    const matches = this.#request.filter?.matchesProperties?.(propertiesOf(view.bytes)) ?? true;
    view.release();
    if (matches) this.#accept(physicalOffset, sizeBytes);
    else this.#step();
  }

  #step(): void {
    this.#scanOffset++;
    this.#scannedUnits++;
    if (this.#scannedUnits >= SCANNED_UNITS_MAX) this.#scanDone = true;
  }

  #accept(physicalOffset: number, sizeBytes: number): void {
    const isFirst = this.#queueOffsets.length === 0;
    if (!isFirst && this.#sizeBytes + sizeBytes > this.#bytesMax) {
      this.#scanDone = true;
      return;
    }
    this.#queueOffsets.push(this.#scanOffset);
    this.#sizeBytes += sizeBytes;
    const last = this.#runs.at(-1);
    if (
      last !== undefined &&
      last.physicalOffset + last.sizeBytes === physicalOffset &&
      this.#commitLog.isSameSegment(last.physicalOffset, physicalOffset)
    ) {
      last.sizeBytes += sizeBytes;
    } else {
      this.#runs.push({ physicalOffset, sizeBytes });
    }
    this.#step();
    if (this.#queueOffsets.length >= this.#countMax) this.#scanDone = true;
  }

  #keep(view: LogView | undefined): void {
    if (view === undefined) this.#lost = true;
    else this.#views.push(view);
  }

  #result(): GetMessageResult {
    const offsets = {
      nextBeginOffset: this.#scanOffset,
      minOffset: this.#queue.minOffset,
      maxOffset: this.#maxOffset,
    };
    if (this.#lost) {
      // Retention removed a segment between the queue unit and the view: the reader starts again at the new minimum.
      this.#releaseViews();
      return emptyResult('MESSAGE_WAS_REMOVING', { ...offsets, nextBeginOffset: this.#request.queueOffset });
    }
    if (this.#views.length === 0) {
      const removing = this.#removedCount > 0 && this.#removedCount === this.#scannedUnits;
      return emptyResult(removing ? 'MESSAGE_WAS_REMOVING' : 'NO_MATCHED_MESSAGE', offsets);
    }
    return {
      status: 'FOUND',
      views: this.#views.map((view) => view.bytes),
      sizeBytes: this.#sizeBytes,
      messageCount: this.#queueOffsets.length,
      queueOffsets: this.#queueOffsets,
      ...offsets,
      release: () => this.#releaseViews(),
    };
  }

  #releaseViews(): void {
    for (const view of this.#views.splice(0)) view.release();
    assert(this.#views.length === 0, 'views are left after a release');
  }
}
