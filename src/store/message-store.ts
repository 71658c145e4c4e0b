// The store's front door: it wires the rooms together and decides what a put or a get may do now. What a room does is in the
// room. One event loop owns a store; nothing here waits for a disk while others could work.

import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { MessageToPut, StoredMessage } from '../model/message.ts';
import { hasQueueEntry } from '../model/sys-flag.ts';
import { getProperty, PropertyName } from '../model/message-properties.ts';
import type { CommitLog } from './commit-log/commit-log.ts';
import type { LogFlush } from './commit-log/log-flush.ts';
import type { Checkpointer } from './checkpointer.ts';
import type { ConsumeQueueStore } from './consume-queue/consume-queue-store.ts';
import type { ConsumeQueue } from './consume-queue/consume-queue.ts';
import type { DelayLevels } from './dispatch/delay-levels.ts';
import type { TagsCodes } from './dispatch/tags-code.ts';
import type { FileSystem } from './file-system.ts';
import { emptyResult, GetMessages } from './get-messages.ts';
import type { IndexService, IndexType } from './index/index-service.ts';
import { offsetByTime } from './offset-by-time.ts';
import { queryByKey } from './query-by-key.ts';
import type { Retention } from './retention/retention.ts';
import type { StoreState } from './state/store-state.ts';
import type { StoreConfig } from './store-config.ts';
import { StoreError } from './store-errors.ts';
import type {
  BoundaryType,
  GetMessageRequest,
  GetMessageResult,
  MessageArrival,
  PutMessageResult,
  PutRefused,
  PutStored,
} from './store-types.ts';
import { WaitingPuts } from './waiting-puts.ts';
import { allWellFormed, wellFormed } from './well-formed.ts';
import { WriteGate } from './write-gate.ts';

/** What {@link openStore} puts together. */
export interface StoreParts {
  readonly config: StoreConfig;
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly commitLog: CommitLog;
  readonly logFlush: LogFlush;
  readonly consumeQueues: ConsumeQueueStore;
  readonly index: IndexService | undefined;
  readonly checkpointer: Checkpointer;
  readonly retention: Retention;
  readonly state: StoreState;
  readonly tagsCodes: TagsCodes;
  readonly delayLevels: DelayLevels;
  readonly writeGate: WriteGate;
  /** Releases lock, checkpoint and the like after the rooms are closed; `clean` when everything is on disk. */
  readonly finish: (clean: boolean) => Promise<void>;
}

export interface StoreStats {
  readonly minPhysicalOffset: number;
  readonly endPhysicalOffset: number;
  readonly flushedOffset: number;
  readonly queueCount: number;
  readonly pendingQueueBytes: number;
  readonly waitingPuts: number;
  readonly putCount: number;
  readonly putBytes: number;
  readonly getCount: number;
  /** Why writes are refused now, or undefined. */
  readonly refusal: string | undefined;
}

/** A close waits for views that were handed out; after this long it says so. */
const CLOSE_REMINDER_MS = 5_000;

