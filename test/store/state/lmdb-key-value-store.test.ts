import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { ManualClock, systemClock } from '../../../src/base/clock.ts';
import { Prng } from '../../../src/base/prng.ts';
import { NodeFileSystem } from '../../../src/store/node-file-system.ts';
import type { KeyValueStore } from '../../../src/store/state/key-value-store.ts';
import { openLmdbKeyValueStore, type LmdbOptions } from '../../../src/store/state/lmdb-key-value-store.ts';
import { MemoryKeyValueStore } from '../../../src/store/state/memory-key-value-store.ts';
import { StoreState } from '../../../src/store/state/store-state.ts';
import { canMountTmpfs, mountTmpfs, scratchDirectory } from '../../native/support/scratch.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { LogKeeper } from './state-harness.ts';

const MIB = 1024 * 1024;
const fileSystem = new NodeFileSystem();
const scratch = scratchDirectory();
const mountable = canMountTmpfs(scratch);

function options(root: string): LmdbOptions & { readonly logger: LogKeeper } {
  return {
    directory: join(root, 'cometmq/state'),
    quarantineDirectory: join(root, 'cometmq/quarantine'),
    fileSystem,
    clock: systemClock,
    logger: new LogKeeper(),
  };
}

const row = (key: string, value: string) => ({ key, value: Buffer.from(value) });
const contents = (store: KeyValueStore, prefix: string): [string, string][] =>
  [...store.range(prefix)].map(({ key, value }) => [key, value.toString()]);

/** One row a key, enough for a tree of several levels, and some too large for a page. */
async function fill(root: string): Promise<void> {
  const store = await openLmdbKeyValueStore(options(root));
  const rows = Array.from({ length: 800 }, (_, index) => row(`o/topic@group@${index}`, 'x'.repeat(100)));
  await store.commit([...rows, row('t/large', 'y'.repeat(20_000))]);
  await store.commit([row('o/topic@group@5', 'changed'), { key: 'o/topic@group@6', value: undefined }]);
  await store.close();
}

describe.each([
  ['LMDB', () => openLmdbKeyValueStore(options(temporaryDirectory()))],
  ['memory', () => Promise.resolve(new MemoryKeyValueStore())],
])('a key-value store (%s)', (_name, open) => {
  test('gives back what was committed, in the order of the keys', async () => {
    const store = await open();
    expect(store.origin).toBe('new');
    await store.commit([row('b/2', 'two'), row('b/10', 'ten'), row('c/', 'other'), row('b/é', 'ü'), row('a', '')]);
    expect(contents(store, 'b/')).toEqual([
      ['b/10', 'ten'],
      ['b/2', 'two'],
      ['b/é', 'ü'],
    ]);
    expect(store.get('a')).toEqual(Buffer.alloc(0));
    expect(store.get('b/3')).toBeUndefined();
    await store.close();
    await store.close();
  });

  test('takes the later of two changes of a key, in one batch and over batches in flight', async () => {
    const store = await open();
    const commits = [
      store.commit([row('a', '1'), row('a', '2')]),
      store.commit([{ key: 'a', value: undefined }, row('b', '1')]),
      store.commit([row('a', '3'), { key: 'b', value: undefined }, { key: 'nothing', value: undefined }]),
    ];
    await Promise.all(commits);
    expect(contents(store, '')).toEqual([['a', '3']]);
    await store.close();
    await expect(store.commit([row('a', '4')])).rejects.toMatchObject({ code: 'ERR_STORE_CLOSED' });
  });

  test('close waits for what is in flight', async () => {
    const store = await open();
    let isDone = false;
    const commit = store.commit([row('a', '1')]).then(() => (isDone = true));
    await store.close();
    expect(isDone).toBe(true);
    await commit;
  });
});

