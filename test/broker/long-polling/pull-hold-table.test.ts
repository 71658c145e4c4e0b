import { expect, test } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { DeadlineBuckets } from '../../../src/broker/long-polling/deadline-buckets.ts';
import { PullHoldTable } from '../../../src/broker/long-polling/pull-hold-table.ts';
import type { PullToHold } from '../../../src/broker/long-polling/pull-hold-table.ts';
import { TagFilter } from '../../../src/broker/subscription/subscription-data.ts';
import type { MessageArrival } from '../../../src/store/store-types.ts';
import { arrived, FakeConnection } from '../support/fake-connection.ts';

const request = arrived({ code: 11 });

function table(countMax = 100) {
  const clock = new CountingClock();
  const awake: PullToHold[] = [];
  const holds = new PullHoldTable({ clock, countMax, wake: (pull) => awake.push(pull) });
  const hold = (options: Partial<PullToHold> & { forMs?: number } = {}): PullToHold => {
    const { forMs = 15_000, ...rest } = options;
    const pull: PullToHold = {
      request,
      connection: new FakeConnection(),
      topic: 'Letters',
      queueId: 0,
      queueOffset: 5,
      filter: undefined,
      ...rest,
    };
    holds.hold(pull, forMs);
    return pull;
  };
  return { clock, holds, hold, awake };
}

class CountingClock extends ManualClock {
  scheduled = 0;

  override schedule(...args: Parameters<ManualClock['schedule']>): ReturnType<ManualClock['schedule']> {
    this.scheduled++;
    return super.schedule(...args);
  }
}

const arrival = (fields: Partial<MessageArrival> = {}): MessageArrival => ({
  topic: 'Letters',
  queueId: 0,
  queueOffset: 5,
  tagsCode: 0,
  storeTimestampMs: 0,
  physicalOffset: 0,
  sizeBytes: 1,
  properties: '',
  ...fields,
});

test('only the pulls of the queue that a message arrived in are woken, and outside of the put', () => {
  const { clock, holds, hold, awake } = table();
  const [right, otherQueue, otherTopic] = [hold(), hold({ queueId: 1 }), hold({ topic: 'Parcels' })];
  holds.arrived(arrival());
  expect(awake).toEqual([]);
  clock.runDeferred();
  expect(awake.map(({ connection }) => connection)).toEqual([right.connection]);
  expect(holds.count).toBe(2);
  expect([otherQueue, otherTopic].every(({ connection }) => connection.isOpen)).toBe(true);
});

test('a message before the wanted offset, or with another tag, wakes nobody', () => {
  const { clock, holds, hold, awake } = table();
  hold({ filter: new TagFilter([7]) });
  holds.arrived(arrival({ queueOffset: 4, tagsCode: 7 }));
  holds.arrived(arrival({ tagsCode: 8 }));
  clock.runDeferred();
  expect(awake).toEqual([]);
  holds.arrived(arrival({ queueOffset: 6, tagsCode: 7 }));
  clock.runDeferred();
  expect(awake).toHaveLength(1);
});

test('messages that arrive together wake a pull once', () => {
  const { clock, holds, hold, awake } = table();
  hold();
  for (let queueOffset = 5; queueOffset < 10; queueOffset++) holds.arrived(arrival({ queueOffset }));
  clock.runDeferred();
  expect(awake).toHaveLength(1);
});

test('a pull is answered when its time is over: not before, and within a quarter of a second', () => {
  const { clock, hold, awake } = table();
  clock.advance(123);
  hold({ forMs: 1_000 });
  clock.advance(999);
  expect(awake).toEqual([]);
  clock.advance(251);
  expect(awake).toHaveLength(1);
});

test('a pull whose connection is gone is forgotten', () => {
  const { clock, holds, hold, awake } = table();
  const { connection } = hold();
  hold({ connection, queueId: 1 });
  const other = hold();
  holds.connectionClosed(connection);
  expect(holds.count).toBe(1);
  holds.arrived(arrival());
  clock.advance(60_000);
  expect(awake.map((pull) => pull.connection)).toEqual([other.connection]);
});

test('a pull whose connection closes between its wake-up and its answer is not answered', () => {
  const { clock, holds, hold, awake } = table();
  const { connection } = hold();
  holds.arrived(arrival());
  connection.close('gone');
  clock.runDeferred();
  expect(awake).toEqual([]);
});

test('thousands of pulls need a timer now and then, and none when nothing is held', () => {
  const { clock, holds, hold, awake } = table(10_000);
  for (let count = 0; count < 10_000; count++) hold();
  expect(clock.scheduled).toBeLessThan(5);
  expect(holds.isFull).toBe(true);
  clock.advance(16_000);
  expect(awake).toHaveLength(10_000);
  const before = clock.scheduled;
  clock.advance(600_000);
  expect(clock.scheduled).toBe(before);
});

test('deadlines fall due in any order in which they were added', () => {
  const clock = new ManualClock();
  const due: number[] = [];
  const deadlines = new DeadlineBuckets<number>({ clock, granuleMs: 100, onDue: (item) => due.push(item) });
  for (const ms of [5_000, 100, 900, 300]) deadlines.add(ms, ms);
  const bucket = deadlines.add(700, 700);
  deadlines.remove(700, bucket);
  clock.advance(1_000);
  expect(due).toEqual([100, 300, 900]);
  deadlines.clear();
  clock.advance(10_000);
  expect(due).toEqual([100, 300, 900]);
});

test('any number of pulls may fall due at one moment, and are answered a few hundred a turn', () => {
  const { clock, holds, hold, awake } = table(300_000);
  for (let count = 0; count < 300_000; count++) hold({ forMs: 1_000 });
  const deferred: number[] = [];
  const defer = clock.defer.bind(clock);
  clock.defer = (task) => {
    deferred.push(awake.length);
    defer(task);
  };
  clock.advance(2_000);
  expect(awake).toHaveLength(300_000);
  expect(holds.count).toBe(0);
  expect(Math.max(...deferred.slice(1).map((woken, index) => woken - (deferred[index] as number)))).toBe(256);
});

test('held pulls are bounded by the bytes of their headers too', () => {
  const connection = new FakeConnection();
  const clock = new ManualClock();
  const holds = new PullHoldTable({ clock, countMax: 1_000, bytesMax: 1_000_000, wake: () => {} });
  const large = arrived({ code: 11, extFields: { subscription: 'x'.repeat(100_000) } });
  while (!holds.isFull) {
    holds.hold({ request: large, connection, topic: 'Letters', queueId: 0, queueOffset: 0, filter: undefined }, 1_000);
  }
  expect(holds.count).toBe(10);
  clock.advance(2_000);
  expect(holds.isFull).toBe(false);
  expect(holds.count).toBe(0);
  holds.hold({ request: large, connection, topic: 'Letters', queueId: 0, queueOffset: 0, filter: undefined }, 1_000);
  holds.connectionClosed(connection);
  holds.stop();
  expect(holds.count).toBe(0);
});
