// What a power cut leaves of a queue's files, byte by byte.

import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ConsumeQueueStore } from '../../../src/store/consume-queue/consume-queue-store.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';

const DIRECTORY = '/store/consumequeue';
const FILE_UNITS = 8;
const UNIT = 20;
const FILE_SIZE_BYTES = FILE_UNITS * UNIT;

const fileOf = (number: number): string =>
  `${DIRECTORY}/orders/0/${String(number * FILE_SIZE_BYTES).padStart(20, '0')}`;

function open(fileSystem: CrashableFileSystem, minPhysicalOffset = 0): Promise<ConsumeQueueStore> {
  return ConsumeQueueStore.open({
    fileSystem,
    directory: DIRECTORY,
    segmentSizeBytes: FILE_SIZE_BYTES,
    mappedFilesMax: 4,
    queueCountMax: 10,
    minPhysicalOffset,
    logger: silentLogger,
  });
}

/** A queue with units of records of 100 bytes, one behind the other, from physical offset 1,000 on. */
async function written(count: number): Promise<CrashableFileSystem> {
  const fileSystem = new CrashableFileSystem({ seed: 1 });
  const store = await open(fileSystem);
  const queue = store.findOrCreate('orders', 0);
  for (let offset = 0; offset < count; offset++) queue.append(offset, 1_000 + offset * 100, 100, 0);
  await store.writeOut();
  await store.close();
  return fileSystem;
}

it.each([3, 8, 13])(
  'a unit of which only the second page reached the disk does not count (offset %i)',
  async (torn) => {
    const fileSystem = await written(torn + 1);
    const file = fileOf(Math.floor(torn / FILE_UNITS));
    const position = (torn % FILE_UNITS) * UNIT;
    await fileSystem.writeFiles([{ path: file, fileSizeBytes: FILE_SIZE_BYTES, position, bytes: Buffer.alloc(8) }]);
    const store = await open(fileSystem);
    await store.trim(1_000_000);
    expect(store.find('orders', 0)?.maxOffset).toBe(torn);
    const queue = store.findOrCreate('orders', 0);
    queue.append(torn, 1_000 + torn * 100, 100, 0);
    expect(queue.maxOffset).toBe(torn + 1);
  },
);

it('a removal of an expired file that came undone costs the queue neither its maximum nor its newest units', async () => {
  const fileSystem = await written(20);
  await fileSystem.remove(fileOf(1));
  const store = await open(fileSystem, 1_000 + 17 * 100);
  const queue = store.find('orders', 0);
  expect(queue).toMatchObject({ minOffset: 16, maxOffset: 20 });
  expect(fileSystem.statusSync(fileOf(0))).toBeUndefined();
});

it('a file that is missing in the middle of what the log still has makes the queue be built again', async () => {
  const fileSystem = await written(20);
  await fileSystem.remove(fileOf(1));
  const store = await open(fileSystem, 1_000 + 12 * 100);
  expect(store.rebuildFrom).toBe(0);
  expect(store.find('orders', 0)).toMatchObject({ minOffset: 0, maxOffset: 0 });
});

it('expired files go one after the other on disk too', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const fileSystem = await written(44);
    await fileSystem.syncAll('/store');
    const store = await open(fileSystem);
    fileSystem.crashAt(fileSystem.operationCount + seed);
    void store.deleteExpired(1_000 + 41 * 100);
    await new Promise((resolve) => setImmediate(resolve));
    const next = fileSystem.crash();
    const left = next.listSync(`${DIRECTORY}/orders/0`).map((name) => Number(name) / FILE_SIZE_BYTES);
    const first = left[0] as number;
    expect({ seed, left }).toEqual({ seed, left: left.map((_, index) => first + index) });
  }
});
