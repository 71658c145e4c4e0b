import { describe, expect, it } from 'vitest';
import {
  appendUnits,
  DIRECTORY,
  FILE_UNITS,
  type LoggedEvent,
  memoryFileSystem,
  openQueues,
  readAll,
  recordingLogger,
  SEGMENT_SIZE_BYTES,
  unitFor,
} from './queue-harness.ts';

const expected = (from: number, end: number): unknown[] =>
  Array.from({ length: end - from }, (_, index) => unitFor(from + index));

async function writtenQueue(from: number, end: number): Promise<ReturnType<typeof memoryFileSystem>> {
  const fileSystem = memoryFileSystem();
  const store = await openQueues(fileSystem);
  appendUnits(store.findOrCreate('Orders', 0), from, end);
  await store.writeOut();
  await store.close();
  return fileSystem;
}

describe('opening', () => {
  it('says that everything has to be built when the directory is missing, and nothing when it is there', async () => {
    const fileSystem = memoryFileSystem();
    expect((await openQueues(fileSystem)).rebuildFrom).toBe(0);
    const again = await openQueues(fileSystem);
    expect([again.rebuildFrom, again.queueCount]).toEqual([undefined, 0]);
  });

  it.each([1, 9, 10, 11, 20, 29])('finds the queue of %i units as it was', async (count) => {
    const store = await openQueues(await writtenQueue(0, count));
    const queue = store.find('Orders', 0);
    expect([queue?.minOffset, queue?.maxOffset, store.queueCount, store.rebuildFrom]).toEqual([0, count, 1, undefined]);
    expect([...store.topics()]).toEqual(['Orders']);
  });

  it('halves its way to the end of a large file', async () => {
    for (const count of [203, 204, 205, 4_999, 5_000]) {
      const fileSystem = memoryFileSystem();
      const large = { segmentSizeBytes: 5_000 * 20 };
      const store = await openQueues(fileSystem, large);
      appendUnits(store.findOrCreate('Orders', 0), 0, count);
      await store.writeOut();
      const reopened = (await openQueues(fileSystem, large)).findOrCreate('Orders', 0);
      expect(reopened.maxOffset).toBe(count);
      expect(await readAll(reopened)).toHaveLength(count);
    }
  });

  const damages: [
    string,
    (file: (name: number) => string) => Partial<Record<'remove' | 'shorten' | 'zero' | 'rename', string>>,
    number | undefined,
  ][] = [
    ['a missing file in the middle', (file) => ({ remove: file(10) }), 0],
    ['a file that was cut', (file) => ({ shorten: file(20) }), 0],
    ['a file whose name is out of place', (file) => ({ rename: file(10) }), 0],
    ['a file that became zeros before the last one', (file) => ({ zero: file(10) }), 1_000],
  ];
  it.each(damages)('%s is told, removed and named for a rebuild', async (_, damage, rebuildFrom) => {
    const fileSystem = await writtenQueue(0, 25);
    const path = (offset: number): string => `${DIRECTORY}/Orders/0/${String(offset * 20).padStart(20, '0')}`;
    const { remove, shorten, zero, rename } = damage(path);
    if (remove !== undefined) await fileSystem.remove(remove);
    if (shorten !== undefined) await fileSystem.replaceFile(shorten, Buffer.alloc(60));
    if (zero !== undefined) await fileSystem.replaceFile(zero, Buffer.alloc(SEGMENT_SIZE_BYTES));
    if (rename !== undefined) fileSystem.renameSync(rename, path(13));
    const events: LoggedEvent[] = [];
    const store = await openQueues(fileSystem, { logger: recordingLogger(events) });
    expect(store.rebuildFrom).toBe(rebuildFrom);
    expect(events.map(({ event }) => event)).toContain('store.consume-queue.damaged');
    const queue = store.findOrCreate('Orders', 0);
    appendUnits(queue, queue.maxOffset, 25);
    await store.writeOut();
    const repaired = await openQueues(fileSystem);
    expect(repaired.rebuildFrom).toBeUndefined();
    expect(await readAll(repaired.findOrCreate('Orders', 0))).toEqual(expected(0, 25));
  });

  it('a queue directory without files, or with an empty file, is built again from the start', async () => {
    const fileSystem = await writtenQueue(0, 5);
    await fileSystem.replaceFile(`${DIRECTORY}/Orders/0/${'0'.repeat(20)}`, Buffer.alloc(SEGMENT_SIZE_BYTES));
    expect((await openQueues(fileSystem)).rebuildFrom).toBe(0);
    const store = await openQueues(fileSystem);
    expect([store.rebuildFrom, store.queueCount]).toEqual([0, 1]);
    appendUnits(store.findOrCreate('Orders', 0), 1_003, 1_005);
    await store.writeOut();
    expect((await openQueues(fileSystem)).findOrCreate('Orders', 0).minOffset).toBe(1_003);
  });

  it('leaves alone and tells what is not its own', async () => {
    const fileSystem = await writtenQueue(0, 5);
    fileSystem.makeDirectorySync(`${DIRECTORY}/no good name`);
    fileSystem.makeDirectorySync(`${DIRECTORY}/Orders/-1`);
    fileSystem.makeDirectorySync(`${DIRECTORY}/Orders/65536`);
    await fileSystem.replaceFile(`${DIRECTORY}/Orders/0/notes.txt`, Buffer.from('hello'));
    const events: LoggedEvent[] = [];
    const store = await openQueues(fileSystem, { logger: recordingLogger(events) });
    expect([store.queueCount, store.rebuildFrom]).toEqual([1, undefined]);
    expect(events.map(({ fields }) => fields['name']).sort()).toEqual(
      ['-1', '65536', 'notes.txt', 'no good name'].sort(),
    );
    expect(fileSystem.readFileSync(`${DIRECTORY}/Orders/0/notes.txt`)?.toString()).toBe('hello');
  });
});

