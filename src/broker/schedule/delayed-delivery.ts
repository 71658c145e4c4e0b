// Delivers messages with a delay level when they are due (Java: ScheduleMessageService). They wait in SCHEDULE_TOPIC_XXXX, one
// queue a level; when due, each is put again under its own topic and queue. How far a level is delivered is persisted only once
// the delivered records are on disk: a crash may deliver a message twice, but never loses one. One timer serves all levels and
// runs only while something waits.

import { describeError } from '../../base/errors.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MessageToPut, StoredMessage } from '../../model/message.ts';
import { SCHEDULE_TOPIC } from '../../model/names.ts';
import { decodeRecord, recordSizeAt } from '../../store/commit-log/message-decoder.ts';
import type { GetMessageResult, MessageArrival, PutMessageResult } from '../../store/store-types.ts';
import type { BrokerStore } from '../broker-store.ts';
import { delivered, levelOfQueueId } from '../send/delay-transform.ts';
import { isStored } from '../send/put-refusal.ts';
import { DelayLevelQueue } from './delay-level-queue.ts';

/** Due times are wall-clock times, and a wall clock may be set: never sleep longer than the accuracy that is promised. */
const LOOK_INTERVAL_MAX_MS = 1_000;
/** After a put was refused (a full disk, say). */
const RETRY_MS = 1_000;
const MESSAGES_PER_READ = 32;

export class DelayedDelivery {
  readonly #store: BrokerStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #levels = new Map<number, DelayLevelQueue>();
  #endArrivals: (() => void) | undefined;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isRunning = false;
  #busy = new Set<Promise<void>>();

