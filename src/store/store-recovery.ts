// Brings an opened directory to one consistent end: the log first (its rooms decide where it ends), then every view up to there.
// Everything is decided before anything is changed; killed and repeated, it ends the same.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { hasQueueEntry } from '../model/sys-flag.ts';
import { createAbortFile } from './checkpoint/abort-file.ts';
import type { DurableOffset } from './checkpoint/durable-offset.ts';
import type { QueueCount } from './checkpoint/queue-count.ts';
import type { StoreCheckpoint } from './checkpoint/store-checkpoint.ts';
import type { CommitLog } from './commit-log/commit-log.ts';
import { cutLog, dispatchLog, findLogEnd, readOpenFacts } from './commit-log/commit-log-recovery.ts';
import { decideOpen, type OpenDecision } from './commit-log/open-decision.ts';
import type { ConsumeQueue } from './consume-queue/consume-queue.ts';
import type { ConsumeQueueStore } from './consume-queue/consume-queue-store.ts';
import type { DispatchRequest } from './dispatch/dispatch-request.ts';
import type { TagsCodes } from './dispatch/tags-code.ts';
import type { FileSystem } from './file-system.ts';
import type { IndexService } from './index/index-service.ts';
import type { DeletedBelow } from './state/topic-deletion-table.ts';

export interface RecoveryParts {
  readonly fileSystem: FileSystem;
  readonly root: string;
  readonly quarantine: string;
  readonly commitLog: CommitLog;
  readonly consumeQueues: ConsumeQueueStore;
  readonly index: IndexService | undefined;
  readonly checkpoint: StoreCheckpoint;
  readonly durableOffset: DurableOffset;
  readonly queueCount: QueueCount;
  readonly tagsCodes: TagsCodes;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The abort file was there: the last owner did not stop cleanly. */
  readonly hasAbortFile: boolean;
  readonly abortFile: string;
  readonly checkCrc: boolean;
  readonly pendingBytesMax: number;
  readonly deletedBelow: DeletedBelow;
}

interface ReadLog {
  readonly fromOffset: number;
  readonly endOffset: number;
}

/** Index entries that may wait in memory while records are dispatched again. */
const INDEX_PENDING_MAX = 50_000;
const PROGRESS_INTERVAL_MS = 1_000;

/** Throws a CorruptionError, with nothing changed, when going on would lose what was durable. */
export async function recoverStore(parts: RecoveryParts): Promise<void> {
  const { commitLog, checkpoint, durableOffset, hasAbortFile } = parts;
  const durable = durableOffset.record;
  const facts = await readOpenFacts({ commitLog, hasAbortFile, durable, checkpoint });
  const decision = decideOpen(facts);
  const isTrusted = decision.action === 'trust';
  const read = isTrusted ? { fromOffset: decision.from, endOffset: decision.from } : await findAndCut(parts, decision);
  const { endOffset } = read;
  // What we wrote ourselves and stopped cleanly has its blocks.
  if (!isTrusted) await commitLog.files.reserveFrom(endOffset);
  commitLog.setEnd(endOffset);
  const from = await viewsStart(parts, decision, read);
  if (!isTrusted || from < endOffset) {
    await dispatchAgain(parts, from, endOffset);
    await settle(parts, endOffset);
  }
  // How far retention had got is not written down anywhere: the log's beginning says it.
  await parts.consumeQueues.deleteExpired(commitLog.minOffset);
  await parts.index?.deleteExpired(commitLog.minOffset);
}

/** What of the log was read: a record begins at `fromOffset`, which may be before the place that was decided on. */
async function findAndCut(parts: RecoveryParts, decision: OpenDecision): Promise<ReadLog> {
  const { commitLog, logger, quarantine, checkCrc } = parts;
  logger.info('store.recovery.started', { row: decision.row, fromOffset: decision.from });
  const end = await findLogEnd({
    commitLog,
    action: decision.action === 'walk' ? 'walk' : 'scan',
    from: decision.from,
    durableOffset: decision.floor,
    checkCrc,
    onProgress: progressLog(parts, 'store.recovery.checked'),
  });
  const syncedOffset = Math.min(decision.floor ?? decision.from, decision.from);
  await cutLog({
    commitLog,
    endOffset: end.endOffset,
    syncedOffset,
    reason: end.reason,
    quarantineDirectory: quarantine,
  });
  return end;
}

/** Trims the views to what they are known to have right, and says from where they have to be filled again. */
async function viewsStart(parts: RecoveryParts, decision: OpenDecision, read: ReadLog): Promise<number> {
  const { commitLog, consumeQueues, index, deletedBelow } = parts;
  let from = Math.min(read.fromOffset, read.endOffset);
  await beginAgainAt(parts, decision, from);
  if (decision.action !== 'trust') {
    await consumeQueues.trim(from, deletedBelow);
    const indexFrom = await index?.trim(from);
    if (indexFrom !== undefined) from = Math.min(from, indexFrom);
  }
  await consumeQueues.trimDeleted(deletedBelow);
  const { recorded } = parts.queueCount;
  if (consumeQueues.queueCount < recorded) {
    parts.logger.warn('store.consume-queue.lost', { found: consumeQueues.queueCount, expected: recorded });
    from = commitLog.minOffset;
  }
  for (const rebuildFrom of [consumeQueues.rebuildFrom, index?.rebuildFrom]) {
    if (rebuildFrom !== undefined) from = Math.min(from, rebuildFrom);
  }
  from = Math.max(from, commitLog.minOffset);
  await beginAgainAt(parts, decision, from);
  return from;
}

