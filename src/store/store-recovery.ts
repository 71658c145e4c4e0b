// Brings an opened directory to one consistent end: the log first (its rooms decide where it ends), then every view up to there.
// Where a bad record may turn out to be corruption, everything is decided before anything is changed: the log is read to its end,
// and then again for the views. Where nothing is known to be durable it is read once. Killed and repeated, it ends the same.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { hasQueueEntry } from '../model/sys-flag.ts';
import { createAbortFile } from './checkpoint/abort-file.ts';
import type { DurableOffset } from './checkpoint/durable-offset.ts';
import type { QueueCount } from './checkpoint/queue-count.ts';
import type { StoreCheckpoint } from './checkpoint/store-checkpoint.ts';
import type { CommitLog } from './commit-log/commit-log.ts';
import {
  cutLog,
  dispatchLog,
  findLogEnd,
  type FoundEnd,
  type OnRecord,
  readOpenFacts,
  syncLog,
} from './commit-log/commit-log-recovery.ts';
import type { ScannedPlace } from './commit-log/log-scan.ts';
import { queueIdOf, queueOffsetOf } from './commit-log/message-decoder.ts';
import { decideOpen, type OpenDecision } from './commit-log/open-decision.ts';
import type { ConsumeQueue, Unit } from './consume-queue/consume-queue.ts';
import type { ConsumeQueueStore } from './consume-queue/consume-queue-store.ts';
import { StoredProperties } from './dispatch/stored-properties.ts';
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
  if (decision.action === 'trust') await trustEnd(parts, decision);
  else if (decision.action === 'scan' && decision.floor === undefined) await readOnce(parts, decision);
  else await readTwice(parts, decision);
  // How far retention had got is not written down anywhere: the log's beginning says it.
  await parts.consumeQueues.deleteExpired(commitLog.minOffset);
  await parts.index?.deleteExpired(commitLog.minOffset);
}

async function trustEnd(parts: RecoveryParts, decision: OpenDecision): Promise<void> {
  const endOffset = decision.from;
  // What we wrote ourselves and stopped cleanly has its blocks.
  parts.commitLog.setEnd(endOffset);
  const from = await viewsStart(parts, decision, { fromOffset: endOffset, endOffset });
  if (from >= endOffset) return;
  await dispatchAgain(parts, from, endOffset);
  await settle(parts, endOffset);
}

async function readTwice(parts: RecoveryParts, decision: OpenDecision): Promise<void> {
  const read = await findAndCut(parts, decision);
  const { endOffset } = read;
  await setEnd(parts, endOffset);
  const from = await viewsStart(parts, decision, read);
  await dispatchAgain(parts, from, endOffset);
  await settle(parts, endOffset);
}

/**
 * Nothing is known to be durable, so nothing that is read can be corruption, and no good record is given up for what comes behind
 * it: each goes to the views as soon as it was checked, while it is in the processor's cache. Units and entries may get into
 * files before their records are synced; until {@link settle} the next recovery begins at the same place and takes them back.
 */
async function readOnce(parts: RecoveryParts, decision: OpenDecision): Promise<void> {
  const { from: readFrom } = decision;
  const from = await viewsStart(parts, decision, { fromOffset: readFrom, endOffset: readFrom });
  await dispatchAgain(parts, from, readFrom);
  const views = new ViewsRedispatch(parts, readFrom);
  const { endOffset, recordCount } = await findAndCut(parts, decision, views.onRecord);
  parts.logger.info('store.recovery.finished', { fromOffset: readFrom, endOffset, recordCount });
  await setEnd(parts, endOffset);
  await settle(parts, endOffset);
}

async function setEnd({ commitLog }: RecoveryParts, endOffset: number): Promise<void> {
  await commitLog.files.reserveFrom(endOffset);
  commitLog.setEnd(endOffset);
}

