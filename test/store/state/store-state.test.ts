import { describe, expect, test } from 'vitest';
import { subscriptionGroupConfig } from '../../../src/model/subscription-group-config.ts';
import { topicConfig } from '../../../src/model/topic-config.ts';
import { MemoryKeyValueStore } from '../../../src/store/state/memory-key-value-store.ts';
import { StoreError } from '../../../src/store/store-errors.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import {
  apacheOffsets,
  CONFIG,
  CountingClock,
  LogKeeper,
  OFFSETS_JSON,
  openState,
  pass,
  QUARANTINE,
  settle,
  TOPICS_JSON,
} from './state-harness.ts';

function machine() {
  const clock = new CountingClock();
  const fileSystem = new CrashableFileSystem({ seed: 1, nowMs: () => clock.nowMs() });
  fileSystem.makeDirectorySync(CONFIG);
  return { clock, fileSystem, keyValues: new MemoryKeyValueStore(), logger: new LogKeeper() };
}

/** The same disk after the process has ended, cleanly or not. */
function again(before: ReturnType<typeof machine>, pendingKept = 0): ReturnType<typeof machine> {
  return { ...before, keyValues: before.keyValues.crash(pendingKept), logger: new LogKeeper() };
}

const textOf = (on: ReturnType<typeof machine>, path: string): string =>
  on.fileSystem.readFileSync(path)?.toString() ?? '(missing)';

describe('the tables', () => {
  test('keep topics, groups, offsets and delay offsets over a clean stop', async () => {
    const first = machine();
    const state = await openState(first);
    state.topics.put(
      topicConfig('orders', { readQueueNums: 4, writeQueueNums: 4, attributes: { 'message.type': 'FIFO' } }),
    );
    state.groups.put(subscriptionGroupConfig('billing', { retryMaxTimes: 3 }));
    state.consumerOffsets.commit('billing', 'orders', 0, 17);
    state.consumerOffsets.commit('billing', 'orders', 65_535, 2 ** 53 - 1);
    state.delayOffsets.set(3, 99);
    const { counter } = state.topics.dataVersion;
    await settle(state.close(), first.clock);

    const reopened = await openState(again(first));
    expect(reopened.topics.get('orders')).toEqual(state.topics.get('orders'));
    expect(reopened.topics.dataVersion.counter).toBe(counter);
    expect(reopened.groups.get('billing')?.retryMaxTimes).toBe(3);
    expect(reopened.consumerOffsets.fetch('billing', 'orders', 0)).toBe(17);
    expect(reopened.consumerOffsets.fetch('billing', 'orders', 1)).toBeUndefined();
    expect(reopened.consumerOffsets.fetch('billing', 'orders', 65_535)).toBe(2 ** 53 - 1);
    expect(reopened.delayOffsets.get(3)).toBe(99);
  });

  test('forget for good what was deleted', async () => {
    const first = machine();
    const state = await openState(first);
    for (const topic of ['a', 'b']) {
      state.topics.put(topicConfig(topic));
      for (const group of ['x', 'y']) state.consumerOffsets.commit(group, topic, 1, 5);
    }
    await settle(state.whenDurable(), first.clock);
    expect(state.topics.delete('a')).toBe(true);
    expect(state.topics.delete('a')).toBe(false);
    state.consumerOffsets.removeTopic('a');
    state.consumerOffsets.removeGroup('y');
    await settle(state.whenDurable(), first.clock);

    const reopened = await openState(again(first));
    expect([...reopened.topics.names()]).toEqual(['b']);
    expect(reopened.consumerOffsets.topicsOf('x')).toEqual(['b']);
    expect(reopened.consumerOffsets.groupsOf('b')).toEqual(['x']);
    expect(reopened.consumerOffsets.fetch('y', 'b', 1)).toBeUndefined();
  });

  test('keep an offset that is committed right after its group was removed', async () => {
    const first = machine();
    const state = await openState(first);
    state.consumerOffsets.commit('x', 'a', 0, 50);
    await settle(state.whenDurable(), first.clock);
    state.consumerOffsets.removeGroup('x');
    state.consumerOffsets.commit('x', 'a', 0, 3);
    await settle(state.whenDurable(), first.clock);
    const reopened = await openState(again(first));
    expect(reopened.consumerOffsets.fetch('x', 'a', 0)).toBe(3);
  });

  test('tell listeners of each change and move the data version', async () => {
    const on = machine();
    const state = await openState(on);
    const seen: string[] = [];
    const stop = state.topics.onChange((name, config) =>
      seen.push(`${name} ${config === undefined ? 'gone' : 'there'}`),
    );
    const before = state.topics.dataVersion.counter;
    state.topics.put(topicConfig('a'));
    state.topics.delete('a');
    stop();
    state.topics.put(topicConfig('b'));
    expect(seen).toEqual(['a there', 'a gone']);
    expect(state.topics.dataVersion.counter).toBe(before + 3);
  });

  test('refuse names and numbers that may not be', async () => {
    const state = await openState(machine());
    expect(() => state.topics.put(topicConfig('../etc'))).toThrow(StoreError);
    expect(() => state.groups.put(subscriptionGroupConfig(''))).toThrow(StoreError);
    expect(() => state.consumerOffsets.commit('g', 'a@b', 0, 1)).toThrow(StoreError);
    expect(() => state.consumerOffsets.commit('g', 'a', 65_536, 1)).toThrow(StoreError);
    expect(() => state.consumerOffsets.commit('g', 'a', 0, -1)).toThrow(StoreError);
    expect(() => state.consumerOffsets.commit('g', 'a', 0, 2 ** 53)).toThrow(StoreError);
    expect(() => state.delayOffsets.set(0, 1)).toThrow(StoreError);
    expect([...state.consumerOffsets.groups()]).toEqual([]);
  });

  test('keep pull offsets in memory only', async () => {
    const first = machine();
    const state = await openState(first);
    state.consumerOffsets.commitPull('g', 'a', 2, 8);
    expect(state.consumerOffsets.fetchPull('g', 'a', 2)).toBe(8);
    expect(state.consumerOffsets.fetch('g', 'a', 2)).toBeUndefined();
    await settle(state.close(), first.clock);
    const reopened = await openState(again(first));
    expect(reopened.consumerOffsets.fetchPull('g', 'a', 2)).toBeUndefined();
  });
});