  constructor(options: { readonly store: BrokerStore; readonly clock: Clock; readonly logger: Logger }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  start(): void {
    const { delayOffsets } = this.#store.state;
    for (let level = 1; level <= this.#store.delayLevels.maxLevel; level++) {
      const queue = new DelayLevelQueue(level, delayOffsets.get(level) ?? 0);
      this.#levels.set(level, queue);
      if (queue.offset >= this.#store.maxOffset(SCHEDULE_TOPIC, queue.queueId)) queue.dueMs = Number.POSITIVE_INFINITY;
    }
    this.#isRunning = true;
    this.#endArrivals = this.#store.onArrival((arrival) => this.#arrived(arrival));
    this.#arm();
  }

  /** Waits for deliveries under way, and for the disk, so that what was delivered is not delivered again after a clean stop. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#endArrivals?.();
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#busy.size > 0) await Promise.allSettled(this.#busy);
    if (![...this.#levels.values()].some((queue) => queue.hasUnconfirmed)) return;
    try {
      await this.#store.flush();
    } catch (error) {
      this.#logger.warn('broker.delay.not-flushed', { error: describeError(error) });
    }
    this.#confirm(this.#store.stats().flushedOffset);
  }

  #arrived(arrival: MessageArrival): void {
    if (arrival.topic !== SCHEDULE_TOPIC) return;
    const queue = this.#levels.get(levelOfQueueId(arrival.queueId));
    if (queue?.dueMs !== Number.POSITIVE_INFINITY) return;
    // The tags code of a message in the schedule topic is its due time.
    queue.dueMs = arrival.tagsCode;
    this.#arm();
  }

  /** Sets the timer for the earliest level that is not being delivered now. */
  #arm(): void {
    if (!this.#isRunning) return;
    let dueMs = Number.POSITIVE_INFINITY;
    let hasUnconfirmed = false;
    for (const queue of this.#levels.values()) {
      if (!queue.isBusy && queue.dueMs < dueMs) dueMs = queue.dueMs;
      if (queue.hasUnconfirmed) hasUnconfirmed = true;
    }
    if (dueMs === Number.POSITIVE_INFINITY && !hasUnconfirmed) {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#timerAtMs = dueMs;
      return;
    }
    const afterMs = Math.max(0, Math.min(dueMs - this.#clock.nowMs(), LOOK_INTERVAL_MAX_MS));
    const atMs = this.#clock.monotonicMs() + afterMs;
    if (this.#timer !== undefined && this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.schedule(afterMs, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    this.#confirm(this.#store.stats().flushedOffset);
    const nowMs = this.#clock.nowMs();
    for (const queue of this.#levels.values()) {
      if (queue.isBusy || !this.#isTime(queue, nowMs)) continue;
      const delivery = this.#deliver(queue);
      this.#busy.add(delivery);
      void delivery.finally(() => {
        this.#busy.delete(delivery);
        this.#arm();
      });
    }
    this.#arm();
  }

  /** Also when the head seems to be due later than its level can make it: the clock was set back. */
  #isTime(queue: DelayLevelQueue, nowMs: number): boolean {
    if (queue.dueMs <= nowMs) return true;
    const isWaiting = queue.dueMs !== Number.POSITIVE_INFINITY;
    return isWaiting && queue.dueMs > nowMs + this.#store.delayLevels.delayMsOf(queue.level);
  }

  #confirm(flushedOffset: number): void {
    for (const queue of this.#levels.values()) {
      const offset = queue.confirm(flushedOffset);
      if (offset !== undefined) this.#store.state.delayOffsets.set(queue.level, offset);
    }
  }

  /** Delivers what is due in one level. Never rejects: a failure is logged and tried again. */
  async #deliver(queue: DelayLevelQueue): Promise<void> {
    queue.isBusy = true;
    try {
      while (this.#isRunning && (await this.#deliverSome(queue))) await this.#nextTurn();
    } catch (error) {
      this.#logger.error('broker.delay.failed', {
        level: queue.level,
        offset: queue.offset,
        error: describeError(error),
      });
      queue.dueMs = this.#clock.nowMs() + RETRY_MS;
    } finally {
      queue.isBusy = false;
    }
  }

  /** Thousands of messages may be due at once; requests get their turn in between. */
  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#clock.defer(resolve));
  }

  /** One read's worth. True when there may be more that is due now. */
  async #deliverSome(queue: DelayLevelQueue): Promise<boolean> {
    const { level, queueId, offset } = queue;
    const result = await this.#store.get({
      topic: SCHEDULE_TOPIC,
      queueId,
      queueOffset: offset,
      messageCountMax: MESSAGES_PER_READ,
    });
    try {
      if (result.status === 'FOUND') return await this.#deliverFound(queue, result);
    } finally {
      result.release();
    }
    if (result.nextBeginOffset !== offset) {
      const { status, nextBeginOffset, minOffset, maxOffset } = result;
      this.#logger.error('broker.delay.offset-corrected', {
        level,
        offset,
        nextBeginOffset,
        minOffset,
        maxOffset,
        status,
      });
      queue.offset = nextBeginOffset;
    }
    // An arrival during the read found this level busy and with a due time: it must not be missed.
    if (queue.offset < this.#store.maxOffset(SCHEDULE_TOPIC, queueId)) return true;
    queue.dueMs = Number.POSITIVE_INFINITY;
    return false;
  }

  async #deliverFound(queue: DelayLevelQueue, found: GetMessageResult): Promise<boolean> {
    const puts: { readonly nextOffset: number; readonly outcome: PutMessageResult | Promise<PutMessageResult> }[] = [];
    let notDueMs: number | undefined;
    for (const stored of recordsOf(found)) {
      const dueMs = this.#dueMs(queue.level, stored.storeTimestampMs);
      if (dueMs > this.#clock.nowMs()) {
        notDueMs = dueMs;
        break;
      }
      const message = this.#wakeUp(stored);
      if (message === undefined) continue;
      const outcome = this.#store.put(message);
      puts.push({ nextOffset: stored.queueOffset + 1, outcome });
      // What follows would be stored now, and once more each time that this one is tried again.
      if (!(outcome instanceof Promise) && !isStored(outcome)) break;
    }
    for (const { nextOffset, outcome } of puts) {
      const result = await outcome;
      if (!isStored(result)) {
        this.#logger.warn('broker.delay.refused', { level: queue.level, offset: queue.offset, reason: result.reason });
        queue.dueMs = this.#clock.nowMs() + RETRY_MS;
        return false;
      }
      queue.delivered(nextOffset, result.physicalOffset + result.sizeBytes);
    }
    if (notDueMs !== undefined) {
      queue.dueMs = notDueMs;
      return false;
    }
    if (queue.offset < found.nextBeginOffset) queue.offset = found.nextBeginOffset;
    return true;
  }

  /** A clock that was set back must not make messages wait longer than their level. */
  #dueMs(level: number, storeTimestampMs: number): number {
    const delayMs = this.#store.delayLevels.delayMsOf(level);
    const nowMs = this.#clock.nowMs();
    const dueMs = storeTimestampMs + delayMs;
    return dueMs > nowMs + delayMs ? nowMs : dueMs;
  }

  /** undefined when the record does not say where it belongs: it is logged and passed over. */
  #wakeUp(stored: StoredMessage): MessageToPut | undefined {
    const destination = delivered(stored.properties);
    if (destination === undefined) {
      this.#logger.error('broker.delay.no-destination', { physicalOffset: stored.physicalOffset });
      return undefined;
    }
    return {
      ...destination,
      flag: stored.flag,
      sysFlag: stored.sysFlag,
      bornTimestampMs: stored.bornTimestampMs,
      bornHost: stored.bornHost,
      storeHost: stored.storeHost,
      reconsumeTimes: stored.reconsumeTimes,
      preparedTransactionOffset: 0,
      body: stored.body,
    };
  }
}

/** The records of a result, one after the other. Bodies are borrowed, like the result's views. */
function* recordsOf(found: GetMessageResult): Generator<StoredMessage, void, void> {
  for (const view of found.views) {
    for (let position = 0; position < view.length; position += recordSizeAt(view, position)) {
      const record = decodeRecord(view, { position, limit: view.length });
      if (record.kind !== 'message')
        throw new Error(`The schedule topic has a record that can't be read: ${record.kind}.`);
      yield record.message;
    }
  }
}
