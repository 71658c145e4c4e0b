// What a store is put through between two crashes, from a seed. Everything that comes back goes into the history.

import { assert } from '../../../src/base/assert.ts';
import type { Prng } from '../../../src/base/prng.ts';
import type { MessageToPut } from '../../../src/model/message.ts';
import { getProperty, PropertyName } from '../../../src/model/message-properties.ts';
import { decodeRecord } from '../../../src/store/commit-log/message-decoder.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import type { StoreConfig } from '../../../src/store/store-config.ts';
import type { PutMessageResult, PutStored } from '../../../src/store/store-types.ts';
import type { Attempt, History } from './history.ts';
import { keyOf, numberOf, randomMessage } from './random-messages.ts';
import { CRASHED, type CrashKind, type SimulatedMachine } from './simulated-machine.ts';
import type { QueueId } from './verify-store.ts';

export const topics = ['orders', 'payments', '%RETRY%kitchen', `%RETRY%${'g'.repeat(150)}`] as const;
export const queueCount = 3;
const groups = ['kitchen', 'bar'];
export const allQueues: readonly QueueId[] = topics.flatMap((topic) =>
  Array.from({ length: queueCount }, (_, queueId) => ({ topic, queueId })),
);

export interface WorkloadParts {
  readonly machine: SimulatedMachine;
  readonly store: MessageStore;
  readonly history: History;
  readonly config: StoreConfig;
  readonly prng: Prng;
}

