// The store against the model under random commands; every answer must be the model's. `RUNS=n` for more, `SEED=k` for one.

import { expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.ts';
import { createMessage } from '../../../src/store/create-message.ts';
import { bodyOf } from '../../../src/store/commit-log/message-decoder.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import type { StoreConfig } from '../../../src/store/store-config.ts';
import type { PutStored } from '../../../src/store/store-types.ts';
import { SimulatedMachine } from '../crash/simulated-machine.ts';
import { config, opened, present } from '../crash/simulated-store.ts';
import { StoreModel } from './store-model.ts';

const topics = ['orders', 'payments', '%RETRY%kitchen'];
const groups = ['kitchen', 'bar'];
const COMMANDS = 60;
const hours = Array.from({ length: 24 }, (_, hour) => hour);

class ModelRun {
  readonly #prng: Prng;
  readonly #machine: SimulatedMachine;
  readonly #settings: Partial<StoreConfig>;
  readonly #model = new StoreModel();
  #store: MessageStore | undefined;
  #number = 0;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    this.#machine = new SimulatedMachine({ seed });
    this.#settings = {
      flushDiskType: this.#prng.pick(['SYNC_FLUSH', 'ASYNC_FLUSH'] as const),
      fileReservedMs: this.#prng.pick([1, 1_000_000] as const),
      deleteWhenHours: hours,
      cleanIntervalMs: 1_000_000,
      checkpointIntervalMs: this.#prng.pick([10, 1_000_000] as const),
    };
  }

  async run(): Promise<void> {
    this.#store = await opened(this.#machine, this.#settings);
    for (let command = 0; command < COMMANDS; command++) await this.#command();
    await this.#compareAll();
    await this.#reopen();
    await this.#compareAll();
    await this.#run(this.#open.close());
    expect(await this.#machine.check({ ...config, ...this.#settings }, new Set())).toEqual([]);
  }

  get #open(): MessageStore {
    if (this.#store === undefined) throw new Error('the store is not open');
    return this.#store;
  }

  async #run<Value>(promise: Value | Promise<Value>): Promise<Value> {
    return present(await this.#machine.run(Promise.resolve(promise)));
  }

  async #command(): Promise<void> {
    const dice = this.#prng.below(100);
    if (dice < 45) await this.#put(1);
    else if (dice < 55) await this.#put(1 + this.#prng.below(5));
    else if (dice < 75) await this.#get();
    else if (dice < 82) this.#commit();
    else if (dice < 87) await this.#machine.pass(this.#prng.below(30));
    else if (dice < 92) await this.#expire();
    else if (dice < 95) await this.#deleteTopic();
    else await this.#reopen();
  }

  #queue(): { topic: string; queueId: number; name: string } {
    const topic = this.#prng.pick(topics);
    const queueId = this.#prng.below(2);
    return { topic, queueId, name: `${topic}/${queueId}` };
  }

  async #put(count: number): Promise<void> {
    const { topic, queueId, name } = this.#queue();
    const bodies = Array.from({ length: count }, () => `${this.#number++} `.padEnd(this.#prng.below(3_000), 'x'));
    const messages = bodies.map((body) => createMessage({ topic, queueId, body }));
    const [first] = messages;
    const putting = count === 1 && first !== undefined ? this.#open.put(first) : this.#open.putBatch(messages);
    const result = (await this.#run(putting)) as PutStored;
    const places = result.physicalOffsets ?? [result.physicalOffset];
    const stored = bodies.map((body, index) => ({ body, physicalOffset: places[index] ?? 0 }));
    expect(result).toMatchObject({ status: 'PUT_OK', queueOffset: this.#model.put(name, stored) });
  }

  async #get(): Promise<void> {
    const { topic, queueId, name } = this.#queue();
    const minOffset = this.#model.minOffset(name);
    const maxOffset = this.#model.maxOffset(name);
    expect([this.#open.minOffset(topic, queueId), this.#open.maxOffset(topic, queueId)]).toEqual([
      minOffset,
      maxOffset,
    ]);
    const queueOffset = minOffset - 1 + this.#prng.below(maxOffset - minOffset + 3);
    const messageCountMax = 1 + this.#prng.below(8);
    const result = await this.#run(this.#open.get({ topic, queueId, queueOffset, messageCountMax }));
    const expected = this.#model.read(name, queueOffset).slice(0, messageCountMax);
    if (queueOffset < minOffset || queueOffset >= maxOffset) expect(result.status).not.toBe('FOUND');
    else {
      expect(result.status).toBe('FOUND');
      expect(bodiesOf(result.views)).toEqual(expected);
      expect(result.nextBeginOffset).toBe(queueOffset + expected.length);
    }
    result.release();
  }

  #commit(): void {
    const { topic, queueId, name } = this.#queue();
    const group = this.#prng.pick(groups);
    const offset = this.#prng.below(100);
    this.#open.commitOffset(group, topic, queueId, offset);
    this.#model.commit(name, group, offset);
  }

  async #expire(): Promise<void> {
    await this.#run(this.#open.deleteExpired());
    this.#model.expire(this.#open.stats().minPhysicalOffset);
  }

  async #deleteTopic(): Promise<void> {
    const topic = this.#prng.pick(topics);
    await this.#run(this.#open.deleteTopic(topic));
    this.#model.deleteTopic(topic);
  }

  async #reopen(): Promise<void> {
    await this.#run(this.#open.close());
    this.#store = await opened(this.#machine, this.#settings);
  }

  async #compareAll(): Promise<void> {
    for (const topic of topics) {
      for (const queueId of [0, 1]) {
        const name = `${topic}/${queueId}`;
        const bodies: string[] = [];
        const read = async (): Promise<void> => {
          for await (const { body } of this.#open.iterate(topic, queueId)) bodies.push(Buffer.from(body).toString());
        };
        await this.#run(read());
        expect({ name, bodies }).toEqual({ name, bodies: this.#model.read(name, 0) });
        for (const group of groups) {
          expect(this.#open.fetchOffset(group, topic, queueId)).toBe(this.#model.fetch(name, group));
        }
      }
    }
  }
}

function bodiesOf(views: readonly Buffer[]): string[] {
  const bodies: string[] = [];
  for (const view of views) {
    for (let position = 0; position < view.length; position += view.readInt32BE(position)) {
      bodies.push(bodyOf(view, position).toString());
    }
  }
  return bodies;
}

it('gives the answers of the model under random commands', { timeout: 120_000 }, async () => {
  const only = process.env['SEED'];
  const seeds = Array.from({ length: Number(process.env['RUNS'] ?? 200) }, (_, index) => index + 1);
  for (const seed of only === undefined ? seeds : [Number(only)]) {
    try {
      await new ModelRun(seed).run();
    } catch (error) {
      throw new Error(`repeat with: SEED=${seed} npx vitest run test/store/model`, { cause: error });
    }
  }
});
