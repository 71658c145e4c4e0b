import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { MessageSysFlag } from '../../../src/model/sys-flag.ts';
import {
  entryPosition,
  fileSizeOf,
  readEntry,
  readHeader,
  writeHeader,
} from '../../../src/store/index/index-layout.ts';
import { keyHashOf } from '../../../src/store/index/index-key-hash.ts';
import type { IndexRequest, IndexService } from '../../../src/store/index/index-service.ts';
import { ANY_TIME, DIRECTORY, GEOMETRY, memoryFileSystem, openIndex, requestFor, START_MS } from './index-harness.ts';

async function find(index: IndexService, key: string, options: Partial<typeof ANY_TIME> = {}): Promise<number[]> {
  await index.flushPending();
  return (await index.query('Orders', key, { ...ANY_TIME, ...options })).physicalOffsets;
}

const bytesOf = (fileSystem: ReturnType<typeof memoryFileSystem>, name: string): DataView => {
  const bytes = fileSystem.readFileSync(`${DIRECTORY}/${name}`) as Buffer;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};

describe('the index', () => {
  it('finds records by key, unique key and tag, the newest first', async () => {
    const index = await openIndex(memoryFileSystem());
    index.add(requestFor(1, { uniqueKey: 'U1', keys: 'a b', tags: 'red' }));
    index.add(requestFor(2, { keys: 'b', tags: 'red' }));
    index.add(requestFor(3, {}));
    expect(index.pendingCount).toBe(6);
    expect(await find(index, 'a')).toEqual([100]);
    expect(await find(index, 'b')).toEqual([200, 100]);
    expect(await find(index, 'U1')).toEqual([100]);
    expect(await find(index, 'red')).toEqual([]);
    const tagged = await index.query('Orders', 'red', { ...ANY_TIME, indexType: 'T' });
    expect(tagged).toEqual({
      physicalOffsets: [200, 100],
      indexLastUpdateTimestamp: START_MS + 2_000,
      indexLastUpdatePhyoffset: 200,
    });
    expect(await find(index, 'b', { countMax: 1 })).toEqual([200]);
    expect((await index.query('Other', 'b', ANY_TIME)).physicalOffsets).toEqual([]);
  });

  it('makes no file before the first entry', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    index.add(requestFor(0, {}));
    await index.flushPending();
    expect([fileSystem.listSync(DIRECTORY), index.dispatchedOffset, index.rebuildFrom]).toEqual([[], -1, 0]);
    expect(await find(index, 'x')).toEqual([]);
    expect((await openIndex(fileSystem)).rebuildFrom).toBeUndefined();
  });

  it('does not index rolled back transactions, but prepared and committed ones', async () => {
    const index = await openIndex(memoryFileSystem());
    index.add(requestFor(1, { keys: 'k', sysFlag: MessageSysFlag.TRANSACTION_ROLLBACK }));
    index.add(requestFor(2, { keys: 'k', sysFlag: MessageSysFlag.TRANSACTION_PREPARED }));
    index.add(requestFor(3, { keys: 'k', sysFlag: MessageSysFlag.TRANSACTION_COMMIT }));
    expect(await find(index, 'k')).toEqual([300, 200]);
  });

  it('ignores records that it has, also after it was opened again', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    for (const n of [1, 2, 2, 1]) index.add(requestFor(n, { keys: 'k' }));
    expect(await find(index, 'k')).toEqual([200, 100]);
    await index.close();
    const again = await openIndex(fileSystem);
    expect(again.dispatchedOffset).toBe(200);
    for (const n of [1, 2, 3]) again.add(requestFor(n, { keys: 'k' }));
    expect(await find(again, 'k')).toEqual([300, 200, 100]);
    expect(again.fileCount).toBe(1);
  });

  it('writes the bytes that Apache writes', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    index.add(requestFor(1, { keys: 'a' }));
    index.add(requestFor(5, { keys: 'a' }));
    await index.flushPending();
    const [name = ''] = fileSystem.listSync(DIRECTORY);
    expect(name).toMatch(/^20\d{15}$/);
    const view = bytesOf(fileSystem, name);
    expect(view.byteLength).toBe(40 + 4 * GEOMETRY.hashSlotCount + 20 * GEOMETRY.entryCountMax);
    expect(readHeader(view)).toEqual({
      beginTimestampMs: START_MS + 1_000,
      endTimestampMs: START_MS + 5_000,
      beginPhyOffset: 100,
      endPhyOffset: 500,
      hashSlotCount: 1,
      indexCount: 3,
    });
    const keyHash = keyHashOf('Orders', 'a', 'K');
    expect(view.getInt32(40 + 4 * (keyHash % GEOMETRY.hashSlotCount))).toBe(2);
    expect(readEntry(view, entryPosition(GEOMETRY, 1))).toEqual({
      keyHash,
      physicalOffset: 100,
      timeDiffSeconds: 0,
      previousIndex: 0,
    });
    expect(readEntry(view, entryPosition(GEOMETRY, 2))).toEqual({
      keyHash,
      physicalOffset: 500,
      timeDiffSeconds: 4,
      previousIndex: 1,
    });
  });

  it('rolls to a new file when one is full, and finds what is in all of them', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    for (let n = 1; n <= 50; n++) index.add(requestFor(n, { keys: `k${n % 5}` }));
    expect(await find(index, 'k3')).toEqual([48, 43, 38, 33, 28, 23, 18, 13, 8, 3].map((n) => n * 100));
    expect(index.fileCount).toBe(3);
    await index.sync();
    const names = fileSystem.listSync(DIRECTORY).slice(0, 3);
    const headers = names.map((name) => readHeader(bytesOf(fileSystem, name)));
    expect(headers.map(({ indexCount }) => indexCount)).toEqual([20, 20, 13]);
    expect(headers.map(({ beginPhyOffset, endPhyOffset }) => [beginPhyOffset, endPhyOffset])).toEqual([
      [100, 1_900],
      [2_000, 3_800],
      [3_900, 5_000],
    ]);
    // The first entry of a later file counts its seconds from the end of the file before, as in Apache.
    expect(readEntry(bytesOf(fileSystem, names[1] as string), entryPosition(GEOMETRY, 1)).timeDiffSeconds).toBe(1);
    await index.close();
    expect(fileSystem.listSync(DIRECTORY)).toEqual(names);
    const again = await openIndex(fileSystem);
    expect(await find(again, 'k3', { countMax: 3 })).toEqual([4_800, 4_300, 3_800]);
    again.add(requestFor(51, { keys: 'k3' }));
    expect((await find(again, 'k3'))[0]).toBe(5_100);
    expect(again.fileCount).toBe(3);
  });

  it('finds only what was stored within the times', async () => {
    const index = await openIndex(memoryFileSystem());
    for (let n = 1; n <= 60; n++) index.add(requestFor(n, { keys: 'k' }));
    for (const [begin, end] of [
      [5, 9],
      [18, 23],
      [1, 60],
      [30, 30],
      [61, 90],
      [0, 0],
    ] as const) {
      const range = { beginMs: START_MS + begin * 1_000, endMs: START_MS + end * 1_000 };
      const expected = Array.from({ length: 60 }, (_, at) => 60 - at).filter((n) => n >= begin && n <= end);
      expect(await find(index, 'k', range)).toEqual(expected.map((n) => n * 100));
    }
  });

  it('names files in rising order although the clock goes back', async () => {
    const fileSystem = memoryFileSystem();
    const clock = new ManualClock(START_MS);
    const index = await openIndex(fileSystem, { clock });
    for (let n = 1; n <= 100; n++) {
      index.add(requestFor(n, { keys: 'k' }));
      await index.flushPending();
      clock.jumpWallClock(-3_600_000);
    }
    await index.close();
    const offsets = fileSystem.listSync(DIRECTORY).map((name) => readHeader(bytesOf(fileSystem, name)).beginPhyOffset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(offsets.length).toBe(6);
  });

  it('keeps entries when no file can be made, says why, and goes on when one can', async () => {
    const fileSystem = memoryFileSystem();
    const clock = new ManualClock(START_MS);
    const index = await openIndex(fileSystem, { clock });
    fileSystem.failNth('openRegion', 1, 'ENOSPC', 2);
    for (let n = 1; n <= 300; n++) index.add(requestFor(n, { keys: `k${n}` }));
    await expect(index.flushPending()).rejects.toMatchObject({ code: 'ERR_FS_NO_SPACE' });
    expect(index.problem).toMatchObject({ code: 'ERR_FS_NO_SPACE' });
    expect([index.pendingCount, index.isOverloaded]).toEqual([300, false]);
    await expect(index.flushPending()).rejects.toMatchObject({ code: 'ERR_FS_NO_SPACE' });
    await index.flushPending();
    expect([index.pendingCount, index.problem]).toEqual([0, undefined]);
    expect(await find(index, 'k299')).toEqual([29_900]);
  });

  it.each([
    ['made', 'writeFiles', 'ENOSPC', 'ERR_FS_NO_SPACE'],
    ['reserved', 'openRegion', 'ENOSPC', 'ERR_FS_NO_SPACE'],
    ['brought into memory', 'region.populate', 'EIO', 'ERR_FS_IO'],
    ['given a durable header', 'region.sync', 'EIO', 'ERR_FS_IO'],
  ] as const)('leaves nothing of a file that could not be %s', async (_, operation, error, code) => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    fileSystem.failNth(operation, 1, error);
    index.add(requestFor(1, { keys: 'k' }));
    await expect(index.flushPending()).rejects.toMatchObject({ code });
    expect(fileSystem.listSync(DIRECTORY)).toEqual([]);
    expect(await find(index, 'k')).toEqual([100]);
    expect(fileSystem.listSync(DIRECTORY)).toHaveLength(1);
  });

  it('a file that was made ahead ends later than any checkpoint until its first entry, and is gone after a kill', async () => {
    const nearlyFull = async (): Promise<[ReturnType<typeof memoryFileSystem>, IndexService, string]> => {
      const fileSystem = memoryFileSystem();
      const index = await openIndex(fileSystem);
      for (let n = 1; n <= 18; n++) index.add(requestFor(n, { keys: 'k' }));
      await index.flushPending();
      await expect.poll(() => fileSystem.listSync(DIRECTORY).length).toBe(2);
      return [fileSystem, index, fileSystem.listSync(DIRECTORY)[1] as string];
    };
    const [fileSystem, index, ahead] = await nearlyFull();
    const { endTimestampMs, indexCount } = readHeader(bytesOf(fileSystem, ahead));
    expect([endTimestampMs, indexCount]).toEqual([Number.MAX_SAFE_INTEGER, 1]);
    for (let n = 19; n <= 20; n++) index.add(requestFor(n, { keys: 'k' }));
    await index.flushPending();
    const [beginTimestampMs, beginPhyOffset] = [START_MS + 20_000, 2_000];
    expect(readHeader(bytesOf(fileSystem, ahead))).toEqual({
      ...{ beginTimestampMs, endTimestampMs: beginTimestampMs },
      ...{ beginPhyOffset, endPhyOffset: beginPhyOffset },
      ...{ hashSlotCount: 1, indexCount: 2 },
    });
    const [killed] = await nearlyFull();
    const left = killed.kill();
    const again = await openIndex(left);
    expect([again.fileCount, again.dispatchedOffset, left.listSync(DIRECTORY).length]).toEqual([1, 1_800, 1]);
  });

  it('knows until when its full files reach', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    for (let n = 1; n <= 18; n++) index.add(requestFor(n, { keys: 'k' }));
    await index.flushPending();
    expect(index.fullUntilMs).toBe(0);
    for (let n = 19; n <= 50; n++) index.add(requestFor(n, { keys: 'k' }));
    await index.flushPending();
    expect(index.fullUntilMs).toBe(START_MS + 38_000);
    await index.close();
    expect((await openIndex(fileSystem)).fullUntilMs).toBe(START_MS + 38_000);
  });

  it.each(['to its end', 'as far as a kill let it'])(
    'loses nothing when Apache filled a later file again from a segment’s begin, %s',
    async (how) => {
      const fileSystem = memoryFileSystem();
      const index = await openIndex(fileSystem);
      const request = (n: number): IndexRequest => requestFor(n, { keys: `k${n % 5}` });
      for (let n = 1; n <= 50; n++) index.add(request(n));
      await index.flushPending();
      await index.close();
      const [, second = '', third = ''] = fileSystem.listSync(DIRECTORY);
      // Records 20 to 38 once more, behind the file with 39 to 50.
      const again = Buffer.from(fileSystem.readFileSync(`${DIRECTORY}/${second}`) as Buffer);
      if (how !== 'to its end') {
        const view = new DataView(again.buffer, again.byteOffset, again.byteLength);
        const endTimestampMs = START_MS + 29_000;
        writeHeader(view, { ...readHeader(view), endTimestampMs, endPhyOffset: 2_900, indexCount: 11 });
      }
      await fileSystem.replaceFile(
        `${DIRECTORY}/${String(Number(third.slice(0, 8)) + 10_000)}${third.slice(8)}`,
        again,
      );
      const opened = await openIndex(fileSystem);
      const from = await opened.trim(4_500);
      expect(from).toBeLessThanOrEqual(4_500);
      for (let n = Math.ceil(from / 100); n <= 60; n++) opened.add(request(n));
      for (let key = 0; key < 5; key++) {
        const expected = Array.from({ length: 60 }, (_, at) => 60 - at).filter((n) => n % 5 === key);
        const found = new Set(await find(opened, `k${key}`));
        expect([...found].sort((a, b) => b - a)).toEqual(expected.map((n) => n * 100));
      }
    },
  );

  it('tries again by itself after a second', async () => {
    const fileSystem = memoryFileSystem();
    const clock = new ManualClock(START_MS);
    const index = await openIndex(fileSystem, { clock, entryCountMax: 1_000 });
    fileSystem.failNth('openRegion', 1, 'ENOSPC');
    for (let n = 1; n <= 256; n++) index.add(requestFor(n, { keys: 'k' }));
    await expect.poll(() => index.problem).toBeDefined();
    await expect
      .poll(() => {
        clock.advance(1_000);
        return index.pendingCount;
      })
      .toBe(0);
  });

  it('says that it is overloaded when entries pile up', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    fileSystem.failNth('openRegion', 1, 'ENOSPC', 1_000);
    const keys = Array.from({ length: 1_000 }, (_, at) => `k${at}`).join(' ');
    for (let n = 1; n <= 200; n++) index.add(requestFor(n, { keys }));
    expect(index.isOverloaded).toBe(true);
  });

  it('a sync that failed stays a failure', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    // The headers of two files, then the first file as a whole.
    fileSystem.failNth('region.sync', 3, 'EIO');
    for (let n = 1; n <= 30; n++) index.add(requestFor(n, { keys: 'k' }));
    await expect(index.sync()).rejects.toMatchObject({ code: 'ERR_FS_IO' });
    await expect(index.sync()).rejects.toMatchObject({ code: 'ERR_FS_IO' });
    await expect(index.flushPending()).rejects.toMatchObject({ code: 'ERR_FS_IO' });
    expect(index.problem).toMatchObject({ code: 'ERR_FS_IO' });
  });

  it('removes files whose records are gone, but not the newest', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    for (let n = 1; n <= 50; n++) index.add(requestFor(n, { keys: 'k' }));
    await index.flushPending();
    expect(await index.deleteExpired(1_900)).toBe(0);
    expect(await index.deleteExpired(1_901)).toBe(1);
    expect(await find(index, 'k')).toHaveLength(31);
    expect(await index.deleteExpired(1_000_000)).toBe(1);
    await index.close();
    const again = await openIndex(fileSystem);
    expect(await again.deleteExpired(1_000_000)).toBe(0);
    expect([again.fileCount, again.dispatchedOffset]).toEqual([1, 5_000]);
  });

  it('a file of a wrong size is told, removed with those behind it, and named for a rebuild', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    for (let n = 1; n <= 50; n++) index.add(requestFor(n, { keys: 'k' }));
    await index.flushPending();
    await index.close();
    const names = fileSystem.listSync(DIRECTORY);
    await fileSystem.replaceFile(`${DIRECTORY}/${names[1]}`, Buffer.alloc(100));
    const again = await openIndex(fileSystem);
    expect([again.rebuildFrom, again.dispatchedOffset, fileSystem.listSync(DIRECTORY)]).toEqual([
      1_900,
      1_900,
      [names[0]],
    ]);
    for (let n = 1; n <= 50; n++) again.add(requestFor(n, { keys: 'k' }));
    expect(await find(again, 'k')).toHaveLength(50);
  });

  it('hostile chains end: loops, indexes out of range, negative numbers', async () => {
    const fileSystem = memoryFileSystem();
    const index = await openIndex(fileSystem);
    for (let n = 1; n <= 15; n++) index.add(requestFor(n, { keys: 'k' }));
    await index.flushPending();
    await index.close();
    const [name = ''] = fileSystem.listSync(DIRECTORY);
    const path = `${DIRECTORY}/${name}`;
    const good = Buffer.from(fileSystem.readFileSync(path) as Buffer);
    for (const previous of [15, 10, 14, 999_999, -1, 0x7fff_ffff, 0]) {
      const bad = Buffer.from(good);
      bad.writeInt32BE(previous, entryPosition(GEOMETRY, 10) + 16);
      await fileSystem.replaceFile(path, bad);
      expect(await find(await openIndex(fileSystem), 'k')).toEqual([15, 14, 13, 12, 11, 10].map((n) => n * 100));
    }
    for (const head of [16, -5, 0x7fff_ffff]) {
      const bad = Buffer.from(good);
      bad.writeInt32BE(head, 40 + 4 * (keyHashOf('Orders', 'k', 'K') % GEOMETRY.hashSlotCount));
      await fileSystem.replaceFile(path, bad);
      expect(await find(await openIndex(fileSystem), 'k')).toEqual([]);
    }
  });

  it('lets others work during a walk along a long chain', async () => {
    const clock = new ManualClock(START_MS);
    const index = await openIndex(memoryFileSystem(), { clock, entryCountMax: 5_000 });
    for (let n = 1; n <= 4_000; n++) index.add({ ...requestFor(1, { keys: 'k' }), physicalOffset: n });
    await index.flushPending();
    let isDone = false;
    const searching = index
      .query('Orders', 'x', ANY_TIME)
      .then(() => index.query('Orders', 'k', { ...ANY_TIME, countMax: 4_000 }));
    void searching.then(() => (isDone = true));
    let turns = 0;
    await expect
      .poll(() => {
        clock.defer(() => turns++);
        clock.runDeferred();
        return isDone;
      })
      .toBe(true);
    expect((await searching).physicalOffsets).toHaveLength(4_000);
    expect(turns).toBeGreaterThan(3);
  });

  it('has the size that Apache gives its files', () => {
    expect(fileSizeOf({ hashSlotCount: 5_000_000, entryCountMax: 20_000_000 })).toBe(420_000_040);
  });
});
