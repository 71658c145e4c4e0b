// Delay levels on a real store, with time that the test moves.

import { expect, onTestFinished, test, vi } from 'vitest';
import { ManualClock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { BrokerStore } from '../../../src/broker/broker-store.ts';
import { DelayedDelivery } from '../../../src/broker/schedule/delayed-delivery.ts';
import { delayed } from '../../../src/broker/send/delay-transform.ts';
import { hostAddress } from '../../../src/model/host-address.ts';
import type { MessageToPut } from '../../../src/model/message.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import type { PutMessageResult } from '../../../src/store/store-types.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { smallStore } from '../support/running-broker.ts';

const host = hostAddress('127.0.0.1', 10_911);

const message = (text: string): MessageToPut => ({
  topic: 'Letters',
  queueId: 0,
  flag: 9,
  sysFlag: 0,
  bornTimestampMs: 1,
  bornHost: host,
  storeHost: host,
  reconsumeTimes: 2,
  preparedTransactionOffset: 0,
  body: Buffer.from(text),
  properties: `UNIQ_KEY\u0001${text}\u0002`,
});

interface Bench {
  readonly clock: ManualClock;
  readonly store: MessageStore;
  readonly delivery: DelayedDelivery;
  readonly putDelayed: (text: string, level: number) => void;
  /** What has arrived in the topic itself. */
  readonly delivered: () => Promise<string[]>;
  /** Moves time in small steps and lets everything run that follows. */
  readonly advance: (ms: number) => Promise<void>;
}

async function bench(
  options: { directory?: string; wrap?: (store: MessageStore) => BrokerStore } = {},
): Promise<Bench> {
  const clock = new ManualClock();
  const dir = options.directory ?? temporaryDirectory();
  // The store's own timers run in real time; only what it writes as the time of a message is the test's.
  const storeClock = { ...systemClock, nowMs: () => clock.nowMs() };
  const store = await openStore({ dir, clock: storeClock, config: { ...smallStore, messageDelayLevel: '10s 60s' } });
  const delivery = new DelayedDelivery({ store: options.wrap?.(store) ?? store, clock, logger: silentLogger });
  delivery.start();
  onTestFinished(async () => {
    await delivery.stop();
    await store.close();
  });
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) {
      clock.runDeferred();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return {
    clock,
    store,
    delivery,
    putDelayed(text, level) {
      const { topic, queueId, properties, ...rest } = message(text);
      store.put({ ...rest, ...delayed({ topic, queueId, properties }, level, 2) }) as PutMessageResult;
    },
    async delivered() {
      const texts: string[] = [];
      for await (const stored of store.iterate('Letters', 0)) texts.push(Buffer.from(stored.body).toString());
      return texts;
    },
    async advance(ms) {
      await turns();
      for (let moved = 0; moved < ms; moved += 500) {
        clock.advance(Math.min(500, ms - moved));
        await turns();
      }
    },
  };
}

test('a message is delivered when it is due, not before, and within a second', async () => {
  const { putDelayed, delivered, advance, store } = await bench();
  putDelayed('one', 1);
  await advance(9_500);
  expect(await delivered()).toEqual([]);
  await advance(1_000);
  expect(await delivered()).toEqual(['one']);
  const first = await store.iterate('Letters', 0).next();
  expect(first.value).toMatchObject({ flag: 9, reconsumeTimes: 2, bornTimestampMs: 1, topic: 'Letters' });
});

test('levels do not wait for one another, and each keeps its order', async () => {
  const { putDelayed, delivered, advance } = await bench();
  putDelayed('slow', 2);
  for (const text of ['a', 'b', 'c']) putDelayed(text, 1);
  await advance(5_000);
  putDelayed('d', 1);
  await advance(6_000);
  expect(await delivered()).toEqual(['a', 'b', 'c']);
  await advance(5_000);
  expect(await delivered()).toEqual(['a', 'b', 'c', 'd']);
  await advance(45_000);
  expect(await delivered()).toEqual(['a', 'b', 'c', 'd', 'slow']);
});

test('many messages that are due together are all delivered, in order', async () => {
  const { putDelayed, delivered, advance } = await bench();
  const texts = Array.from({ length: 500 }, (_, index) => `m${index}`);
  for (const text of texts) putDelayed(text, 1);
  await advance(20_000);
  expect(await delivered()).toEqual(texts);
});

test('nothing ticks while nothing waits', async () => {
  const { clock, putDelayed, delivered, advance, store } = await bench();
  putDelayed('one', 1);
  await advance(12_000);
  expect(await delivered()).toEqual(['one']);
  await store.flush();
  await advance(2_000);
  expect(store.state.delayOffsets.get(1)).toBe(1);
  const schedule = vi.spyOn(clock, 'schedule');
  clock.advance(600_000);
  expect(schedule).not.toHaveBeenCalled();
});

test('progress is kept only once the delivered message is on disk', async () => {
  let flushedOffset = 0;
  const wrap = (store: MessageStore): BrokerStore =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'stats') return () => ({ ...target.stats(), flushedOffset });
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  const { putDelayed, delivered, advance, store } = await bench({ wrap });
  putDelayed('one', 1);
  await advance(12_000);
  expect(await delivered()).toEqual(['one']);
  await advance(5_000);
  expect(store.state.delayOffsets.get(1)).toBeUndefined();
  flushedOffset = store.stats().endPhysicalOffset;
  await advance(2_000);
  expect(store.state.delayOffsets.get(1)).toBe(1);
});