describe('durability', () => {
  test('an offset that is 100 ms old survives the end of the process, a younger one may not', async () => {
    const first = machine();
    const state = await openState(first);
    state.consumerOffsets.commit('g', 'a', 0, 10);
    await pass(100, first.clock);
    state.consumerOffsets.commit('g', 'a', 0, 11);
    const reopened = await openState(again(first));
    expect(reopened.consumerOffsets.fetch('g', 'a', 0)).toBe(10);
  });

  test('a thousand commits of one queue within the interval are one row', async () => {
    const on = machine();
    const state = await openState(on);
    const commits: number[] = [];
    const commit = on.keyValues.commit.bind(on.keyValues);
    on.keyValues.commit = (changes) => {
      commits.push(changes.filter(({ key }) => key.startsWith('o/')).length);
      return commit(changes);
    };
    for (let offset = 0; offset < 1_000; offset++) state.consumerOffsets.commit('g', 'a', 0, offset);
    await pass(60, on.clock);
    expect(commits).toEqual([1]);
  });

  test('a full disk is reported, the rows stay and are written when there is room', async () => {
    const first = machine();
    const failures: [string, boolean][] = [];
    const state = await openState(first, { onFailed: (error, isFinal) => failures.push([error.code, isFinal]) });
    first.keyValues.refuseWith(new StoreError('ERR_STORE_NO_SPACE', 'There is no room.'));
    state.consumerOffsets.commit('g', 'a', 0, 10);
    state.topics.put(topicConfig('a'));
    await expect(settle(state.topics.whenDurable(), first.clock)).rejects.toThrow('no room');
    expect(failures).toEqual([['ERR_STORE_NO_SPACE', false]]);
    expect(state.failure).toBeUndefined();
    expect(state.topics.has('a')).toBe(true);

    state.consumerOffsets.removeGroup('g');
    state.consumerOffsets.commit('g', 'a', 0, 4);
    first.keyValues.refuseWith(undefined);
    await settle(state.whenDurable(), first.clock);
    const reopened = await openState(again(first));
    expect(reopened.consumerOffsets.fetch('g', 'a', 0)).toBe(4);
    expect(reopened.topics.has('a')).toBe(true);
  });

  test('any other failure fences: nothing is promised after it', async () => {
    const on = machine();
    const failures: [string, boolean][] = [];
    const state = await openState(on, { onFailed: (error, isFinal) => failures.push([error.code, isFinal]) });
    on.keyValues.refuseWith(new StoreError('ERR_STORE_FENCED', 'The disk is broken.'));
    state.topics.put(topicConfig('a'));
    await expect(settle(state.topics.whenDurable(), on.clock)).rejects.toThrow('broken');
    on.keyValues.refuseWith(undefined);
    await expect(settle(state.consumerOffsets.flush(), on.clock)).rejects.toThrow('broken');
    expect(failures).toEqual([['ERR_STORE_FENCED', true]]);
    await expect(settle(state.close(), on.clock)).rejects.toThrow('broken');
    expect(on.keyValues.pendingCommitCount).toBe(0);
  });

  test('200,000 offsets are exported and committed in slices', async () => {
    const on = machine();
    const state = await openState(on);
    for (let group = 0; group < 1_000; group++) {
      for (let queueId = 0; queueId < 200; queueId++)
        state.consumerOffsets.commit(`group_${group}`, 'orders', queueId, queueId);
    }
    on.clock.deferredCount = 0;
    await settle(state.whenDurable(), on.clock);
    const commitTurns = on.clock.deferredCount; // 7,000 rows of 32 queues, 512 rows a slice
    expect(commitTurns).toBeGreaterThanOrEqual(13);
    on.clock.deferredCount = 0;
    await settle(state.exportAll(), on.clock);
    expect(on.clock.deferredCount).toBeGreaterThanOrEqual(27); // 7,000 pieces, 256 a slice
    const reopened = await openState({ ...machine(), fileSystem: on.fileSystem });
    expect(reopened.consumerOffsets.offsetsOf('group_999', 'orders').size).toBe(200);
  });
});