export class MessageStore implements AsyncDisposable {
  readonly #parts: StoreParts;
  readonly #isSyncFlush: boolean;
  readonly #waiting: WaitingPuts;
  readonly #listeners = new Set<(arrival: MessageArrival) => void>();
  /** Under SYNC_FLUSH: what was appended and is not yet durable, in log order. */
  #unseen: MessageArrival[] = [];
  #isMakingRoom = false;
  #putCount = 0;
  #putBytes = 0;
  #getCount = 0;
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#isSyncFlush = parts.config.flushDiskType === 'SYNC_FLUSH';
    this.#waiting = new WaitingPuts(parts.config.pendingPutsMax);
  }

  get config(): StoreConfig {
    return this.#parts.config;
  }

  get directory(): string {
    return this.#parts.directory;
  }

  /** Topics, groups, offsets. */
  get state(): StoreState {
    return this.#parts.state;
  }

  get delayLevels(): DelayLevels {
    return this.#parts.delayLevels;
  }

  /** Records that end above this offset do not exist yet for readers. */
  get readableLimit(): number {
    const { commitLog, logFlush } = this.#parts;
    // After a failed sync nobody builds on what may not be there tomorrow.
    const isFlushedOnly = this.#isSyncFlush || logFlush.failure !== undefined;
    return isFlushedOnly ? commitLog.flushedOffset : commitLog.endOffset;
  }

  /**
   * Stores one message. ASYNC_FLUSH: the result comes at once, the message is in the mapped log (it survives the death of the
   * process, and a power cut after `flushIntervalMs`). SYNC_FLUSH: the promise resolves with PUT_OK after the sync that covers
   * it, or with FLUSH_DISK_TIMEOUT when that takes too long (the message is stored, at risk). A message with the property
   * WAIT=false is answered at once in both. What is refused leaves no trace.
   */
  put(asGiven: MessageToPut): PutMessageResult | Promise<PutMessageResult> {
    const { writeGate, commitLog, consumeQueues } = this.#parts;
    const message = wellFormed(asGiven);
    const queue = consumeQueues.find(message.topic, message.queueId);
    const problem =
      writeGate.refusal ?? commitLog.problemOf(message, queue !== undefined) ?? this.#viewProblemOf(queue);
    if (problem !== undefined) return problem;
    const stored = this.#waiting.count === 0 ? this.#append(message, queue) : undefined;
    return stored === undefined ? this.#wait([message], false) : this.#settle(stored, message.properties);
  }

  /** Stores messages of one topic and queue as one group: all of them, back to back, or none. */
  putBatch(asGiven: readonly MessageToPut[]): PutMessageResult | Promise<PutMessageResult> {
    const messages = allWellFormed(asGiven);
    const [first] = messages;
    if (first === undefined) return { status: 'MESSAGE_ILLEGAL', reason: 'The batch has no messages.' };
    const { writeGate, commitLog, consumeQueues } = this.#parts;
    const queue = consumeQueues.find(first.topic, first.queueId);
    const problem =
      writeGate.refusal ?? commitLog.problemOfBatch(messages, queue !== undefined) ?? this.#viewProblemOf(queue);
    if (problem !== undefined) return problem;
    const stored = this.#waiting.count === 0 ? this.#appendBatch(messages, queue) : undefined;
    return stored === undefined ? this.#wait(messages, true) : this.#settle(stored, first.properties);
  }

  /**
   * What the views can't take: one queue too many (`queue`: where the message goes, when that is there), or entries for an index
   * file that can't be made. Refused before anything is written.
   */
  #viewProblemOf(queue: ConsumeQueue | undefined): PutRefused | undefined {
    const { consumeQueues, config, index } = this.#parts;
    if (index?.isOverloaded === true) {
      const why = index.problem === undefined ? 'its file is still being made' : describeError(index.problem);
      return {
        status: 'SERVICE_NOT_AVAILABLE',
        reason: `The message index is behind by ${index.pendingCount} entries: ${why}`,
      };
    }
    if (queue !== undefined || consumeQueues.queueCount < config.queueCountMax) return undefined;
    return {
      status: 'MESSAGE_ILLEGAL',
      reason: `The store has ${consumeQueues.queueCount} queues, which is its limit (maxQueues); delete a topic or raise it.`,
    };
  }

  /** `found`: the queue, when it is there. undefined when the segment has no room and the next one is not there yet. */
  #append(message: MessageToPut, found: ConsumeQueue | undefined): PutStored | undefined {
    const { commitLog, clock, checkpointer } = this.#parts;
    const queue = hasQueueEntry(message.sysFlag) ? (found ?? this.#makeQueueFor(message)) : undefined;
    const queueOffset = queue?.maxOffset ?? 0;
    const storeTimestampMs = clock.nowMs();
    const sizeBytes = commitLog.append(message, queueOffset, storeTimestampMs);
    if (sizeBytes === undefined) return undefined;
    const physicalOffset = commitLog.endOffset - sizeBytes;
    this.#dispatch(message, queue, queueOffset, physicalOffset, sizeBytes, storeTimestampMs);
    checkpointer.appended(storeTimestampMs);
    return { status: 'PUT_OK', physicalOffset, queueOffset, sizeBytes, messageCount: 1, storeTimestampMs };
  }

  #appendBatch(messages: readonly MessageToPut[], found: ConsumeQueue | undefined): PutStored | undefined {
    const { commitLog, clock, checkpointer } = this.#parts;
    const queue = found ?? this.#makeQueueFor(messages[0] as MessageToPut);
    const firstQueueOffset = queue.maxOffset;
    const storeTimestampMs = clock.nowMs();
    const physicalOffsets = commitLog.appendBatch(messages, firstQueueOffset, storeTimestampMs);
    if (physicalOffsets === undefined) return undefined;
    const firstOffset = physicalOffsets[0] as number;
    let offset = firstOffset;
    for (let index = 0; index < messages.length; index++) {
      const endOffset = physicalOffsets[index + 1] ?? commitLog.endOffset;
      const message = messages[index] as MessageToPut;
      this.#dispatch(message, queue, firstQueueOffset + index, offset, endOffset - offset, storeTimestampMs);
      offset = endOffset;
    }
    checkpointer.appended(storeTimestampMs);
    return {
      status: 'PUT_OK',
      physicalOffset: firstOffset,
      queueOffset: firstQueueOffset,
      sizeBytes: offset - firstOffset,
      messageCount: messages.length,
      storeTimestampMs,
      physicalOffsets,
    };
  }

  #makeQueueFor(message: MessageToPut): ConsumeQueue {
    return this.#parts.consumeQueues.findOrCreate(message.topic, message.queueId);
  }

  /** Brings every view up to a record that was just appended, in the same step. */
  #dispatch(
    message: MessageToPut,
    queue: ConsumeQueue | undefined,
    queueOffset: number,
    physicalOffset: number,
    sizeBytes: number,
    storeTimestampMs: number,
  ): void {
    const { topic, queueId, properties, sysFlag } = message;
    const { tagsCodes, index } = this.#parts;
    const tagsCode = tagsCodes.of(topic, properties, storeTimestampMs);
    queue?.append(queueOffset, physicalOffset, sizeBytes, tagsCode);
    index?.add({ topic, properties, physicalOffset, storeTimestampMs, sysFlag });
    this.#putCount++;
    this.#putBytes += sizeBytes;
    if (queue === undefined || this.#listeners.size === 0) return;
    const arrival = { topic, queueId, queueOffset, tagsCode, storeTimestampMs, physicalOffset, sizeBytes, properties };
    if (this.#isSyncFlush) this.#unseen.push(arrival);
    else this.#announce(arrival);
  }

  #settle(stored: PutStored, properties: string): PutMessageResult | Promise<PutMessageResult> {
    if (!this.#isSyncFlush || getProperty(properties, PropertyName.WAIT) === 'false') {
      this.#parts.logFlush.wakeUp();
      return stored;
    }
    return this.#whenDurable(stored);
  }

  async #whenDurable(stored: PutStored): Promise<PutMessageResult> {
    try {
      const outcome = await this.#parts.logFlush.whenFlushed(stored.physicalOffset + stored.sizeBytes);
      return outcome === 'flushed' ? stored : { ...stored, status: 'FLUSH_DISK_TIMEOUT' };
    } catch {
      // The sync failed: the log flush fenced the store and told why; this message must not be acknowledged.
      return this.#parts.writeGate.refusal ?? { status: 'SERVICE_NOT_AVAILABLE', reason: 'The store has been fenced.' };
    }
  }

  /** Lines a put up behind the segment that is being made. */
  #wait(messages: readonly MessageToPut[], isBatch: boolean): PutMessageResult | Promise<PutMessageResult> {
    const waiting = this.#waiting.add(messages, isBatch);
    if (waiting === undefined) {
      return {
        status: 'OS_PAGE_CACHE_BUSY',
        reason: `${this.#waiting.count} puts are waiting for the disk already; try again in a moment.`,
      };
    }
    if (!this.#isMakingRoom) void this.#makeRoom();
    return waiting;
  }

  async #makeRoom(): Promise<void> {
    this.#isMakingRoom = true;
    try {
      while (this.#waiting.count > 0) {
        await this.#parts.commitLog.whenRoom();
        this.#admitWaiting();
      }
    } catch (error) {
      const refusal = this.#parts.writeGate.closeForSpace(error);
      this.#waiting.resolveAll(refusal);
    } finally {
      this.#isMakingRoom = false;
    }
  }

  #admitWaiting(): void {
    for (let put = this.#waiting.first(); put !== undefined; put = this.#waiting.first()) {
      const first = put.messages[0] as MessageToPut;
      const refusal = this.#parts.writeGate.refusal;
      // Looked up anew: its topic may have been deleted while it waited.
      const queue = this.#parts.consumeQueues.find(first.topic, first.queueId);
      const outcome = refusal ?? (put.isBatch ? this.#appendBatch(put.messages, queue) : this.#append(first, queue));
      if (outcome === undefined) return;
      this.#waiting.removeFirst();
      put.resolve(isStored(outcome) ? this.#settle(outcome, first.properties) : outcome);
    }
  }

  /**
   * Messages of one queue from an offset on; at once when they are in memory, else a promise while a thread reads. The views
   * are borrowed: call `release()` exactly once. Source: DefaultMessageStore.getMessage (statuses and offset corrections).
   */
  get(request: GetMessageRequest): GetMessageResult | Promise<GetMessageResult> {
    this.#assertOpen();
    this.#getCount++;
    const queue = this.#parts.consumeQueues.find(request.topic, request.queueId);
    if (queue === undefined) {
      return emptyResult('NO_MATCHED_LOGIC_QUEUE', { nextBeginOffset: 0, minOffset: 0, maxOffset: 0 });
    }
    const readableLimit = this.readableLimit;
    const maxOffset = queue.readableMax(readableLimit);
    const minOffset = queue.minOffset;
    const { queueOffset } = request;
    const outside = (status: GetMessageResult['status'], nextBeginOffset: number): GetMessageResult =>
      emptyResult(status, { nextBeginOffset, minOffset, maxOffset });
    if (maxOffset === 0) return outside('NO_MESSAGE_IN_QUEUE', 0);
    if (queueOffset < minOffset) return outside('OFFSET_TOO_SMALL', minOffset);
    if (queueOffset === maxOffset) return outside('OFFSET_OVERFLOW_ONE', queueOffset);
    if (queueOffset > maxOffset) return outside('OFFSET_OVERFLOW_BADLY', maxOffset);
    return new GetMessages({ commitLog: this.#parts.commitLog, queue, request, readableLimit, maxOffset }).run();
  }

  /** The oldest offset that is still there; 0 for a queue that does not exist. */
  minOffset(topic: string, queueId: number): number {
    return this.#parts.consumeQueues.find(topic, queueId)?.minOffset ?? 0;
  }

  /** The next offset that a reader will see; 0 for a queue that does not exist. */
  maxOffset(topic: string, queueId: number): number {
    return this.#parts.consumeQueues.find(topic, queueId)?.readableMax(this.readableLimit) ?? 0;
  }

  /** The record that begins at the offset, as an owned copy; undefined when none does. */
  async messageAt(physicalOffset: number): Promise<StoredMessage | undefined> {
    this.#assertOpen();
    const message = await this.#parts.commitLog.recordAt(physicalOffset);
    return message !== undefined && physicalOffset + message.sizeBytes <= this.readableLimit ? message : undefined;
  }

  /** When the message at a queue offset was stored; undefined when there is none. */
  async storeTimestampAt(topic: string, queueId: number, queueOffset: number): Promise<number | undefined> {
    this.#assertOpen();
    const queue = this.#parts.consumeQueues.find(topic, queueId);
    if (queue === undefined || queueOffset >= queue.readableMax(this.readableLimit)) return undefined;
    return this.#storeTimestampIn(queue, queueOffset);
  }

  async #storeTimestampIn(queue: ConsumeQueue, queueOffset: number): Promise<number | undefined> {
    const unit = await queue.unitAt(queueOffset);
    return unit === undefined ? undefined : this.#parts.commitLog.storeTimestampAt(unit.physicalOffset, unit.sizeBytes);
  }

  /** See {@link offsetByTime}; 0 for a queue that does not exist. */
  async offsetByTime(
    topic: string,
    queueId: number,
    timestampMs: number,
    boundary: BoundaryType = 'LOWER',
  ): Promise<number> {
    this.#assertOpen();
    const queue = this.#parts.consumeQueues.find(topic, queueId);
    if (queue === undefined) return 0;
    const maxOffset = queue.readableMax(this.readableLimit);
    const storeTimestampAt = (offset: number): Promise<number | undefined> => this.#storeTimestampIn(queue, offset);
    return offsetByTime({ queue, maxOffset, timestampMs, boundary, storeTimestampAt });
  }

  /** Messages of a topic that carry a key, a unique key or a tag, newest first, stored within the times (both included). */
  async query(
    topic: string,
    key: string,
    options: { countMax: number; beginMs?: number; endMs?: number; indexType?: IndexType },
  ): Promise<StoredMessage[]> {
    this.#assertOpen();
    const { index, commitLog } = this.#parts;
    if (index === undefined) return [];
    return queryByKey({ index, commitLog, readableLimit: this.readableLimit, topic, key, ...options });
  }

  /** Every message of a queue from an offset to the end as it is when the scan gets there. Owned copies. */
  async *iterate(topic: string, queueId: number, fromOffset = 0): AsyncGenerator<StoredMessage, void, void> {
    let offset = Math.max(fromOffset, this.minOffset(topic, queueId));
    while (offset < this.maxOffset(topic, queueId)) {
      const queue = this.#parts.consumeQueues.find(topic, queueId);
      const unit = await queue?.unitAt(offset);
      const message = unit === undefined ? undefined : await this.messageAt(unit.physicalOffset);
      if (message !== undefined) yield message;
      offset = Math.max(offset + 1, this.minOffset(topic, queueId));
    }
  }

  /**
   * Calls `listener` for each message once readers may see it, in log order, inside the put that made it visible (or the sync,
   * under SYNC_FLUSH). It must be quick and must not throw. Returns the way to end it.
   */
  onArrival(listener: (arrival: MessageArrival) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #announce(arrival: MessageArrival): void {
    for (const listener of this.#listeners) listener(arrival);
  }

  /** The log flush calls this after each sync that succeeded. */
  flushed(flushedOffset: number): void {
    let seen = 0;
    for (const arrival of this.#unseen) {
      if (arrival.physicalOffset + arrival.sizeBytes > flushedOffset) break;
      seen++;
      this.#announce(arrival);
    }
    if (seen > 0) this.#unseen = seen === this.#unseen.length ? [] : this.#unseen.slice(seen);
  }

  /** Where a consumer group goes on in a queue; survives the death of the process when it is `offsetCommitIntervalMs` old. */
  commitOffset(group: string, topic: string, queueId: number, offset: number): void {
    this.#parts.state.consumerOffsets.commit(group, topic, queueId, offset);
  }

  /** What was committed last, or undefined. */
  fetchOffset(group: string, topic: string, queueId: number): number | undefined {
    return this.#parts.state.consumerOffsets.fetch(group, topic, queueId);
  }

  /** Ends a topic: its queues and offsets go at once, its records when their segments expire. */
  async deleteTopic(topic: string): Promise<void> {
    this.#assertOpen();
    const { state, commitLog, consumeQueues } = this.#parts;
    state.topics.delete(topic);
    state.consumerOffsets.removeTopic(topic);
    state.topicDeletions.forgetBelow(commitLog.minOffset);
    state.topicDeletions.mark(topic, commitLog.endOffset);
    // Files go when it is durable that they must: recovery would fill them again from the log.
    const remembered = state.whenDurable();
    await consumeQueues.deleteTopic(topic, remembered);
    await remembered;
  }

  /** Resolves when everything put before the call is durable, whatever the flush mode. */
  flush(): Promise<void> {
    return this.#parts.logFlush.flushNow();
  }

  /** Deletes what has expired now, instead of at the next round. Resolves with the number of log segments removed. */
  deleteExpired(): Promise<number> {
    return this.#parts.retention.runOnce();
  }

  stats(): StoreStats {
    const { commitLog, consumeQueues, writeGate } = this.#parts;
    return {
      minPhysicalOffset: commitLog.minOffset,
      endPhysicalOffset: commitLog.endOffset,
      flushedOffset: commitLog.flushedOffset,
      queueCount: consumeQueues.queueCount,
      pendingQueueBytes: consumeQueues.pendingBytes,
      waitingPuts: this.#waiting.count,
      putCount: this.#putCount,
      putBytes: this.#putBytes,
      getCount: this.#getCount,
      refusal: writeGate.refusal?.reason,
    };
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new StoreError('ERR_STORE_CLOSED', 'The store is closed; open it again to use it.');
  }

  /** Refuses new work, finishes what was accepted, makes everything durable and leaves the directory clean. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { writeGate, retention, checkpointer, logFlush, state, commitLog, consumeQueues, index } = this.#parts;
    const isFenced = writeGate.isFenced;
    writeGate.close('The store is closing.');
    this.#waiting.resolveAll(writeGate.refusal as PutRefused);
    await retention.stop();
    const reminder = this.#parts.clock.schedule(CLOSE_REMINDER_MS, () =>
      this.#parts.logger.warn('store.close.waiting', { reason: 'a reader still holds views; release() them' }),
    );
    const failures: unknown[] = [];
    const steps: (() => Promise<void> | undefined)[] = [
      () => (isFenced ? undefined : checkpointer.checkpointNow()),
      () => checkpointer.stop(),
      () => logFlush.stop(),
      () => state.close(),
      () => index?.close(),
      () => consumeQueues.close(),
      () => commitLog.close(),
    ];
    // One that fails must not keep the others open, nor the lock: the first failure is told when all is closed.
    for (const step of steps) await Promise.resolve(step()).catch((error: unknown) => failures.push(error));
    reminder.cancel();
    await this.#parts.finish(!isFenced && failures.length === 0);
    if (failures.length > 0) throw failures[0] as Error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function isStored(result: PutMessageResult): result is PutStored {
  return 'physicalOffset' in result;
}