describe('queues', () => {
  it('have checked names, because names become paths', async () => {
    const store = await openQueues(memoryFileSystem());
    const bad: [string, number][] = [
      ['../etc', 0],
      ['a/b', 0],
      ['', 0],
      ['.', 0],
      ['Orders', -1],
      ['Orders', 1.5],
      ['Orders', 65_536],
    ];
    for (const [topic, queueId] of bad) {
      expect(() => store.findOrCreate(topic, queueId)).toThrow(
        expect.objectContaining({ code: 'ERR_STORE_INVALID_ARGUMENT' }),
      );
    }
    expect(store.queueCount).toBe(0);
  });

  it('are limited in number', async () => {
    const store = await openQueues(memoryFileSystem(), { queueCountMax: 2 });
    store.findOrCreate('Orders', 0);
    store.findOrCreate('Orders', 7);
    expect(() => store.findOrCreate('Orders', 1)).toThrow(expect.objectContaining({ code: 'ERR_STORE_OVERLOADED' }));
    expect(store.findOrCreate('Orders', 7).queueId).toBe(7);
    expect(store.queuesOf('Orders').map(({ queueId }) => queueId)).toEqual([0, 7]);
    expect(store.queuesOf('Other')).toEqual([]);
  });

  it('count the memory of units that are in no file', async () => {
    const store = await openQueues(memoryFileSystem());
    expect(store.pendingBytes).toBe(0);
    appendUnits(store.findOrCreate('Orders', 0), 0, 100);
    expect(store.pendingBytes).toBeGreaterThanOrEqual(2_000);
    expect(store.pendingBytes).toBeLessThan(2_500);
  });

  it('map no more files than allowed', async () => {
    const store = await openQueues(memoryFileSystem(), { mappedFilesMax: 2 });
    for (let queueId = 0; queueId < 6; queueId++) appendUnits(store.findOrCreate('Orders', queueId), 0, 15);
    await store.writeOut();
    for (let queueId = 0; queueId < 6; queueId++) {
      expect(await readAll(store.findOrCreate('Orders', queueId))).toEqual(expected(0, 15));
      expect(store.mappedFileCount).toBeLessThanOrEqual(2);
    }
  });
});

describe('write-out', () => {
  it('keeps units pending when the disk is full, and writes them when there is room', async () => {
    const fileSystem = memoryFileSystem();
    const store = await openQueues(fileSystem);
    const queue = store.findOrCreate('Orders', 0);
    appendUnits(queue, 0, 12);
    fileSystem.failNth('writeFiles', 1, 'ENOSPC');
    await expect(store.writeOut()).rejects.toMatchObject({ code: 'ERR_FS_NO_SPACE' });
    expect(store.pendingBytes).toBeGreaterThan(0);
    expect(await readAll(queue)).toEqual(expected(0, 12));
    expect(await store.writeOut()).toBe(12);
    expect(await readAll((await openQueues(fileSystem)).findOrCreate('Orders', 0))).toEqual(expected(0, 12));
  });

  it('covers what was appended before the call, also when one is running already', async () => {
    const store = await openQueues(memoryFileSystem());
    const queue = store.findOrCreate('Orders', 0);
    appendUnits(queue, 0, 3);
    const first = store.writeOut();
    await Promise.resolve();
    await Promise.resolve();
    appendUnits(queue, 3, 5);
    const second = store.writeOut();
    expect(store.writeOut()).toBe(second);
    expect(await first).toBe(3);
    expect(await second).toBe(2);
  });

  it('spreads many queues over several batches', async () => {
    const fileSystem = memoryFileSystem();
    const store = await openQueues(fileSystem);
    for (let queueId = 0; queueId < 150; queueId++) appendUnits(store.findOrCreate('Orders', queueId), 0, 25);
    expect(await store.writeOut()).toBe(150 * 25);
    const reopened = await openQueues(fileSystem);
    for (const queue of reopened.queuesOf('Orders')) expect(await readAll(queue)).toEqual(expected(0, 25));
  });
});