describe("Apache's files", () => {
  test('are written soon after a topic changes, with the previous one as .bak', async () => {
    const on = machine();
    const state = await openState(on);
    state.topics.put(topicConfig('first'));
    await pass(150, on.clock);
    expect(textOf(on, TOPICS_JSON)).toContain('"first"');
    state.topics.put(topicConfig('second'));
    await pass(150, on.clock);
    expect(textOf(on, TOPICS_JSON)).toContain('"second"');
    expect(textOf(on, `${TOPICS_JSON}.bak`)).toContain('"first"');
    expect(textOf(on, `${TOPICS_JSON}.bak`)).not.toContain('"second"');
  });

  test('of offsets are written each interval while they change, and not otherwise', async () => {
    const on = machine();
    const state = await openState(on);
    state.consumerOffsets.commit('g', 'a', 0, 1);
    await pass(4_900, on.clock);
    expect(textOf(on, OFFSETS_JSON)).toBe('(missing)');
    await pass(200, on.clock);
    expect(textOf(on, OFFSETS_JSON)).toContain('"a@g":{\n\t\t\t0:1\n\t\t}');
    const operations = on.fileSystem.operationCount;
    await pass(12_000, on.clock);
    expect(on.fileSystem.operationCount).toBe(operations);
  });

  test('of a first open are imported, with loose keys and members that we do not know', async () => {
    const on = machine();
    on.fileSystem.replaceFileSync(
      OFFSETS_JSON,
      Buffer.from(apacheOffsets({ 'a@g': { 0: 5, 7: 9 }, '%RETRY%g@g': { 0: 1 } })),
    );
    const topics = {
      a: { topicName: 'a', readQueueNums: 2, writeQueueNums: 2, perm: 6, topicFilterType: 'SINGLE_TAG', novelty: 1 },
    };
    on.fileSystem.replaceFileSync(
      TOPICS_JSON,
      Buffer.from(JSON.stringify({ dataVersion: { counter: 3 }, topicConfigTable: topics })),
    );
    const state = await openState(on);
    expect(state.consumerOffsets.offsetsOf('g', 'a')).toEqual(
      new Map([
        [0, 5],
        [7, 9],
      ]),
    );
    expect(state.consumerOffsets.dataVersion).toEqual({ counter: 7, stateVersion: 0, timestamp: 1_700_000_000_000 });
    expect(state.topics.get('a')).toMatchObject({ readQueueNums: 2, order: false, novelty: 1 });
    await settle(state.close(), on.clock);
    expect(textOf(on, TOPICS_JSON)).toContain('"novelty":1');
  });

  test('that Apache wrote meanwhile win over the tables', async () => {
    const first = machine();
    const state = await openState(first);
    state.consumerOffsets.commit('g', 'a', 0, 10);
    state.consumerOffsets.commit('gone', 'a', 0, 10);
    await settle(state.close(), first.clock);
    first.fileSystem.replaceFileSync(OFFSETS_JSON, Buffer.from(apacheOffsets({ 'a@g': { 0: 25 } })));

    const second = again(first);
    const reopened = await openState(second);
    expect(reopened.consumerOffsets.fetch('g', 'a', 0)).toBe(25);
    expect(reopened.consumerOffsets.fetch('gone', 'a', 0)).toBeUndefined();
    reopened.consumerOffsets.commit('g', 'a', 0, 30);
    await settle(reopened.whenDurable(), second.clock);

    // Killed before any export: the file is still Apache's, and it was imported already.
    const third = await openState(again(second));
    expect(third.consumerOffsets.fetch('g', 'a', 0)).toBe(30);
    expect(third.consumerOffsets.fetch('gone', 'a', 0)).toBeUndefined();
  });

  test('are not taken for imported while a part of them found no room', async () => {
    const first = machine();
    const offsets = Object.fromEntries(Array.from({ length: 1_200 }, (_, group) => [`a@group_${group}`, { 0: 5 }]));
    first.fileSystem.replaceFileSync(OFFSETS_JSON, Buffer.from(apacheOffsets(offsets)));
    const commit = first.keyValues.commit.bind(first.keyValues);
    let commitCount = 0;
    first.keyValues.commit = (changes) => {
      commitCount += 1;
      const isFirst = commitCount === 1;
      return isFirst ? Promise.reject(new StoreError('ERR_STORE_NO_SPACE', 'There is no room.')) : commit(changes);
    };
    await expect(openState(first)).rejects.toThrow('no room');
    expect(commitCount).toBeGreaterThan(1);
    const reopened = await openState(again(first));
    expect(reopened.consumerOffsets.groupsOf('a')).toHaveLength(1_200);
  });

  test('with entries that may not be are imported without them, and each is named', async () => {
    const on = machine();
    const text = apacheOffsets({ 'a@g': { 0: 5 }, '../../x@g': { 0: 1 }, 'a@b@c': { 0: 1 } }).replace(
      '0:5',
      '0:5,70000:1,2:-4',
    );
    on.fileSystem.replaceFileSync(OFFSETS_JSON, Buffer.from(text));
    const topics = { '../x': {}, ok: { perm: 6 }, bad: { perm: 'x' }, __proto__x: { perm: 6 } };
    on.fileSystem.replaceFileSync(TOPICS_JSON, Buffer.from(JSON.stringify({ topicConfigTable: topics })));
    const state = await openState(on);
    expect([...state.topics.names()]).toEqual(['ok', '__proto__x']);
    expect(state.consumerOffsets.offsetsOf('g', 'a')).toEqual(new Map([[0, 5]]));
    const skipped = on.logger.of('store.state.entry-skipped').map(({ entry }) => entry);
    expect(skipped).toEqual(['../x', 'bad', 'a@g queue 2', 'a@g queue 70000', '../../x@g', 'a@b@c']);
  });

  test('that are empty or unparsable fall back to .bak, as Apache does', async () => {
    for (const damaged of ['', '{"dataVersion":', '[]', '{}', '\u0000\u0000']) {
      const on = machine();
      on.fileSystem.replaceFileSync(OFFSETS_JSON, Buffer.from(damaged));
      on.fileSystem.replaceFileSync(`${OFFSETS_JSON}.bak`, Buffer.from(apacheOffsets({ 'a@g': { 0: 5 } })));
      const state = await openState(on);
      expect(state.consumerOffsets.fetch('g', 'a', 0)).toBe(5);
      expect(on.logger.of('store.state.file-damaged')).toHaveLength(1);
      expect(on.fileSystem.listSync(QUARANTINE)).toHaveLength(1);
    }
  });

  test('that are all damaged lose against the key-value store and are written again', async () => {
    const first = machine();
    const state = await openState(first);
    state.topics.put(topicConfig('a'));
    await settle(state.close(), first.clock);
    first.fileSystem.replaceFileSync(TOPICS_JSON, Buffer.from('{'));
    first.fileSystem.replaceFileSync(`${TOPICS_JSON}.bak`, Buffer.from('{'));
    const second = again(first);
    const reopened = await openState(second);
    expect(reopened.topics.has('a')).toBe(true);
    expect(second.logger.of('store.state.file-ignored')).toHaveLength(1);
    await pass(200, second.clock);
    expect(textOf(second, TOPICS_JSON)).toContain('"a"');
  });

  test.each([
    ['the file', '{', undefined],
    ['the .bak', undefined, '{'],
    ['both', '', '{'],
  ])('refuse the open when %s can not be read and nothing else has the table', async (_name, main, backup) => {
    const on = machine();
    if (main !== undefined) on.fileSystem.replaceFileSync(TOPICS_JSON, Buffer.from(main));
    if (backup !== undefined) on.fileSystem.replaceFileSync(`${TOPICS_JSON}.bak`, Buffer.from(backup));
    const before = on.fileSystem.files();
    await expect(openState(on)).rejects.toMatchObject({ code: 'ERR_STORE_BAD_FILE', details: { path: TOPICS_JSON } });
    expect(on.fileSystem.files()).toEqual(before);
  });

  test('rebuild the tables when the key-value store was lost, and the log says what may be old', async () => {
    const first = machine();
    const state = await openState(first);
    state.topics.put(topicConfig('a'));
    state.consumerOffsets.commit('g', 'a', 0, 10);
    await settle(state.close(), first.clock);
    const second = {
      ...machine(),
      fileSystem: first.fileSystem,
      keyValues: new MemoryKeyValueStore({ origin: 'rebuilt' }),
    };
    const rebuilt = await openState(second);
    expect(rebuilt.topics.has('a')).toBe(true);
    expect(rebuilt.consumerOffsets.fetch('g', 'a', 0)).toBe(10);
    expect(second.logger.of('store.state.rebuilt')).toHaveLength(1);
  });

  test('an own older .bak does not win when the file is damaged', async () => {
    const first = machine();
    const state = await openState(first);
    state.consumerOffsets.commit('g', 'a', 0, 10);
    await settle(state.exportAll(), first.clock);
    state.consumerOffsets.commit('g', 'a', 0, 20);
    await settle(state.close(), first.clock);
    expect(textOf(first, `${OFFSETS_JSON}.bak`)).toContain('0:10');
    first.fileSystem.truncate(OFFSETS_JSON, 5);
    const reopened = await openState(again(first));
    expect(reopened.consumerOffsets.fetch('g', 'a', 0)).toBe(20);
  });

  test('a .bak that an operator puts back is taken', async () => {
    const first = machine();
    const state = await openState(first);
    state.topics.put(topicConfig('a'));
    await settle(state.exportAll(), first.clock);
    state.topics.delete('a');
    await settle(state.close(), first.clock);
    first.fileSystem.renameSync(`${TOPICS_JSON}.bak`, TOPICS_JSON);
    const reopened = await openState(again(first));
    expect(reopened.topics.has('a')).toBe(true);
  });

  test('that take long to write are written less often', async () => {
    const on = machine();
    const state = await openState(on);
    await pass(200, on.clock);
    on.fileSystem.hold('replaceFile');
    state.topics.put(topicConfig('a'));
    await pass(200, on.clock);
    on.fileSystem.release('replaceFile');
    await pass(10, on.clock);
    expect(textOf(on, TOPICS_JSON)).toContain('"a"');
    state.topics.put(topicConfig('b'));
    await pass(1_500, on.clock);
    expect(textOf(on, TOPICS_JSON)).not.toContain('"b"');
    await pass(1_500, on.clock);
    expect(textOf(on, TOPICS_JSON)).toContain('"b"');
  });

  test('a failed export is logged, tried again and loses nothing', async () => {
    const on = machine();
    const state = await openState(on);
    await pass(200, on.clock);
    on.fileSystem.failNth('replaceFile', 1, 'EIO');
    state.topics.put(topicConfig('a'));
    await pass(200, on.clock);
    expect(on.logger.of('store.state.export-failed')).toHaveLength(1);
    await pass(6_000, on.clock);
    expect(textOf(on, TOPICS_JSON)).toContain('"a"');
    const reopened = await openState(again(on));
    expect(reopened.topics.has('a')).toBe(true);
  });
});
