// Makes the log durable, and is the only one that says so: the flushed offset moves after a sync that succeeded and never
// otherwise. ASYNC_FLUSH: a sync each interval while there is something new. SYNC_FLUSH: one sync covers everything that arrived
// while the one before was running, and what GroupGathering finds worth waiting for. The first failure is final: the kernel may have
// dropped the pages, and a second sync would report success for data that is lost (Java: CommitLog.GroupCommitService,
// FlushRealTimeService).

import { assert } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { FlushDiskType } from '../store-config.ts';
import { StoreError } from '../store-errors.ts';
import type { CommitLog } from './commit-log.ts';
import { GATHER_MS, GroupGathering } from './group-gathering.ts';

/** Remembers the flushed offset across a crash; a DurableOffset. */
export interface FlushedOffsetRecord {
  write(offset: number, clean: boolean): void;
}

export interface LogFlushOptions {
  readonly commitLog: CommitLog;
  readonly durableOffset: FlushedOffsetRecord;
  readonly clock: Clock;
  readonly flushDiskType: FlushDiskType;
  readonly flushIntervalMs: number;
  readonly syncFlushTimeoutMs: number;
  /** After each sync that succeeded, before the waiters learn it. */
  readonly onFlushed: (flushedOffset: number) => void;
  /** Once, at the first failure. */
  readonly onFailed: (error: StoreError) => void;
}

export type FlushOutcome = 'flushed' | 'timeout';

/** Everyone who began to wait in one turn of the event loop: one promise, one deadline. */
interface WaitingGroup {
  endOffset: number;
  count: number;
  readonly deadlineMs: number;
  readonly promise: Promise<FlushOutcome>;
  readonly resolve: (outcome: FlushOutcome) => void;
  readonly reject: (error: StoreError) => void;
}

export class LogFlush {
  readonly #options: LogFlushOptions;
  /** In the order of their deadlines and, because a log only grows, of their offsets. */
  readonly #groups: WaitingGroup[] = [];
  /** Takes those who come in this turn of the loop. */
  #open: WaitingGroup | undefined;
  /** Waiters of all groups. */
  #waitingCount = 0;
  readonly #gathering = new GroupGathering();
  #gatherTimer: Timer | undefined;
  #syncing: Promise<void> | undefined;
  #intervalTimer: Timer | undefined;
  #timeoutTimer: Timer | undefined;
  #failure: StoreError | undefined;
  #isStopped = false;

  constructor(options: LogFlushOptions) {
    this.#options = options;
  }

