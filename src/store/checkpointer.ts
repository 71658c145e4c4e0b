// Moves the point from which recovery starts: everything below it, in the log and in every view, is on disk. The order of the
// steps is the promise, so this is the only place that writes the checkpoint while the store runs.

import type { Clock, Timer } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { DurableOffset } from './checkpoint/durable-offset.ts';
import type { QueueCount } from './checkpoint/queue-count.ts';
import type { StoreCheckpoint } from './checkpoint/store-checkpoint.ts';
import type { CommitLog } from './commit-log/commit-log.ts';
import type { LogFlush } from './commit-log/log-flush.ts';
import type { ConsumeQueueStore } from './consume-queue/consume-queue-store.ts';
import type { FileSystem } from './file-system.ts';
import type { IndexService } from './index/index-service.ts';

/** While units wait in memory for the disk, they are written out once this share of their bound is reached. */
const WRITE_OUT_SHARE = 0.5;
const RETRY_DELAY_MS = 1_000;

export interface CheckpointerParts {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly commitLog: CommitLog;
  readonly logFlush: LogFlush;
  readonly consumeQueues: ConsumeQueueStore;
  readonly index: IndexService | undefined;
  readonly checkpoint: StoreCheckpoint;
  readonly durableOffset: DurableOffset;
  readonly queueCount: QueueCount;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  readonly pendingBytesMax: number;
  /** Queue units could not be written (a full disk), or could again (undefined). */
  readonly onWriteOutProblem: (problem: Error | undefined) => void;
  /** A sync failed: what the kernel dropped is unknown, so the store must stop. */
  readonly onFatal: (error: Error) => void;
}

export class Checkpointer {
  readonly #parts: CheckpointerParts;
  #timer: Timer | undefined;
  #retryTimer: Timer | undefined;
  #running: Promise<void> | undefined;
  #isWritingOut = false;
  #checkpointedOffset: number;
  #lastStoreTimestampMs = 0;
  #stopped = false;
  /** A sync failed: a later one would succeed without the pages that the kernel dropped. */
  #failure: Error | undefined;

  constructor(parts: CheckpointerParts) {
    this.#parts = parts;
    this.#checkpointedOffset = parts.commitLog.endOffset;
  }

  /** Everything below is on disk, in the log and in every view. */
  get checkpointedOffset(): number {
    return this.#checkpointedOffset;
  }

  /** Called after each append; costs two comparisons unless something has to start. */
  appended(storeTimestampMs: number): void {
    this.#lastStoreTimestampMs = storeTimestampMs;
    if (this.#timer === undefined) this.#arm();
    const { consumeQueues, pendingBytesMax } = this.#parts;
    if (!this.#isWritingOut && consumeQueues.pendingBytes > pendingBytesMax * WRITE_OUT_SHARE) this.#writeOutEarly();
  }

  #arm(delayMs = this.#parts.intervalMs): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.checkpointNow().then(
        () => {
          if (this.#parts.commitLog.endOffset > this.#checkpointedOffset) this.#arm();
        },
        (error: unknown) => {
          this.#parts.logger.warn('store.checkpoint.postponed', { reason: describeError(error) });
          // A full disk: writes are refused until this succeeds, so it is tried again soon.
          if (this.#failure === undefined) this.#arm(Math.min(RETRY_DELAY_MS, this.#parts.intervalMs));
        },
      );
    });
  }

  #writeOutEarly(): void {
    this.#isWritingOut = true;
    this.#writeOut().then(
      () => (this.#isWritingOut = false),
      (error: unknown) => {
        this.#parts.logger.warn('store.consume-queue.write-out-failed', { reason: describeError(error) });
        // Writes are refused meanwhile, so no append will ask for it.
        if (!this.#stopped) this.#retryTimer = this.#parts.clock.schedule(RETRY_DELAY_MS, () => this.#writeOutEarly());
      },
    );
  }

  async #writeOut(): Promise<void> {
    const { consumeQueues, onWriteOutProblem } = this.#parts;
    try {
      await consumeQueues.writeOut();
      onWriteOutProblem(undefined);
    } catch (error) {
      onWriteOutProblem(error as Error);
      throw error;
    }
  }

  /** Resolves when the checkpoint names the log's end as it was at the call. A second call joins the one under way. */
  checkpointNow(): Promise<void> {
    this.#running ??= this.#checkpoint().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #checkpoint(): Promise<void> {
    const { commitLog, logFlush, index, checkpoint, durableOffset, fileSystem, directory } = this.#parts;
    if (this.#failure !== undefined) throw this.#failure;
    const offset = commitLog.endOffset;
    const { queueCount } = this.#parts.consumeQueues;
    const storeTimestampMs = this.#lastStoreTimestampMs;
    await logFlush.flushNow();
    await this.#writeOut();
    await index?.flushPending();
    const indexFullUntilMs = index?.fullUntilMs;
    try {
      await fileSystem.syncAll(directory);
      if (storeTimestampMs > 0) {
        checkpoint.physicMsgTimestamp = storeTimestampMs;
        checkpoint.logicsMsgTimestamp = storeTimestampMs;
      }
      if (indexFullUntilMs !== undefined) checkpoint.indexMsgTimestamp = indexFullUntilMs;
      checkpoint.logicsPhysicalOffset = offset;
      await checkpoint.flush();
      await durableOffset.sync();
    } catch (error) {
      this.#failure = error as Error;
      this.#parts.onFatal(error as Error);
      throw error;
    }
    this.#checkpointedOffset = offset;
    // A small file that is replaced: on a full disk the one before stays.
    await this.#parts.queueCount.record(queueCount);
  }

  /** No more checkpoints; waits for the one under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#retryTimer?.cancel();
    await this.#running?.catch(() => undefined);
  }
}