describe('LMDB', () => {
  test('keeps its rows over a reopen, readable by their owner only', async () => {
    const root = temporaryDirectory();
    await fill(root);
    expect(statSync(join(root, 'cometmq/state/data.mdb')).mode & 0o777).toBe(0o600);
    expect(statSync(join(root, 'cometmq/state/lock.mdb')).mode & 0o777).toBe(0o600);
    const store = await openLmdbKeyValueStore(options(root));
    expect(store.origin).toBe('existing');
    expect([...store.range('o/')]).toHaveLength(799);
    expect(store.get('o/topic@group@5')?.toString()).toBe('changed');
    expect(store.get('t/large')).toHaveLength(20_000);
    await store.close();
  });

  test('tells that its files were lost from a first open', async () => {
    const root = temporaryDirectory();
    await fill(root);
    rmSync(join(root, 'cometmq/state'), { recursive: true });
    const store = await openLmdbKeyValueStore(options(root));
    expect(store.origin).toBe('rebuilt');
    expect([...store.range('')]).toEqual([]);
    await store.close();
  });

  test('moves files that are cut to the quarantine and begins anew', async () => {
    const root = temporaryDirectory();
    await fill(root);
    const data = join(root, 'cometmq/state/data.mdb');
    const whole = usedPartOf(data);
    for (const sizeBytes of [1, 100, 4_096, 10_000, whole.length - 4_096]) {
      writeFileSync(data, whole);
      truncateSync(data, sizeBytes);
      const opened = options(root);
      const store = await openLmdbKeyValueStore(opened);
      expect(store.origin).toBe('rebuilt');
      await store.close();
      const [moved] = opened.logger.of('store.state.environment-damaged');
      expect(statSync(join(String(moved?.['movedTo']), 'data.mdb')).size).toBe(sizeBytes);
    }
  });

  test('with any bit flipped gives the rows as they were or none, and does not end the process', async () => {
    const root = temporaryDirectory();
    await fill(root);
    const whole = usedPartOf(join(root, 'cometmq/state/data.mdb'));
    const expected = await readBack(root);
    const prng = new Prng(7);
    const outcomes = { same: 0, rebuilt: 0, refused: 0 };
    for (let round = 0; round < 150; round++) {
      const damaged = Buffer.from(whole);
      const page = prng.below(whole.length / 4_096);
      // Half of the flips hit a page's header or the meta pages' fields, where they hurt most.
      const position = page * 4_096 + prng.below(prng.chance(0.5) ? 160 : 4_096);
      damaged.writeUInt8(damaged.readUInt8(position) ^ (1 << prng.below(8)), position);
      const copy = temporaryDirectory();
      fileSystem.makeDirectorySync(join(copy, 'cometmq/state'));
      writeFileSync(join(copy, 'cometmq/state/data.mdb'), damaged);
      try {
        const found = await readBack(copy);
        if (found.size === 0) outcomes.rebuilt += 1;
        else if (isSame(found, expected)) outcomes.same += 1;
        else throw new Error(`bit flip at ${position}: rows differ`);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_STORE_BAD_FILE' });
        outcomes.refused += 1;
      }
    }
    expect(outcomes.rebuilt).toBeGreaterThan(20);
  });

  test('finds its own files good, whatever was put, replaced and removed', async () => {
    const root = temporaryDirectory();
    const prng = new Prng(11);
    for (let round = 0; round < 12; round++) {
      const opened = options(root);
      const store = await openLmdbKeyValueStore(opened);
      expect(opened.logger.lines).toEqual([]);
      for (let batch = 0; batch < 8; batch++) {
        const change = () => {
          const key = `o/${'k'.repeat(prng.below(60))}${prng.below(3_000)}`;
          return prng.chance(0.3)
            ? { key, value: undefined }
            : { key, value: prng.bytes(prng.below(prng.chance(0.02) ? 9_000 : 260)) };
        };
        await store.commit(Array.from({ length: prng.below(400) }, change));
      }
      await store.close();
    }
  });

  test('finds a row good that lies in more pages than it needs, as LMDB leaves one that became shorter', async () => {
    const root = temporaryDirectory();
    const store = await openLmdbKeyValueStore(options(root));
    await store.commit([row('large', 'x'.repeat(9_000)), row('large', 'y'.repeat(3_000))]);
    await store.close();
    const opened = options(root);
    const reopened = await openLmdbKeyValueStore(opened);
    expect(opened.logger.lines).toEqual([]);
    expect(reopened.get('large')?.toString()).toBe('y'.repeat(3_000));
    await reopened.close();
  });

  test('refuses a file of another format version instead of throwing it away', async () => {
    const root = temporaryDirectory();
    await fill(root);
    const data = join(root, 'cometmq/state/data.mdb');
    const bytes = readFileSync(data);
    bytes.writeUInt32LE(3, 28);
    writeFileSync(data, bytes);
    await expect(openLmdbKeyValueStore(options(root))).rejects.toMatchObject({ code: 'ERR_STORE_BAD_FILE' });
    expect(readFileSync(data)).toEqual(bytes);
  });

  test('grows beyond the address space that it was given, and says early that it will', async () => {
    const opened = { ...options(temporaryDirectory()), mapSizeBytes: MIB };
    const store = await openLmdbKeyValueStore(opened);
    await store.commit([row('a', 'x'.repeat(2 * MIB))]);
    await store.commit([row('b', 'y')]);
    await store.close();
    expect(opened.logger.of('store.state.nearly-full')).toHaveLength(0);
    const reopened = await openLmdbKeyValueStore(opened);
    expect(reopened.get('a')).toHaveLength(2 * MIB);
    expect(reopened.get('b')?.toString()).toBe('y');
    expect(opened.logger.of('store.state.nearly-full')).toHaveLength(1);
    await reopened.close();
  });

  // In memory where there is such a file system: a disk that other work keeps busy makes a sync slow, and then little is demanded.
  test('an offset that is 100 ms old survives kill -9', { timeout: 60_000 }, async () => {
    for (const lifeMs of [400, 650]) {
      const root = temporaryDirectory(existsSync('/dev/shm') ? '/dev/shm' : undefined);
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'run-typescript.mjs'), join(import.meta.dirname, 'committing-process.ts')],
        {
          env: { ...process.env, STATE_ROOT: root },
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let promised = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        promised = Number(line);
        if (promised >= lifeMs) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
      const opened = options(root);
      const keyValues = await openLmdbKeyValueStore(opened);
      expect(keyValues.origin).toBe('existing');
      const state = await StoreState.open({
        ...opened,
        keyValues,
        configDirectory: join(root, 'config'),
        offsetCommitIntervalMs: 50,
        offsetExportIntervalMs: 5_000,
      });
      for (let queueId = 0; queueId < 40; queueId++) {
        expect(state.consumerOffsets.fetch('g', 'orders', queueId)).toBeGreaterThanOrEqual(promised);
      }
      await state.close();
    }
  });
});

