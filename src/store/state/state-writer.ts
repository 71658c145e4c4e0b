// Brings changed rows of the state tables into the key-value store, behind the tables' back: a change marks its row, and a
// round commits every marked row, at most `commitIntervalMs` later, in slices. A row that changes a thousand times between
// two rounds is written once. One round at a time, so that rows reach the store in the order in which they were marked.

import { assert } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { StoreError } from '../store-errors.ts';
import type { KeyValueChange, KeyValueStore } from './key-value-store.ts';
import { nextTurn, Slice } from './slices.ts';

/** Something that has one key. */
export interface StateRow {
  readonly key: string;
  /** Owned by the writer: true while the row waits for its round. */
  isMarked: boolean;
  /** What to store now; undefined removes the key. */
  encode(): Buffer | undefined;
}

/** @param isFinal false when the rows stay in memory and are tried again; true when the writer has given up for good. */
export type StateFailureListener = (error: StoreError, isFinal: boolean) => void;

export interface StateWriterOptions {
  readonly keyValues: KeyValueStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a change may stay in memory only. */
  readonly commitIntervalMs: number;
  readonly onFailed: StateFailureListener;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

const ROWS_PER_SLICE = 512;
/** How long to wait for room before the next try. */
const RETRY_DELAY_MS = 1_000;

export class StateWriter {
  readonly #options: StateWriterOptions;
  #marked: StateRow[] = [];
  /** Monotonic time of the oldest mark. */
  #markedSinceMs = 0;
  #waiters: Waiter[] = [];
  #timer: Timer | undefined;
  #isRoundQueued = false;
  #isRoundRunning = false;
  #isWaitingForRoom = false;
  #failure: StoreError | undefined;
  #isStopped = false;

  constructor(options: StateWriterOptions) {
    this.#options = options;
  }

  /** Why nothing is written any more, or undefined. */
  get failure(): StoreError | undefined {
    return this.#failure;
  }

  /** The row will be durable within the commit interval (plus the time of a sync). Throws 'ERR_STORE_CLOSED' after {@link stop}. */
  mark(row: StateRow): void {
    if (row.isMarked) return;
    if (this.#isStopped) throw closed();
    row.isMarked = true;
    if (this.#marked.length === 0) this.#markedSinceMs = this.#options.clock.monotonicMs();
    this.#marked.push(row);
    if (this.#timer === undefined && !this.#isRoundQueued) this.#scheduleRound(this.#options.commitIntervalMs);
  }

  /** As {@link mark}, at the end of this turn. */
  markUrgent(row: StateRow): void {
    this.mark(row);
    this.#hurry();
  }

  /**
   * Resolves when everything marked before this call is durable. Rejects with the StoreError of the first try that failed; rows
   * that found no room are tried again nevertheless. A caller that does not care may drop the promise: failures are
   * reported to `onFailed` too.
   */
  whenDurable(): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      else if (this.#marked.length === 0 && !this.#isRoundRunning) resolve();
      else this.#waiters.push({ resolve, reject });
    });
    promise.catch(() => undefined); // reported to onFailed; a dropped promise must not end the process
    this.#hurry();
    return promise;
  }

  /** No round begins after this. Rows that are still marked are not written: await {@link whenDurable} first. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isStopped = true;
    this.#failure ??= closed();
  }

  #hurry(): void {
    if (this.#isRoundQueued || this.#isWaitingForRoom || this.#failure !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isRoundQueued = true;
    this.#options.clock.defer(() => this.#startRound());
  }

  #scheduleRound(delayMs: number): void {
    if (this.#failure !== undefined) return;
    this.#timer = this.#options.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#isWaitingForRoom = false;
      this.#startRound();
    });
  }

  #startRound(): void {
    this.#isRoundQueued = false;
    if (this.#isRoundRunning || this.#failure !== undefined) return; // a running round looks for work at its end
    this.#isRoundRunning = true;
    void this.#round();
  }

  async #round(): Promise<void> {
    const rows = this.#marked;
    const waiters = this.#waiters;
    this.#marked = [];
    this.#waiters = [];
    const error = await this.#commit(rows);
    this.#isRoundRunning = false;
    if (error === undefined) this.#succeed(waiters);
    else this.#fail(error, rows, waiters);
  }

  /** Commits slice after slice without waiting in between: the provider syncs once for what came meanwhile. */
  async #commit(rows: readonly StateRow[]): Promise<StoreError | undefined> {
    const { keyValues, clock } = this.#options;
    const commits: Promise<StoreError | undefined>[] = [];
    const slice = new Slice(clock, ROWS_PER_SLICE);
    let changes: KeyValueChange[] = [];
    for (const [index, row] of rows.entries()) {
      row.isMarked = false;
      changes.push({ key: row.key, value: row.encode() });
      const isLast = index === rows.length - 1;
      if (!slice.isOverAfterStep() && !isLast) continue;
      commits.push(keyValues.commit(changes).then(() => undefined, asStoreError));
      changes = [];
      if (!isLast) await nextTurn(clock);
      slice.restart();
    }
    const errors = (await Promise.all(commits)).filter((error) => error !== undefined);
    return errors.find((error) => error.code !== 'ERR_STORE_NO_SPACE') ?? errors[0];
  }

  #succeed(waiters: readonly Waiter[]): void {
    for (const waiter of waiters) waiter.resolve();
    if (this.#waiters.length > 0) this.#hurry();
    else if (this.#marked.length > 0 && this.#timer === undefined) {
      // What was marked while the round ran has waited already: a slow disk must not add a whole interval.
      const waitedMs = this.#options.clock.monotonicMs() - this.#markedSinceMs;
      this.#scheduleRound(Math.max(0, this.#options.commitIntervalMs - waitedMs));
    }
  }

  #fail(error: StoreError, rows: readonly StateRow[], waiters: readonly Waiter[]): void {
    const isFinal = error.code !== 'ERR_STORE_NO_SPACE';
    // All rows of the round go back, also those whose slice got through, and before the newer ones: a removal must not
    // overtake the row that came after it.
    const returned = rows.filter((row) => !row.isMarked);
    for (const row of returned) row.isMarked = true;
    this.#marked = [...returned, ...this.#marked];
    const rejected = [...waiters, ...this.#waiters];
    this.#waiters = [];
    this.#timer?.cancel();
    this.#timer = undefined;
    if (isFinal) this.#failure ??= error;
    else {
      this.#isWaitingForRoom = true;
      this.#scheduleRound(RETRY_DELAY_MS);
    }
    this.#options.logger.error(isFinal ? 'store.state.fenced' : 'store.state.commit-refused', {
      reason: error.message,
      rowCount: this.#marked.length,
      retryDelayMs: isFinal ? undefined : RETRY_DELAY_MS,
    });
    for (const waiter of rejected) waiter.reject(error);
    this.#options.onFailed(error, isFinal);
    assert(!this.#isRoundRunning, 'a failed round of the state writer is over');
  }
}

function closed(): StoreError {
  return new StoreError('ERR_STORE_CLOSED', 'The state tables are closed; open the store again.');
}

function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  return new StoreError(
    'ERR_STORE_FENCED',
    `The state tables could not be written (${describeError(error)}); restart the store after checking the disk.`,
    {},
    { cause: error },
  );
}