/**
 * Views are filled again from below the point where this recovery began. Should it be cut short, the next one would begin at that
 * point too and take them for complete: so the checkpoint moves down first, and the store counts as not stopped cleanly.
 */
async function beginAgainAt(parts: RecoveryParts, decision: OpenDecision, offset: number): Promise<void> {
  const { checkpoint, fileSystem, abortFile, logger } = parts;
  if (offset >= decision.from) return;
  if (parts.hasAbortFile && checkpoint.logicsPhysicalOffset === offset && checkpoint.logicsMsgTimestamp === 0) return;
  logger.info('store.recovery.rebuilds', { fromOffset: offset, row: decision.row, rowOffset: decision.from });
  checkpoint.logicsPhysicalOffset = offset;
  // An offset of 0 counts as unknown, and then the times decide: the log's beginning is the only answer that is surely right.
  checkpoint.physicMsgTimestamp = 0;
  checkpoint.logicsMsgTimestamp = 0;
  checkpoint.indexMsgTimestamp = 0;
  await checkpoint.flush();
  await createAbortFile(fileSystem, abortFile);
}

async function dispatchAgain(parts: RecoveryParts, from: number, endOffset: number): Promise<void> {
  const { commitLog, consumeQueues, index, tagsCodes, pendingBytesMax, logger } = parts;
  if (from >= endOffset) return;
  const queueUnits = new QueueRedispatch(parts);
  // Synchronous for nearly every record: a promise for each would cost more than the record.
  const onRecord = (request: DispatchRequest): void | Promise<void> => {
    const waiting = queueUnits.add(request);
    index?.add(request);
    const isFull = consumeQueues.pendingBytes > pendingBytesMax || (index?.pendingCount ?? 0) > INDEX_PENDING_MAX;
    if (waiting !== undefined) return isFull ? waiting.then(() => writeOutViews(parts)) : waiting;
    return isFull ? writeOutViews(parts) : undefined;
  };
  const { recordCount } = await dispatchLog({
    commitLog,
    from,
    to: endOffset,
    tagsCodeOf: (topic, properties, storeTimestampMs) => tagsCodes.of(topic, properties, storeTimestampMs),
    onRecord,
    onProgress: progressLog(parts, 'store.recovery.dispatched'),
  });
  logger.info('store.recovery.finished', { fromOffset: from, endOffset, recordCount });
}

/** Fills the queues from records in their order. */
class QueueRedispatch {
  readonly #consumeQueues: ConsumeQueueStore;
  readonly #deletedBelow: DeletedBelow;
  readonly #minPhysicalOffset: number;
  readonly #logger: Logger;

  constructor({ consumeQueues, deletedBelow, commitLog, logger }: RecoveryParts) {
    this.#minPhysicalOffset = commitLog.minOffset;
    this.#consumeQueues = consumeQueues;
    this.#deletedBelow = deletedBelow;
    this.#logger = logger;
  }

  add(request: DispatchRequest): Promise<void> | undefined {
    const { topic, queueId, queueOffset, physicalOffset } = request;
    if (!hasQueueEntry(request.sysFlag) || physicalOffset < (this.#deletedBelow.get(topic) ?? 0)) return undefined;
    const queue = this.#consumeQueues.findOrCreate(topic, queueId);
    if (physicalOffset < queue.endOfLastRecord) return undefined; // known already, or of a topic of that name before
    // A newer record with an offset that the queue has passed: the topic was deleted and used again (by Apache, or by us when
    // the deletion was not remembered any more), and the newer one is what its reader was told of.
    const isPassed = queueOffset < queue.maxOffset;
    const isAllExpired = queueOffset > queue.maxOffset && queue.endOfLastRecord <= this.#minPhysicalOffset;
    if (isPassed || (isAllExpired && queue.hasFiles)) return this.#restart(request);
    this.#append(queue, request);
    return undefined;
  }

  async #restart(request: DispatchRequest): Promise<void> {
    const { topic, queueId, queueOffset, physicalOffset } = request;
    this.#logger.warn('store.recovery.queue-began-anew', { topic, queueId, queueOffset, physicalOffset });
    this.#append(await this.#consumeQueues.restart(topic, queueId), request);
  }

  #append(queue: ConsumeQueue, { queueOffset, physicalOffset, sizeBytes, tagsCode }: DispatchRequest): void {
    queue.append(queueOffset, physicalOffset, sizeBytes, tagsCode);
  }
}

async function writeOutViews({ consumeQueues, index }: RecoveryParts): Promise<void> {
  await consumeQueues.writeOut();
  await index?.flushPending();
}

/** Makes the views durable and only then moves the point from which the next recovery starts. */
async function settle(parts: RecoveryParts, endOffset: number): Promise<void> {
  await writeOutViews(parts);
  await parts.fileSystem.syncAll(parts.root);
  parts.checkpoint.logicsPhysicalOffset = endOffset;
  await parts.checkpoint.flush();
  parts.durableOffset.write(endOffset, false);
  await parts.durableOffset.sync();
}

function progressLog(parts: RecoveryParts, event: string): (offset: number, endOffset: number) => void {
  let nextMs = parts.clock.monotonicMs() + PROGRESS_INTERVAL_MS;
  return (offset, endOffset) => {
    const nowMs = parts.clock.monotonicMs();
    if (nowMs < nextMs) return;
    nextMs = nowMs + PROGRESS_INTERVAL_MS;
    parts.logger.info(event, { offset, endOffset });
  };
}