describe('retention', () => {
  it('raises the minimum and removes files below it, but never the last one', async () => {
    const fileSystem = await writtenQueue(0, 35);
    const store = await openQueues(fileSystem, { mappedFilesMax: 5 });
    const queue = store.findOrCreate('Orders', 0);
    await readAll(queue);
    expect(await store.deleteExpired(1_550)).toBe(1);
    expect([queue.minOffset, queue.maxOffset]).toEqual([16, 35]);
    expect(await readAll(queue)).toEqual(expected(16, 35));
    expect(await store.deleteExpired(1_550)).toBe(0);
    expect(await store.deleteExpired(1_000_000)).toBe(2);
    expect([queue.minOffset, queue.maxOffset]).toEqual([35, 35]);
    expect(fileSystem.listSync(`${DIRECTORY}/Orders/0`)).toEqual([String(30 * 20).padStart(20, '0')]);
    appendUnits(queue, 35, 36, 1_000_000);
    expect(await readAll(queue)).toHaveLength(1);
    const reopened = await openQueues(fileSystem);
    await reopened.deleteExpired(1_000_000);
    const found = reopened.findOrCreate('Orders', 0);
    expect([found.minOffset, found.maxOffset]).toEqual([35, 35]);
  });

  it('looks at units in memory too', async () => {
    const store = await openQueues(memoryFileSystem());
    const queue = store.findOrCreate('Orders', 0);
    appendUnits(queue, 0, 25);
    expect(await store.deleteExpired(1_200)).toBe(0);
    expect(queue.minOffset).toBe(12);
    await store.writeOut();
    expect(await readAll(queue)).toEqual(expected(12, 25));
    expect(await store.deleteExpired(1_200)).toBe(0);
    expect(await store.deleteExpired(1_300)).toBe(1);
  });
});

describe('deleting a topic', () => {
  it('removes its queues at once, with files and memory, and lets the name be used again', async () => {
    const fileSystem = memoryFileSystem();
    const store = await openQueues(fileSystem);
    appendUnits(store.findOrCreate('Orders', 0), 0, 25);
    appendUnits(store.findOrCreate('Other', 0), 0, 5);
    await store.writeOut();
    const old = store.findOrCreate('Orders', 0);
    appendUnits(old, 25, 30);
    const writing = store.writeOut();
    const deleting = store.deleteTopic('Orders');
    expect(store.find('Orders', 0)).toBeUndefined();
    expect(store.queueCount).toBe(1);
    expect(await readAll(old)).toEqual([]);
    appendUnits(store.findOrCreate('Orders', 0), 0, 2);
    await Promise.all([writing, deleting]);
    expect(fileSystem.listSync(DIRECTORY)).toEqual(['Other']);
    await store.writeOut();
    const reopened = await openQueues(fileSystem);
    expect(await readAll(reopened.findOrCreate('Orders', 0))).toEqual(expected(0, 2));
    expect(await readAll(reopened.findOrCreate('Other', 0))).toEqual(expected(0, 5));
  });
});

describe('trimming', () => {
  it.each([0, 100, 950, 1_000, 1_050, 2_000, 2_999, 3_500, 9_999])(
    'keeps what ends at or below %i and zeroes the rest',
    async (trusted) => {
      const fileSystem = await writtenQueue(0, 35);
      const store = await openQueues(fileSystem);
      const kept = Math.min(35, Math.floor(trusted / 100));
      await store.trim(trusted);
      const queue = store.findOrCreate('Orders', 0);
      expect(queue.maxOffset).toBe(kept);
      expect(await readAll(queue)).toEqual(expected(0, kept));
      const names = fileSystem.listSync(`${DIRECTORY}/Orders/0`);
      expect(names).toHaveLength(Math.ceil(kept / FILE_UNITS));
      const last = names.at(-1);
      if (last !== undefined) {
        const bytes = fileSystem.readFileSync(`${DIRECTORY}/Orders/0/${last}`) as Buffer;
        expect(
          bytes.subarray((kept - Math.floor((kept - 1) / FILE_UNITS) * FILE_UNITS) * 20).every((byte) => byte === 0),
        ).toBe(true);
      }
      appendUnits(queue, 0, 35);
      await store.writeOut();
      expect(await readAll((await openQueues(fileSystem)).findOrCreate('Orders', 0))).toEqual(expected(0, 35));
    },
  );

  it('removes stale units behind a hole, which no search for the end would find', async () => {
    const fileSystem = await writtenQueue(0, 4);
    const path = `${DIRECTORY}/Orders/0/${'0'.repeat(20)}`;
    const stale = (fileSystem.readFileSync(path) as Buffer).subarray(40, 80);
    await fileSystem.writeFiles([{ path, fileSizeBytes: SEGMENT_SIZE_BYTES, position: 140, bytes: stale }]);
    const store = await openQueues(fileSystem);
    await store.trim(200);
    expect(store.findOrCreate('Orders', 0).maxOffset).toBe(2);
    expect((fileSystem.readFileSync(path) as Buffer).subarray(40).every((byte) => byte === 0)).toBe(true);
  });
});
