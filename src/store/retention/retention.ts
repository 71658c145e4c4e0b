// Deletes what has expired and watches the disk. One timer; each round looks at the numbers, asks the policy, and removes the
// oldest segments first, then the queue units and index files that pointed into them.

import type { Clock, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { CommitLog } from '../commit-log/commit-log.ts';
import type { ConsumeQueueStore } from '../consume-queue/consume-queue-store.ts';
import type { FileSystem } from '../file-system.ts';
import type { IndexService } from '../index/index-service.ts';
import type { WriteGate } from '../write-gate.ts';
import { GuardedClock } from './guarded-clock.ts';
import { decideRetention, type RetentionSettings } from './retention-policy.ts';

/** While writes are refused for lack of space, how often the disk is asked again. */
const SPACE_RETRY_MS = 1_000;

/** What lies above the checkpoint must stay: recovery takes queue offsets from it that no view has on disk yet. */
interface CheckpointBound {
  readonly checkpointedOffset: number;
  checkpointNow(): Promise<void>;
}

export interface RetentionParts {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly commitLog: CommitLog;
  readonly consumeQueues: ConsumeQueueStore;
  readonly index: IndexService | undefined;
  readonly checkpointer: CheckpointBound;
  readonly writeGate: WriteGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: RetentionSettings;
  readonly intervalMs: number;
}

export class Retention {
  readonly #parts: RetentionParts;
  readonly #guardedClock: GuardedClock;
  #timer: Timer | undefined;
  #running: Promise<number> | undefined;
  #stopped = false;
  #isRefusing = false;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    this.#guardedClock = new GuardedClock(parts.clock, (jumpMs) =>
      parts.logger.warn('store.retention.clock-jumped', { jumpMs, effect: 'age is counted by the monotonic clock' }),
    );
  }

  start(): void {
    this.#watchDisk(this.#diskUsedPercent());
    this.#arm();
  }

  #arm(): void {
    if (this.#stopped) return;
    const { writeGate, intervalMs, clock } = this.#parts;
    const delayMs = writeGate.refusal === undefined ? intervalMs : Math.min(intervalMs, SPACE_RETRY_MS);
    this.#timer = clock.schedule(delayMs, () => {
      this.runOnce()
        .catch((error: unknown) => this.#parts.logger.warn('store.retention.failed', { reason: describeError(error) }))
        .finally(() => this.#arm());
    });
  }

  /** One round. Resolves with the number of log segments removed. A second call joins the one under way. */
  runOnce(): Promise<number> {
    this.#running ??= this.#round().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #round(): Promise<number> {
    const { commitLog, clock, settings, logger } = this.#parts;
    const diskUsedPercent = this.#diskUsedPercent();
    const segments = commitLog.segments().slice(0, -1);
    const decision = decideRetention(settings, {
      hour: new Date(clock.nowMs()).getHours(),
      nowMs: this.#guardedClock.nowMs(),
      diskUsedPercent,
      lastWrittenMs: segments.map((segment) => segment.lastModifiedMs),
    });
    const newest = segments[decision.removeCount - 1];
    const bound = newest === undefined ? 0 : await this.#checkpointUpTo(newest.startOffset + newest.sizeBytes);
    let removedCount = 0;
    for (; removedCount < decision.removeCount; removedCount++) {
      const [oldest] = commitLog.segments();
      if (oldest === undefined || oldest.startOffset + oldest.sizeBytes > bound) break;
      await commitLog.deleteOldestSegment();
      logger.info('store.retention.removed', { path: oldest.path, reason: decision.reason, diskUsedPercent });
    }
    if (removedCount > 0) await this.#followLog();
    this.#watchDisk(this.#diskUsedPercent());
    await this.#tryForRoom();
    return removedCount;
  }

  /** Moves the checkpoint when it is below an offset. Resolves with where it is; a full disk may keep it where it was. */
  async #checkpointUpTo(offset: number): Promise<number> {
    const { checkpointer, logger } = this.#parts;
    try {
      if (checkpointer.checkpointedOffset < offset) await checkpointer.checkpointNow();
    } catch (error) {
      logger.warn('store.retention.checkpoint-failed', { reason: describeError(error) });
    }
    return checkpointer.checkpointedOffset;
  }

  /** Queue files and index files that only point below the log's new beginning go too. */
  async #followLog(): Promise<void> {
    const { commitLog, consumeQueues, index } = this.#parts;
    await consumeQueues.deleteExpired(commitLog.minOffset);
    await index?.deleteExpired(commitLog.minOffset);
  }

  #diskUsedPercent(): number {
    const { totalBytes, availableBytes } = this.#parts.fileSystem.spaceOf(this.#parts.directory);
    return totalBytes === 0 ? 0 : ((totalBytes - availableBytes) / totalBytes) * 100;
  }

  #watchDisk(usedPercent: number): void {
    const { settings, writeGate, directory, logger } = this.#parts;
    const refuses = usedPercent > settings.diskWarningPercent;
    writeGate.setDiskRatioProblem(
      refuses
        ? `The disk of ${directory} is ${usedPercent.toFixed(1)} % full, above diskSpaceWarningLevelRatio ` +
            `(${settings.diskWarningPercent} %); free some space or raise that setting.`
        : undefined,
    );
    if (refuses !== this.#isRefusing) {
      if (refuses)
        logger.error('store.disk.writes-refused', { usedPercent, limitPercent: settings.diskWarningPercent });
      else logger.info('store.disk.writes-resumed', { usedPercent });
    }
    this.#isRefusing = refuses;
  }

  /** After a full disk: writes resume by themselves as soon as the next segment can be made. */
  async #tryForRoom(): Promise<void> {
    const { writeGate, commitLog, logger } = this.#parts;
    if (!writeGate.lacksSpace) return;
    try {
      await commitLog.whenRoom();
    } catch (error) {
      writeGate.closeForSpace(error);
      return;
    }
    writeGate.openForSpace();
    logger.info('store.disk.writes-resumed', { path: this.#parts.directory });
  }

  /** No more rounds; waits for the one under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running?.catch(() => undefined);
  }
}