/** What of the log was read: a record begins at `fromOffset`, which may be before the place that was decided on. */
async function findAndCut(parts: RecoveryParts, decision: OpenDecision, onRecord?: OnRecord): Promise<FoundEnd> {
  const { commitLog, logger, quarantine, checkCrc } = parts;
  logger.info('store.recovery.started', { row: decision.row, fromOffset: decision.from });
  const end = await findLogEnd({
    commitLog,
    action: decision.action === 'walk' ? 'walk' : 'scan',
    from: decision.from,
    durableOffset: decision.floor,
    checkCrc,
    ...(onRecord === undefined ? {} : { onRecord }),
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
  const { commitLog, logger } = parts;
  if (from >= endOffset) return;
  const { recordCount } = await dispatchLog({
    commitLog,
    from,
    to: endOffset,
    onRecord: new ViewsRedispatch(parts, endOffset).onRecord,
    onProgress: progressLog(parts, 'store.recovery.dispatched'),
  });
  logger.info('store.recovery.finished', { fromOffset: from, endOffset, recordCount });
}

/** Fills queues and index from records in their order. */
class ViewsRedispatch {
  readonly #parts: RecoveryParts;
  readonly #consumeQueues: ConsumeQueueStore;
  readonly #index: IndexService | undefined;
  readonly #tagsCodes: TagsCodes;
  readonly #deletedBelow: DeletedBelow;
  readonly #minPhysicalOffset: number;
  readonly #pendingBytesMax: number;
  readonly #properties = new StoredProperties();
  /** Records that end at or below are on disk. */
  #syncedOffset: number;

  constructor(parts: RecoveryParts, syncedOffset: number) {
    this.#parts = parts;
    this.#minPhysicalOffset = parts.commitLog.minOffset;
    this.#consumeQueues = parts.consumeQueues;
    this.#index = parts.index;
    this.#tagsCodes = parts.tagsCodes;
    this.#deletedBelow = parts.deletedBelow;
    this.#pendingBytesMax = parts.pendingBytesMax;
    this.#syncedOffset = syncedOffset;
  }

  /** Synchronous for nearly every record: a promise for each would cost more than the record. */
  readonly onRecord: OnRecord = (buffer, place) => {
    const { propertiesPosition, propertiesLength } = place.shape;
    this.#properties.find(buffer, propertiesPosition, propertiesLength);
    const restarting = this.#addUnit(buffer, place);
    this.#index?.addStored(place, this.#properties);
    const isFull =
      this.#consumeQueues.pendingBytes > this.#pendingBytesMax || (this.#index?.pendingCount ?? 0) > INDEX_PENDING_MAX;
    if (restarting !== undefined) return isFull ? restarting.then(() => writeOutViews(this.#parts)) : restarting;
    return isFull ? writeOutViews(this.#parts) : undefined;
  };

  #addUnit(buffer: Buffer, place: ScannedPlace): Promise<void> | undefined {
    const { topic, physicalOffset, sysFlag, position } = place;
    if (!hasQueueEntry(sysFlag) || physicalOffset < (this.#deletedBelow.get(topic) ?? 0)) return undefined;
    const queue = this.#consumeQueues.findOrCreate(topic, queueIdOf(buffer, position));
    const { endOfLastRecord } = queue;
    if (physicalOffset < endOfLastRecord) return undefined; // known already, or of a topic of that name before
    const queueOffset = queueOffsetOf(buffer, position);
    const { sizeBytes } = place.shape;
    const tagsCode = this.#tagsCodes.ofStored(topic, this.#properties, place.storeTimestampMs);
    // A newer record with an offset that the queue has passed: the topic was deleted and used again (by Apache, or by us when
    // the deletion was not remembered any more), and the newer one is what its reader was told of.
    const isPassed = queueOffset < queue.maxOffset;
    const isAllExpired = queueOffset > queue.maxOffset && endOfLastRecord <= this.#minPhysicalOffset;
    if (isPassed || (isAllExpired && queue.hasFiles)) {
      return this.#restart(queue, { queueOffset, physicalOffset, sizeBytes, tagsCode });
    }
    queue.append(queueOffset, physicalOffset, sizeBytes, tagsCode);
    return undefined;
  }

  async #restart(queue: ConsumeQueue, unit: Unit & { readonly queueOffset: number }): Promise<void> {
    const { topic, queueId } = queue;
    const { queueOffset, physicalOffset, sizeBytes, tagsCode } = unit;
    this.#parts.logger.warn('store.recovery.queue-began-anew', { topic, queueId, queueOffset, physicalOffset });
    await this.#syncUpTo(physicalOffset + sizeBytes);
    const next = await this.#consumeQueues.restart(topic, queueId);
    next.append(queueOffset, physicalOffset, sizeBytes, tagsCode);
  }

  /** What a queue loses does not come back: the record for which it does must not be lost either. */
  async #syncUpTo(offset: number): Promise<void> {
    if (offset <= this.#syncedOffset) return;
    await syncLog(this.#parts.commitLog, this.#syncedOffset, offset);
    this.#syncedOffset = offset;
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