test('what was due while the broker was down is delivered when it comes back, once', async () => {
  const directory = temporaryDirectory();
  const first = await bench({ directory });
  first.putDelayed('one', 1);
  await first.delivery.stop();
  await first.store.close();
  const second = await bench({ directory });
  second.clock.jumpWallClock(60_000);
  await second.advance(3_000);
  // What another process wrote is read on a thread, in real time.
  await vi.waitFor(async () => {
    await second.advance(0);
    expect(await second.delivered()).toEqual(['one']);
  }, 20_000);
  await second.advance(3_000);
  expect(await second.delivered()).toEqual(['one']);
  await second.delivery.stop();
  expect(second.store.state.delayOffsets.get(1)).toBe(1);
});

test('a put that is refused is tried again, and nothing after it is delivered first', async () => {
  let isFull = true;
  const wrap = (store: MessageStore): BrokerStore =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'put' && isFull) return () => ({ status: 'SERVICE_NOT_AVAILABLE', reason: 'The disk is full.' });
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  const { putDelayed, delivered, advance } = await bench({ wrap });
  for (const text of ['a', 'b']) putDelayed(text, 1);
  await advance(15_000);
  expect(await delivered()).toEqual([]);
  isFull = false;
  await advance(3_000);
  expect(await delivered()).toEqual(['a', 'b']);
});

test('a wall clock that is set back does not make messages wait longer than their level', async () => {
  const { clock, putDelayed, delivered, advance } = await bench();
  putDelayed('one', 1);
  clock.jumpWallClock(-3_600_000);
  await advance(11_000);
  expect(await delivered()).toEqual(['one']);
});

test('a wall clock that is set ahead delivers what is due by it within a second', async () => {
  const { clock, putDelayed, delivered, advance } = await bench();
  putDelayed('one', 2);
  await advance(500);
  clock.jumpWallClock(60_000);
  await advance(1_000);
  expect(await delivered()).toEqual(['one']);
});

test('while one message is refused, those behind it are not stored again and again', async () => {
  const bodies: string[] = [];
  let isRefused = true;
  const wrap = (store: MessageStore): BrokerStore =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'put') {
          return (each: MessageToPut) => {
            const text = Buffer.from(each.body).toString();
            if (text === 'b' && isRefused) return { status: 'MESSAGE_ILLEGAL', reason: 'Not this one.' };
            bodies.push(text);
            return target.put(each);
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  const { putDelayed, delivered, advance } = await bench({ wrap });
  for (const text of ['a', 'b', 'c', 'd']) putDelayed(text, 1);
  await advance(20_000);
  expect(bodies).toEqual(['a']);
  isRefused = false;
  await advance(3_000);
  expect(await delivered()).toEqual(['a', 'b', 'c', 'd']);
});

test('a stop counts as delivered what is on disk, and nothing when the disk fails', async () => {
  let fails = true;
  const wrap = (store: MessageStore): BrokerStore =>
    new Proxy(store, {
      get(target, name) {
        if (fails && name === 'flush') return () => Promise.reject(new Error('The sync failed.'));
        if (fails && name === 'stats') return () => ({ ...target.stats(), flushedOffset: 0 });
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  const { putDelayed, delivered, delivery, advance, store } = await bench({ wrap });
  putDelayed('one', 1);
  await advance(12_000);
  expect(await delivered()).toEqual(['one']);
  await delivery.stop();
  expect(store.state.delayOffsets.get(1)).toBeUndefined();
  fails = false;
  await delivery.stop();
  expect(store.state.delayOffsets.get(1)).toBe(1);
});