  /** Why nothing is flushed any more; undefined while all is well. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Something was appended and nobody waits for it: it will be durable within the flush interval. Costs one comparison. */
  wakeUp(): void {
    if (this.#intervalTimer === undefined) this.#startInterval();
  }

  #startInterval(): void {
    if (this.#isStopped || this.#failure !== undefined) return;
    const { clock, flushIntervalMs, commitLog } = this.#options;
    this.#intervalTimer = clock.schedule(flushIntervalMs, () => {
      this.#sync().then(
        () => {
          this.#intervalTimer = undefined;
          if (commitLog.endOffset > commitLog.flushedOffset) this.#startInterval();
        },
        () => {
          // The failure is kept and was told to onFailed; there is no next round.
        },
      );
    });
  }

  /**
   * Resolves with 'flushed' when every byte below `endOffset` is on disk, with 'timeout' when that takes longer than
   * `syncFlushTimeoutMs` (it may still happen). Rejects with StoreError 'ERR_STORE_FENCED' when a sync failed.
   */
  whenFlushed(endOffset: number): Promise<FlushOutcome> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (endOffset <= this.#options.commitLog.flushedOffset) return Promise.resolve('flushed');
    assert(endOffset <= this.#options.commitLog.endOffset, 'one waits only for what was appended');
    if (this.#isStopped)
      return Promise.reject(new StoreError('ERR_STORE_CLOSED', 'The log is closed; open the store again.'));
    const group = this.#open ?? this.#openGroup();
    if (endOffset > group.endOffset) group.endOffset = endOffset;
    group.count++;
    this.#waitingCount++;
    return group.promise;
  }

  #openGroup(): WaitingGroup {
    const { clock, syncFlushTimeoutMs } = this.#options;
    let resolve: (outcome: FlushOutcome) => void = () => undefined;
    let reject: (error: StoreError) => void = () => undefined;
    const promise = new Promise<FlushOutcome>((onResolved, onRejected) => {
      resolve = onResolved;
      reject = onRejected;
    });
    const deadlineMs = clock.monotonicMs() + syncFlushTimeoutMs;
    const group = { endOffset: 0, count: 0, deadlineMs, promise, resolve, reject };
    this.#groups.push(group);
    this.#open = group;
    clock.defer(() => this.#closeGroup());
    if (this.#timeoutTimer === undefined) this.#watchDeadlines(syncFlushTimeoutMs);
    return group;
  }

  /** The turn is over: sync for those who came in it, or leave them to the sync that follows the one under way. */
  #closeGroup(): void {
    this.#open = undefined;
    if (this.#syncing === undefined) this.#syncWhenGathered();
  }

  #syncWhenGathered(): void {
    if (this.#groups.length === 0 || this.#failure !== undefined) return;
    if (this.#gathering.isComplete(this.#waitingCount)) {
      this.#syncForGroups();
      return;
    }
    if (this.#gatherTimer !== undefined) return;
    const onMissed = (): void => {
      this.#gatherTimer = undefined;
      this.#gathering.missed();
      if (this.#syncing === undefined && this.#groups.length > 0) this.#syncForGroups();
    };
    // Puts wait for it, maybe all that the process still waits for.
    this.#gatherTimer = this.#options.clock.schedule(GATHER_MS, onMissed, true);
  }

  #syncForGroups(): void {
    this.#sync().catch(() => {
      // Every waiter was rejected and onFailed was called; nobody else is to be told.
    });
  }

  /** One timer for all: it looks at the oldest deadline, and again when that has passed. */
  #watchDeadlines(delayMs: number): void {
    this.#timeoutTimer = this.#options.clock.schedule(delayMs, () => {
      this.#timeoutTimer = undefined;
      const nowMs = this.#options.clock.monotonicMs();
      let expired = 0;
      while (expired < this.#groups.length && (this.#groups[expired] as WaitingGroup).deadlineMs <= nowMs) expired++;
      for (const group of this.#takeGroups(expired)) group.resolve('timeout');
      const next = this.#groups[0];
      if (next !== undefined) this.#watchDeadlines(Math.max(1, next.deadlineMs - nowMs));
    });
  }

  /** Resolves when everything appended before the call is on disk. Rejects with StoreError 'ERR_STORE_FENCED'. */
  async flushNow(): Promise<void> {
    const { commitLog } = this.#options;
    const endOffset = commitLog.endOffset;
    while (commitLog.flushedOffset < endOffset || this.#failure !== undefined) await this.#sync();
  }

  /** One sync of all that is new, or the one under way. */
  #sync(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#gatherTimer?.cancel();
    this.#gatherTimer = undefined;
    this.#syncing ??= this.#syncOnce().finally(() => {
      this.#syncing = undefined;
      if (this.#open === undefined || this.#groups.length > 1) this.#syncWhenGathered();
    });
    return this.#syncing;
  }

  /** The oldest groups, which wait no longer. */
  #takeGroups(count: number): WaitingGroup[] {
    const taken = this.#groups.splice(0, count);
    for (const group of taken) this.#waitingCount -= group.count;
    return taken;
  }

  async #syncOnce(): Promise<void> {
    const { commitLog, durableOffset, onFlushed } = this.#options;
    const endOffset = commitLog.endOffset;
    if (endOffset === commitLog.flushedOffset) return;
    try {
      await this.#syncSegments(commitLog.flushedOffset, endOffset);
    } catch (error) {
      throw this.#fence(error);
    }
    commitLog.markFlushed(endOffset);
    durableOffset.write(endOffset, false);
    onFlushed(endOffset);
    let covered = 0;
    while (covered < this.#groups.length && (this.#groups[covered] as WaitingGroup).endOffset <= endOffset) covered++;
    const groups = this.#takeGroups(covered);
    const coveredCount = groups.reduce((sum, { count }) => sum + count, 0);
    if (coveredCount > 0) this.#gathering.synced(coveredCount, this.#waitingCount);
    for (const group of groups) {
      if (group === this.#open) this.#open = undefined;
      group.resolve('flushed');
    }
  }

  /** Oldest first: what is durable is always a beginning of the log. */
  async #syncSegments(from: number, to: number): Promise<void> {
    const { files } = this.#options.commitLog;
    for (let offset = from; offset < to;) {
      const file = files.find(offset);
      assert(file?.region !== undefined, 'a segment with unsynced bytes is mapped');
      const { region } = file;
      const position = offset - file.startOffset;
      const lengthBytes = Math.min(to, file.endOffset) - offset;
      region.pin();
      try {
        await region.sync(position, lengthBytes);
      } finally {
        region.unpin();
      }
      offset += lengthBytes;
    }
  }

  #fence(cause: unknown): StoreError {
    const { commitLog, onFailed } = this.#options;
    const failure = new StoreError(
      'ERR_STORE_FENCED',
      `a sync of the log failed, nothing after offset ${commitLog.flushedOffset} is known to be on disk ` +
        `(${describeError(cause)}); check the disk, then start again`,
      { flushedOffset: commitLog.flushedOffset, endOffset: commitLog.endOffset },
      { cause },
    );
    this.#failure = failure;
    this.#intervalTimer?.cancel();
    this.#timeoutTimer?.cancel();
    this.#gatherTimer?.cancel();
    this.#open = undefined;
    const waiting = this.#takeGroups(this.#groups.length);
    onFailed(failure);
    for (const group of waiting) group.reject(failure);
    return failure;
  }

  /** The last flush; afterwards nothing is flushed any more. After a failure it only stops the timers. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#intervalTimer?.cancel();
    try {
      if (this.#failure === undefined) await this.flushNow();
    } finally {
      this.#timeoutTimer?.cancel();
    }
  }
}