/** Drives one store until `stepCount` steps are done, the machine stops, or the store is closed by a step. */
export class Workload {
  readonly #parts: WorkloadParts;
  readonly #outstanding = new Set<Promise<unknown>>();
  #deleting: string | undefined;

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
    const { store, history, machine } = parts;
    store.onArrival((arrival) => {
      if (machine.isDead) return;
      if (arrival.physicalOffset + arrival.sizeBytes > store.readableLimit) {
        history.violated(`an arrival at ${arrival.physicalOffset} before readers may see it`);
      }
      history.claim(arrival.properties, arrival);
    });
  }

  async run(stepCount: number): Promise<void> {
    for (let step = 0; step < stepCount && !this.#parts.machine.isDead; step++) await this.#step();
  }

  /** What was begun comes to its end. */
  async finish(): Promise<void> {
    await this.#parts.machine.run(Promise.all(this.#outstanding));
  }

  async #step(): Promise<void> {
    const { prng, machine } = this.#parts;
    const dice = prng.below(1_000);
    if (dice < 550) this.#put();
    else if (dice < 640) this.#putBatch();
    else if (dice < 700) this.#commitOffset();
    else if (dice < 780) await this.#get();
    else if (dice < 920) await machine.pass(prng.below(prng.chance(0.1) ? 300 : 12));
    else if (dice < 950) await this.finish();
    else if (dice < 965) this.#begin(() => this.#parts.store.flush());
    else if (dice < 980) this.#begin(() => this.#parts.store.deleteExpired());
    else if (dice < 988) this.#deleteTopic();
    else await this.#query();
  }

  #begin(call: () => Promise<unknown>): void {
    const promise = this.#parts.machine.attempt(call);
    if (promise !== CRASHED) this.#keep(promise);
  }

  #keep(promise: Promise<unknown>): void {
    const { machine, history } = this.#parts;
    const kept: Promise<unknown> = promise
      .catch((error: unknown) => {
        if (!machine.isDead) history.violated(`a call failed for no reason: ${String(error)}`);
      })
      .finally(() => this.#outstanding.delete(kept));
    this.#outstanding.add(kept);
  }

  #randomQueue(): QueueId {
    const { prng } = this.#parts;
    return { topic: prng.pick(topics), queueId: prng.below(queueCount) };
  }

  #newMessage(queue: QueueId, mayBePrepared: boolean, share = 4): MessageToPut {
    const { prng, history, config } = this.#parts;
    const bodySizeMax = Math.floor(config.messageSizeBytesMax / share) * 4;
    const number = history.takeNumber();
    const kind = { ...queue, number, mayBePrepared, bodySizeMax: Math.min(bodySizeMax, config.messageSizeBytesMax) };
    const message = randomMessage(prng, kind);
    history.attempted(number, message);
    return message;
  }

  #put(): void {
    const { machine, store } = this.#parts;
    const message = this.#newMessage(this.#randomQueue(), true);
    this.#follow(
      [message],
      machine.attempt(() => store.put(message)),
    );
  }

  #putBatch(): void {
    const { machine, store, prng } = this.#parts;
    const queue = this.#randomQueue();
    const messages = Array.from({ length: 1 + prng.below(6) }, () => this.#newMessage(queue, false, 32));
    this.#follow(
      messages,
      machine.attempt(() => store.putBatch(messages)),
    );
  }

  #follow(
    messages: readonly MessageToPut[],
    result: PutMessageResult | Promise<PutMessageResult> | typeof CRASHED,
  ): void {
    if (result === CRASHED) return;
    if (result instanceof Promise) this.#keep(result.then((late) => this.#told(messages, late)));
    else this.#told(messages, result);
  }

  /** The producer hears of its message, unless the machine stopped before. */
  #told(messages: readonly MessageToPut[], result: PutMessageResult): void {
    const { machine, history } = this.#parts;
    if (machine.isDead) return;
    const attempts = messages.map((message) => attemptOf(history, message));
    if (!('physicalOffset' in result)) {
      for (const attempt of attempts) attempt.wasRefused = true;
      return;
    }
    this.#checkPromise(messages[0] as MessageToPut, result);
    const offsets = result.physicalOffsets ?? [result.physicalOffset];
    offsets.forEach((physicalOffset, index) => {
      const end = offsets[index + 1] ?? (offsets[0] as number) + result.sizeBytes;
      const place = { queueOffset: result.queueOffset + index, physicalOffset, sizeBytes: end - physicalOffset };
      history.claim((messages[index] as MessageToPut).properties, place);
    });
  }

  #checkPromise(first: MessageToPut, result: PutStored): void {
    const { config, store, history } = this.#parts;
    if (config.flushDiskType === 'ASYNC_FLUSH' || result.status !== 'PUT_OK') return;
    if (getProperty(first.properties, PropertyName.WAIT) === 'false') return;
    if (result.physicalOffset + result.sizeBytes > store.stats().flushedOffset) {
      history.violated(`PUT_OK for ${result.physicalOffset} before it was flushed`);
    }
  }

  #commitOffset(): void {
    const { prng, store, history, machine } = this.#parts;
    const { topic, queueId } = this.#randomQueue();
    if (topic === this.#deleting) return;
    const group = prng.pick(groups);
    const offset = (store.fetchOffset(group, topic, queueId) ?? 0) + prng.below(5);
    const committed = machine.attempt(() => store.commitOffset(group, topic, queueId, offset));
    if (committed !== CRASHED) history.committed(group, topic, queueId, { offset, atMs: machine.clock.nowMs() });
  }

  async #get(): Promise<void> {
    const { prng, store, history, machine } = this.#parts;
    const { topic, queueId } = this.#randomQueue();
    const minOffset = store.minOffset(topic, queueId);
    const queueOffset = minOffset + prng.below(Math.max(1, store.maxOffset(topic, queueId) - minOffset));
    const request = { topic, queueId, queueOffset, messageCountMax: 1 + prng.below(32) };
    const getting = machine.attempt(() => store.get(request));
    if (getting === CRASHED) return;
    const result = await machine.run(Promise.resolve(getting));
    if (result === CRASHED) return;
    const { flushedOffset } = store.stats();
    for (const view of result.views) {
      for (let position = 0; position < view.length;) {
        const decoded = decodeRecord(view, { position, limit: view.length });
        if (decoded.kind !== 'message') return history.violated(`a reader of ${topic}/${queueId} got ${decoded.kind}`);
        const { message } = decoded;
        const end = message.physicalOffset + message.sizeBytes;
        if (this.#parts.config.flushDiskType === 'SYNC_FLUSH' && end > flushedOffset) {
          history.violated(`a reader saw the record at ${message.physicalOffset} before it was durable`);
        }
        history.claim(message.properties, message);
        position += message.sizeBytes;
      }
    }
    machine.attempt(() => result.release());
  }

  async #query(): Promise<void> {
    const { prng, store, history, machine } = this.#parts;
    const number = 1 + prng.below(history.attempts.size);
    const attempt = history.attempts.get(number);
    if (attempt === undefined) return;
    const querying = machine.attempt(() => store.query(attempt.message.topic, keyOf(number), { countMax: 8 }));
    if (querying === CRASHED) return;
    const found = await machine.run(querying);
    if (found === CRASHED) return;
    for (const message of found) history.claim(message.properties, message);
  }

  #deleteTopic(): void {
    const { prng, store, history, machine } = this.#parts;
    const topic = prng.pick(topics);
    if (this.#deleting !== undefined || this.#outstanding.size > 0) return;
    this.#deleting = topic;
    history.deletionBegan(
      topic,
      allQueues.filter((queue) => queue.topic === topic).map(({ queueId }) => queueId),
    );
    this.#begin(async () => {
      await store.deleteTopic(topic);
      if (machine.isDead) return;
      history.deletionEnded(topic);
      this.#deleting = undefined;
    });
  }

  /** The machine stops while a message is being written: some of its record is in memory. */
  putAndDie(how: CrashKind): void {
    const { machine, store, prng } = this.#parts;
    const message = this.#newMessage(this.#randomQueue(), false);
    // The checks before read these fields once; the second reading is the encoder's, in the middle of the record.
    const place = prng.pick(['flag', 'reconsumeTimes', 'properties'] as const);
    const readings = { flag: 0, reconsumeTimes: 0, properties: 0 };
    const deadly = new Proxy(message, {
      get: (target, name: keyof MessageToPut) => {
        if (name === 'flag' || name === 'reconsumeTimes') readings[name]++;
        if (name === 'properties' && readings.reconsumeTimes > 1) readings.properties = 2;
        if (name === place && readings[place] > 1) machine.stop(how);
        return target[name];
      },
    });
    machine.attempt(() => void store.put(deadly));
    if (!machine.isDead) machine.attempt(() => machine.stop(how));
  }
}

function attemptOf(history: History, message: MessageToPut): Attempt {
  const attempt = history.attempts.get(numberOf(message.properties));
  assert(attempt !== undefined, 'every message that is sent is in the history');
  return attempt;
}