/** LMDB damages the heap when a write of its pages fails (src/store/state/lmdb-room.ts), so it must not be the one who finds out. */
const refusedBeforeLmdb = { code: 'ERR_STORE_NO_SPACE', cause: { code: 'ERR_FS_NO_SPACE' } };

describe.skipIf(!mountable)('LMDB on a full disk (needs root on Linux, to mount a small tmpfs)', () => {
  /** Takes all that is left. */
  function takeRest(disk: string): void {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize));
    expect(statfsSync(disk).bavail).toBe(0);
  }

  test('never meets it: what it was given room for is written, the rest is refused before', async () => {
    const disk = mountTmpfs(scratch, 24 * MIB);
    const prng = new Prng(5);
    const expected = new Map<string, string>();
    const outcomes = { written: 0, refused: 0 };
    let store = await openLmdbKeyValueStore(options(disk));
    const commit = async (changes: { key: string; value: Buffer }[]): Promise<void> => {
      try {
        await store.commit(changes);
      } catch (error) {
        outcomes.refused += 1;
        expect(error).toMatchObject(refusedBeforeLmdb);
        return;
      }
      outcomes.written += 1;
      for (const { key, value } of changes) expected.set(key, value.toString());
    };
    for (let cycle = 0; cycle < 12; cycle++) {
      // Values from small to larger than a page, keys all over the tree, batches of one row and of hundreds.
      const change = () =>
        row(
          `o/${prng.below(6_000)}`,
          'x'.repeat(prng.below(prng.chance(0.03) ? 6_000 : cycle % 4 === 3 ? 1_900 : 120)),
        );
      const batch = (rowCountMax: number) => Array.from({ length: 1 + prng.below(rowCountMax) }, change);
      await commit(batch(400));
      takeRest(disk);
      for (let round = 0; round < 40; round++) await commit(batch(prng.chance(0.8) ? 4 : 600));
      expect(isSame(new Map(contents(store, '')), expected)).toBe(true);
      rmSync(join(disk, 'filler'));
      if (cycle % 4 !== 3) continue;
      await store.close();
      const opened = options(disk);
      store = await openLmdbKeyValueStore(opened);
      expect(opened.logger.lines).toEqual([]);
    }
    await store.close();
    expect(outcomes.written).toBeGreaterThan(100);
    expect(outcomes.refused).toBeGreaterThan(20);
  });

  test('takes the place of holes too, which a copy of its file may have', async () => {
    const disk = mountTmpfs(scratch, 4 * MIB);
    await fill(disk);
    const data = join(disk, 'cometmq/state/data.mdb');
    const used = usedPartOf(data);
    const sizeBytes = statSync(data).size;
    truncateSync(data, used.length);
    truncateSync(data, sizeBytes);
    const store = await openLmdbKeyValueStore(options(disk));
    takeRest(disk);
    await expect(store.commit([row('o/topic@group@7', 'new')])).rejects.toMatchObject(refusedBeforeLmdb);
    rmSync(join(disk, 'filler'));
    await store.commit([row('o/topic@group@7', 'new')]);
    expect(statSync(data).blocks * 512).toBeGreaterThanOrEqual(sizeBytes);
    await store.close();
  });

  test('refuses the batches, lets no rejection escape, and goes on when there is room', async () => {
    const disk = mountTmpfs(scratch, MIB);
    const escaped: unknown[] = [];
    const note = (error: unknown): void => void escaped.push(error);
    process.on('unhandledRejection', note);
    try {
      const store = await openLmdbKeyValueStore(options(disk));
      await store.commit([row('a', '1')]);
      writeFileSync(join(disk, 'filler'), Buffer.alloc(MIB - 256 * 1024));
      for (let round = 0; round < 3; round++) {
        const commits = [1, 2, 3].map((part) => store.commit([row(`b/${part}`, 'x'.repeat(300_000)), row('a', '2')]));
        for (const outcome of await Promise.allSettled(commits)) {
          expect(outcome).toMatchObject({ status: 'rejected', reason: refusedBeforeLmdb });
        }
      }
      expect(store.get('a')?.toString()).toBe('1');
      rmSync(join(disk, 'filler'));
      await store.commit([row('a', '3')]);
      expect(contents(store, '')).toEqual([['a', '3']]);
      await store.close();
      expect(escaped).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });
});

/** Without the zeros for pages to come. */
function usedPartOf(path: string): Buffer {
  const bytes = readFileSync(path);
  const lastPage = Math.max(...[0, 4_096].map((page) => Number(bytes.readBigUInt64LE(page + 144))));
  return bytes.subarray(0, (lastPage + 1) * 4_096);
}

async function readBack(root: string): Promise<Map<string, string>> {
  const store = await openLmdbKeyValueStore({ ...options(root), clock: new ManualClock() });
  const rows = new Map([...store.range('')].map(({ key, value }) => [key, value.toString()]));
  await store.close();
  return rows;
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
