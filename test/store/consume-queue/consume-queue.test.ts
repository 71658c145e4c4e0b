import { describe, expect, it } from 'vitest';
import type { UnitBatch } from '../../../src/store/consume-queue/consume-queue.ts';
import {
  appendUnits,
  DIRECTORY,
  FILE_UNITS,
  memoryFileSystem,
  NO_LIMIT,
  openQueues,
  readAll,
  SEGMENT_SIZE_BYTES,
  unitFor,
  unitsOf,
} from './queue-harness.ts';

const units = (from: number, end: number): ReturnType<typeof unitFor>[] =>
  Array.from({ length: end - from }, (_, index) => unitFor(from + index));

describe('a consume queue', () => {
  it('gives back at once what was appended, without any file', async () => {
    const fileSystem = memoryFileSystem();
    const queue = (await openQueues(fileSystem)).findOrCreate('Orders', 0);
    appendUnits(queue, 0, 25);
    expect([queue.minOffset, queue.maxOffset]).toEqual([0, 25]);
    expect(unitsOf(queue.read(3, 19, NO_LIMIT) as UnitBatch)).toEqual(units(3, 22));
    expect(queue.unitAt(24)).toEqual(unitFor(24));
    expect(fileSystem.listSync(DIRECTORY)).toEqual([]);
  });

  it('gives nothing outside of its offsets', async () => {
    const queue = (await openQueues(memoryFileSystem())).findOrCreate('Orders', 0);
    appendUnits(queue, 5, 8);
    for (const offset of [-1, 0, 4, 8, 9]) {
      expect((queue.read(offset, 10, NO_LIMIT) as UnitBatch).count).toBe(0);
      expect(queue.unitAt(offset)).toBeUndefined();
    }
    expect((queue.read(5, 0, NO_LIMIT) as UnitBatch).count).toBe(0);
  });

  it('shows no unit whose record ends above the readable limit, in memory and in files', async () => {
    const store = await openQueues(memoryFileSystem());
    const queue = store.findOrCreate('Orders', 0);
    appendUnits(queue, 0, 37);
    for (const written of [false, true]) {
      if (written) await store.writeOut();
      for (const count of [0, 1, 9, 10, 11, 36, 37]) {
        expect(queue.readableMax(count * 100)).toBe(count);
        expect(queue.readableMax(count * 100 + 99)).toBe(count);
        expect(await readAll(queue, 0, count * 100 + 50)).toEqual(units(0, count));
      }
      expect(queue.readableMax(NO_LIMIT)).toBe(37);
    }
  });

  it('keeps numbers exact: offsets beyond 4 GiB, negative and large tags codes', async () => {
    const fileSystem = memoryFileSystem();
    const store = await openQueues(fileSystem);
    const queue = store.findOrCreate('Orders', 0);
    const odd = [
      { physicalOffset: 2 ** 32 - 1, sizeBytes: 1, tagsCode: -1 },
      { physicalOffset: 2 ** 32, sizeBytes: 2 ** 22, tagsCode: -(2 ** 31) },
      { physicalOffset: 2 ** 40 + 3, sizeBytes: 91, tagsCode: 2 ** 31 - 1 },
      { physicalOffset: 2 ** 52 - 5, sizeBytes: 4, tagsCode: 1_763_800_000_123 },
    ];
    odd.forEach((unit, offset) => queue.append(offset, unit.physicalOffset, unit.sizeBytes, unit.tagsCode));
    expect(await readAll(queue)).toEqual(odd);
    await store.writeOut();
    expect(await readAll(queue)).toEqual(odd);
    expect(await readAll((await openQueues(fileSystem)).findOrCreate('Orders', 0))).toEqual(odd);
  });

  it('ignores offsets that it has, and tells which units are missing when one is skipped', async () => {
    const queue = (await openQueues(memoryFileSystem())).findOrCreate('Orders', 3);
    appendUnits(queue, 0, 10);
    queue.append(4, 1, 1, 1);
    expect(await readAll(queue)).toEqual(units(0, 10));
    expect(() => queue.append(12, 1_200, 100, 0)).toThrow(
      expect.objectContaining({
        code: 'ERR_STORE_BAD_FILE',
        message: expect.stringContaining('Orders/3 lacks the units 10 to 11'),
      }),
    );
  });

  it('stays readable while it is written out and appended to at the same time', async () => {
    const store = await openQueues(memoryFileSystem());
    const queue = store.findOrCreate('Orders', 0);
    appendUnits(queue, 0, 23);
    const writing = store.writeOut();
    appendUnits(queue, 23, 31);
    expect(unitsOf(queue.read(0, 31, NO_LIMIT) as UnitBatch)).toEqual(units(0, 31));
    const firstCount = await writing;
    expect(firstCount).toBeGreaterThanOrEqual(23);
    appendUnits(queue, 31, 34);
    expect(await readAll(queue)).toEqual(units(0, 34));
    expect(firstCount + (await store.writeOut())).toBe(34);
    expect(store.pendingBytes).toBe(0);
    expect(await readAll(queue)).toEqual(units(0, 34));
  });

  it('reads on from files into memory in one go when the files are mapped', async () => {
    const store = await openQueues(memoryFileSystem());
    const queue = store.findOrCreate('Orders', 0);
    appendUnits(queue, 0, 15);
    await store.writeOut();
    appendUnits(queue, 15, 20);
    await readAll(queue);
    expect(unitsOf(queue.read(8, 12, NO_LIMIT) as UnitBatch)).toEqual(units(8, 20));
  });

  it('fills the file below its first offset as Apache does', async () => {
    const fileSystem = memoryFileSystem();
    const store = await openQueues(fileSystem);
    const queue = store.findOrCreate('Orders', 0);
    appendUnits(queue, 23, 24);
    expect([queue.minOffset, queue.maxOffset]).toEqual([23, 24]);
    await store.writeOut();
    const file = `${DIRECTORY}/Orders/0/00000000000000000400`;
    expect(fileSystem.listSync(`${DIRECTORY}/Orders/0`)).toEqual(['00000000000000000400']);
    const blank = '0000000000000000' + '7fffffff' + '0000000000000000';
    const bytes = fileSystem.readFileSync(file) as Buffer;
    expect(bytes.length).toBe(SEGMENT_SIZE_BYTES);
    expect(bytes.toString('hex')).toBe(
      blank.repeat(3) + '00000000000008fc' + '00000064' + 'ffffffffffffffff' + '00'.repeat(20 * (FILE_UNITS - 4)),
    );
    const reopened = (await openQueues(fileSystem)).findOrCreate('Orders', 0);
    expect([reopened.minOffset, reopened.maxOffset]).toEqual([23, 24]);
    expect(await readAll(reopened)).toEqual(units(23, 24));
  });

  it('finds the pages of a cold file off the loop', async () => {
    const warm = memoryFileSystem();
    const store = await openQueues(warm);
    appendUnits(store.findOrCreate('Orders', 0), 0, 30);
    await store.writeOut();
    await warm.syncAll('/store');
    const cold = warm.crash();
    const queue = (await openQueues(cold)).findOrCreate('Orders', 0);
    const first = queue.read(0, 64, NO_LIMIT);
    expect(first).toBeInstanceOf(Promise);
    expect(unitsOf(await first)).toEqual(units(0, 10));
    expect(await readAll(queue)).toEqual(units(0, 30));
    expect(await queue.unitAt(17)).toEqual(unitFor(17));
  });
});
