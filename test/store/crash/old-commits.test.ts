import { beforeEach, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { MemoryKeyValueStore } from '../../../src/store/state/memory-key-value-store.ts';
import { OldCommits } from '../../support/old-commits.ts';

const COMMIT_INTERVAL_MS = 25;

let clock: ManualClock;
let commits: OldCommits;

beforeEach(() => {
  clock = new ManualClock();
  commits = new OldCommits(clock, COMMIT_INTERVAL_MS);
});

/** Begins work that ends when the answer is called. */
function beginWork(): () => Promise<void> {
  let end = (): void => undefined;
  const watched = commits.watch(() => new Promise<void>((resolve) => (end = resolve)));
  return () => {
    end();
    return watched;
  };
}

it('demands an offset when it is 100 ms old, and once', () => {
  commits.add(7);
  clock.advance(1);
  commits.add(8);
  clock.advance(98);
  expect(commits.takeOld()).toBeUndefined();
  clock.advance(1);
  expect(commits.takeOld()).toBe(7);
  expect(commits.takeOld()).toBeUndefined();
  clock.advance(1);
  expect(commits.takeOld()).toBe(8);
});

it('demands nothing that waits for a sync that has not ended', async () => {
  commits.add(7);
  clock.advance(20);
  const end = beginWork();
  clock.advance(200);
  expect(commits.takeOld()).toBeUndefined();
  await end();
  clock.advance(COMMIT_INTERVAL_MS + 4 * 200 - 220 - 1);
  expect(commits.takeOld()).toBeUndefined();
  clock.advance(1);
  expect(commits.takeOld()).toBe(7);
});

it('waits as long for every offset after a slow sync, and not longer for a slower one of several', async () => {
  const endSlow = beginWork();
  clock.advance(10);
  const endQuick = beginWork();
  clock.advance(40);
  await endQuick();
  await endSlow();
  commits.add(7);
  clock.advance(COMMIT_INTERVAL_MS + 4 * 50 - 1);
  expect(commits.takeOld()).toBeUndefined();
  clock.advance(1);
  expect(commits.takeOld()).toBe(7);
});

it('watches the batches of a key-value store and says when they are durable', async () => {
  const durable: string[] = [];
  const memory = new MemoryKeyValueStore();
  const commit = memory.commit.bind(memory);
  let sync = (): void => undefined;
  memory.commit = (changes) => new Promise<void>((resolve) => (sync = resolve)).then(() => commit(changes));
  const keyValues = commits.watchBatches(memory, (changes) => durable.push(...changes.map(({ key }) => key)));
  commits.add(7);
  const batch = keyValues.commit([{ key: 'a', value: Buffer.from('x') }]);
  clock.advance(150);
  expect(commits.takeOld()).toBeUndefined();
  expect(durable).toEqual([]);
  sync();
  await batch;
  expect(durable).toEqual(['a']);
  expect(keyValues.get('a')?.toString()).toBe('x');
});
