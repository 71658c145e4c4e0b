import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 as zlibCrc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';

import { crc32OfRange } from '../../src/native/crc32.ts';
import { readFileAt, syncDirectory } from '../../src/native/file-tasks.ts';
import { type MappedFileRegion, openMappedFile, openMappedFileSync } from '../../src/native/mapped-file-region.ts';
import { failureOf, makePipe, scratchDirectory } from './support/scratch.ts';

const directory = scratchDirectory();
let fileCount = 0;
const newPath = (): string => join(directory, `file-${fileCount++}`);
const createSync = (sizeBytes = 65536): MappedFileRegion =>
  openMappedFileSync(newPath(), { mode: 'create', sizeBytes });
const coded = (code: string): unknown => expect.objectContaining({ name: 'NativeError', code });

describe('opening', () => {
  test.each(['async', 'sync'])(
    'a created file has its size, and what is written into the buffer is in it (%s)',
    async (variant) => {
      const path = newPath();
      const options = { mode: 'create', sizeBytes: 10_000, preallocate: true } as const;
      const region = variant === 'sync' ? openMappedFileSync(path, options) : await openMappedFile(path, options);
      expect(region.sizeBytes).toBe(10_000);
      expect(region.buffer.length).toBe(10_000);
      expect(region.path).toBe(path);
      region.buffer.write('hello', 9_995);
      expect(readFileSync(path).toString('latin1', 9_995)).toBe('hello');
      expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(10_000);
      await region.close();
    },
  );

  test('create refuses a file that exists, open refuses one that does not, and open-or-create takes both', async () => {
    const path = newPath();
    expect(await failureOf(() => openMappedFileSync(path, { mode: 'open' }))).toEqual(coded('ENOENT'));
    const first = openMappedFileSync(path, { mode: 'open-or-create', sizeBytes: 4096 });
    first.buffer.write('kept');
    expect(await failureOf(() => openMappedFile(path, { mode: 'create', sizeBytes: 4096 }))).toEqual(coded('EEXIST'));
    const second = await openMappedFile(path, { mode: 'open-or-create', sizeBytes: 4096 });
    expect(second.buffer.toString('latin1', 0, 4)).toBe('kept');
    await Promise.all([first.close(), second.close()]);
    expect(readFileSync(path).toString('latin1', 0, 4)).toBe('kept');
  });

  test('open without a size takes the file as it is; another size is refused and the file stays as it is', async () => {
    const path = newPath();
    writeFileSync(path, Buffer.alloc(5000, 7));
    for (const sizeBytes of [4999, 5001]) {
      for (const mode of ['open', 'open-or-create'] as const) {
        const failure = await failureOf(() => openMappedFile(path, { mode, sizeBytes }));
        expect(failure).toEqual(coded('ERR_NATIVE_FILE_SIZE'));
        expect(failure).toMatchObject({ details: { path, fileSizeBytes: 5000 } });
      }
    }
    const region = await openMappedFile(path, { mode: 'open' });
    expect(region.buffer.equals(Buffer.alloc(5000, 7))).toBe(true);
    await region.close();
    expect(statSync(path).size).toBe(5000);
  });

  test('grow extends a smaller file with zeros and never shrinks a larger one', async () => {
    const path = newPath();
    writeFileSync(path, 'start');
    const region = await openMappedFile(path, { mode: 'open', sizeBytes: 8192, grow: true, preallocate: true });
    expect(region.buffer.toString('latin1', 0, 6)).toBe('start\0');
    await region.close();
    const failure = await failureOf(() => openMappedFile(path, { mode: 'open', sizeBytes: 4096, grow: true }));
    expect(failure).toEqual(coded('ERR_NATIVE_FILE_SIZE'));
    expect(statSync(path).size).toBe(8192);
  });

  test('a read-only region reads, and refuses what would write', async () => {
    const path = newPath();
    writeFileSync(path, Buffer.alloc(4096, 1));
    const region = openMappedFileSync(path, { mode: 'open', access: 'read-only' });
    expect(region.buffer[4095]).toBe(1);
    await region.populate(0, 4096);
    expect(await region.readAt(4000, 96)).toEqual(Buffer.alloc(96, 1));
    expect(await failureOf(() => region.zeroRange(0, 1))).toEqual(coded('ERR_NATIVE_READ_ONLY'));
    await region.close();
  });

  test('an empty file, a directory, a missing size and a senseless mixture are refused by name', async () => {
    const empty = newPath();
    writeFileSync(empty, '');
    expect(await failureOf(() => openMappedFile(empty, { mode: 'open' }))).toEqual(coded('EINVAL'));
    expect(await failureOf(() => openMappedFile(directory, { mode: 'open' }))).toEqual(coded('EISDIR'));
    const readable = await failureOf(() => openMappedFile(directory, { mode: 'open', access: 'read-only' }));
    expect(readable).toEqual(coded('ENODEV'));
    for (const options of [
      { mode: 'create' },
      { mode: 'create', sizeBytes: -1 },
      { mode: 'create', sizeBytes: 1.5 },
      { mode: 'create', sizeBytes: Number.NaN },
      { mode: 'create', sizeBytes: 4096, access: 'read-only' },
      { mode: 'open', preallocate: true },
    ] as const) {
      expect(await failureOf(() => openMappedFile(newPath(), options))).toEqual(coded('ERR_NATIVE_ARGUMENT'));
    }
    expect(await failureOf(() => openMappedFile('a\0b', { mode: 'open' }))).toEqual(coded('ERR_NATIVE_ARGUMENT'));
    expect(await failureOf(() => openMappedFile('', { mode: 'open' }))).toEqual(coded('ERR_NATIVE_ARGUMENT'));
  });

  test('a creation that fails leaves no file, and an extension that fails leaves the old size', async () => {
    const folder = join(directory, 'failing');
    mkdirSync(folder);
    const tooLarge = Number.MAX_SAFE_INTEGER;
    const failure = await failureOf(() => openMappedFile(join(folder, 'new'), { mode: 'create', sizeBytes: tooLarge }));
    expect(failure).toEqual(coded('EFBIG'));
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(join(folder, 'old'), 'abc');
    await failureOf(() => openMappedFile(join(folder, 'old'), { mode: 'open', sizeBytes: tooLarge, grow: true }));
    expect(readFileSync(join(folder, 'old'), 'latin1')).toBe('abc');
  });

  test('a symbolic link is followed neither to make a file nor to open one', async () => {
    const link = newPath();
    symlinkSync(join(directory, 'nowhere'), link);
    expect(await failureOf(() => openMappedFileSync(link, { mode: 'create', sizeBytes: 1 }))).toEqual(coded('EEXIST'));
    expect(existsSync(join(directory, 'nowhere'))).toBe(false);
    writeFileSync(join(directory, 'nowhere'), 'now it is somewhere');
    expect(await failureOf(() => openMappedFile(link, { mode: 'open' }))).toEqual(coded('ELOOP'));
  });

  test('messages name the file, the errno and what to do', async () => {
    const path = join(directory, 'no', 'such', 'folder');
    const failure = await failureOf(() => openMappedFile(path, { mode: 'create', sizeBytes: 1 }));
    expect(failure).toMatchObject({
      message: `can't map ${path}: no such file or directory (ENOENT from open); check the path`,
      details: { path, syscall: 'open' },
    });
  });
});

describe('an open region', () => {
  test('sync, populate, lock, unlock and advise accept every range inside, also the empty one at the end', async () => {
    const region = createSync(10_000);
    region.buffer.fill(3);
    for (const [position, length] of [
      [0, 10_000],
      [4095, 2],
      [9_999, 1],
      [10_000, 0],
    ] as const) {
      await region.sync(position, length);
      await region.populate(position, length);
      await region.lockMemory(position, length);
      await region.unlockMemory(position, length);
      for (const advice of ['normal', 'random', 'sequential', 'willneed', 'dontneed'] as const) {
        region.advise(position, length, advice);
      }
      expect(typeof region.isResident(position, length)).toBe('boolean');
    }
    expect(region.buffer.equals(Buffer.alloc(10_000, 3))).toBe(true);
    await region.close();
  });

  test('every method refuses a range that is not inside', async () => {
    const region = createSync(4096);
    const outside = [
      [-1, 1],
      [0, 4097],
      [4096, 1],
      [4097, 0],
      [1, -1],
      [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ] as const;
    for (const [position, length] of outside) {
      for (const call of rangeCalls(region, position, length)) {
        expect(await failureOf(call)).toEqual(coded('ERR_NATIVE_RANGE'));
      }
    }
    for (const nonsense of [Number.NaN, 0.5, Infinity, 2 ** 60]) {
      for (const call of rangeCalls(region, nonsense, 1)) {
        expect(await failureOf(call)).toEqual(coded('ERR_NATIVE_ARGUMENT'));
      }
    }
    await region.close();
  });

  test('readAt gives a copy that later writes and the close do not touch', async () => {
    const region = createSync(8192);
    region.buffer.write('original', 4092);
    const copy = await region.readAt(4092, 8);
    region.buffer.fill(0);
    await region.close();
    expect(copy.toString()).toBe('original');
  });

  test('zeroRange zeros exactly its range, aligned or not', async () => {
    const region = createSync(4 * 4096);
    for (const [position, length] of [
      [0, 4096],
      [5000, 6000],
      [16_383, 1],
      [77, 0],
    ] as const) {
      region.buffer.fill(0xff);
      await region.zeroRange(position, length);
      const expected = Buffer.alloc(region.sizeBytes, 0xff).fill(0, position, position + length);
      expect(region.buffer.equals(expected)).toBe(true);
      expect(readFileSync(region.path).equals(expected)).toBe(true);
    }
    await region.close();
  });

  test('isResident tells pages in memory from pages dropped', async () => {
    const region = createSync(64 * 1024 * 1024); // more pages than one mincore call looks at
    expect(region.isResident(0, region.sizeBytes)).toBe(false);
    region.buffer.fill(1);
    expect(region.isResident(0, region.sizeBytes)).toBe(true);
    await region.sync(0, region.sizeBytes);
    region.advise(0, region.sizeBytes, 'dontneed');
    const isTmpfs = execFileSync('df', ['-T', directory]).toString().includes('tmpfs'); // which has nowhere to drop to
    expect(region.isResident(60 * 1024 * 1024, 4096)).toBe(isTmpfs);
    await region.populate(60 * 1024 * 1024, 8192);
    expect(region.isResident(60 * 1024 * 1024, 8192)).toBe(true);
    expect(region.buffer[60 * 1024 * 1024]).toBe(1);
    await region.close();
  });

  test('crc32OfRange takes a part of the mapping, and refuses it after the close', async () => {
    const region = createSync(4096);
    region.buffer.write('-- the bytes --', 100);
    expect(crc32OfRange(region.buffer, 103, 9)).toBe(zlibCrc32('the bytes'));
    await region.close();
    expect(await failureOf(() => crc32OfRange(region.buffer, 103, 9))).toMatchObject({ code: 'ERR_NATIVE_RANGE' });
  });

  test('two regions over one file see the same bytes', async () => {
    const first = createSync(4096);
    const second = openMappedFileSync(first.path, { mode: 'open' });
    first.buffer[17] = 42;
    expect(second.buffer[17]).toBe(42);
    await first.close();
    expect(second.buffer[17]).toBe(42);
    await second.close();
  });
});

describe('closing', () => {
  test('every Buffer made from the region has length 0 afterwards', async () => {
    const region = createSync(4096);
    const views = [region.buffer, region.buffer.subarray(100, 200), new Uint8Array(region.buffer.buffer, 5, 5)];
    const dataView = new DataView(region.buffer.buffer);
    expect(region.isClosed).toBe(false);
    await region.close();
    expect(region.isClosed).toBe(true);
    for (const view of views) {
      expect(view.length).toBe(0);
      expect(view[0]).toBeUndefined();
    }
    expect(() => dataView.getUint8(0)).toThrow(TypeError);
  });

  test('twice is the same as once', async () => {
    const region = createSync();
    const first = region.close();
    expect(region.close()).toBe(first);
    await first;
    expect(region.close()).toBe(first);
  });

  test('waits for every pin; meanwhile holders read on and nobody else gets in', async () => {
    const region = createSync();
    region.buffer.write('held');
    region.pin();
    region.pin();
    let closed = false;
    const closing = region.close().then(() => (closed = true));
    for (const call of allCalls(region)) expect(await failureOf(call)).toEqual(coded('ERR_NATIVE_CLOSED'));
    await syncDirectory(directory); // a round trip through the loop and the threads
    expect(region.buffer.toString('latin1', 0, 4)).toBe('held');
    region.unpin();
    await syncDirectory(directory);
    expect(closed).toBe(false);
    expect(region.buffer.length).toBe(65536);
    region.unpin();
    expect(region.buffer.length).toBe(0);
    await closing;
  });

  test('waits for work in flight, which ends as if nothing had happened', async () => {
    const region = createSync();
    region.buffer.fill(9);
    // Both file threads wait in open() for a writer, so that the read stays queued for as long as the test likes.
    const pipe = makePipe(newPath());
    const blocked = [readFileAt(pipe, 0, 0), readFileAt(pipe, 0, 0)];
    const order: string[] = [];
    const read = region.readAt(10, 5).then((bytes) => (order.push('read'), bytes));
    const synced = region.sync(0, 65536).then(() => order.push('synced'));
    const closing = region.close().then(() => order.push('closed'));
    await synced;
    expect(region.buffer.length).toBe(65536);
    expect(order).toEqual(['synced']);
    const writer = await openFile(pipe, 'w');
    expect(await read).toEqual(Buffer.alloc(5, 9));
    await closing;
    expect(order).toEqual(['synced', 'read', 'closed']);
    expect(region.buffer.length).toBe(0);
    await Promise.all(blocked);
    await writer.close();
  });

  test('every method fails with a code after the close, and unpin says that there is no pin', async () => {
    const region = createSync();
    await region.close();
    for (const call of allCalls(region)) expect(await failureOf(call)).toEqual(coded('ERR_NATIVE_CLOSED'));
    expect(await failureOf(() => region.unpin())).toEqual(coded('ERR_NATIVE_NOT_PINNED'));
  });

  test('unpin without a pin is refused while open', async () => {
    const region = createSync();
    expect(await failureOf(() => region.unpin())).toEqual(coded('ERR_NATIVE_NOT_PINNED'));
    region.pin();
    region.unpin();
    expect(await failureOf(() => region.unpin())).toEqual(coded('ERR_NATIVE_NOT_PINNED'));
    await region.close();
  });

  test('a stale handle does not reach the region that took its place', async () => {
    const old = createSync();
    await old.close();
    const young = createSync();
    expect(await failureOf(() => old.pin())).toEqual(coded('ERR_NATIVE_CLOSED'));
    expect(await failureOf(() => old.isResident(0, 1))).toEqual(coded('ERR_NATIVE_CLOSED'));
    expect(young.buffer.length).toBe(65536);
    await young.close();
  });

  test('opening and closing many times leaves no descriptor and no mapping behind', async () => {
    const before = openThings();
    for (let round = 0; round < 10; round++) {
      const regions = Array.from({ length: 50 }, () => createSync(4096));
      await Promise.all(regions.map((region) => region.close()));
    }
    expect(openThings()).toEqual(before);
  });

  test('a transfer to another thread copies and leaves the region whole', async () => {
    const region = createSync(4096);
    region.buffer.write('mine');
    const memory = region.buffer.buffer as ArrayBuffer;
    const attempt = await Promise.resolve()
      .then(() => structuredClone(memory, { transfer: [memory] }))
      .then(
        (copy) => Buffer.from(copy).toString('latin1', 0, 4),
        (error: unknown) => (error as Error).name,
      );
    expect(['mine', 'DataCloneError']).toContain(attempt);
    expect(region.buffer.toString('latin1', 0, 4)).toBe('mine');
    await region.close();
  });
});

function rangeCalls(region: MappedFileRegion, position: number, length: number): (() => unknown)[] {
  return [
    () => region.sync(position, length),
    () => region.populate(position, length),
    () => region.lockMemory(position, length),
    () => region.unlockMemory(position, length),
    () => region.zeroRange(position, length),
    () => region.isResident(position, length),
    () => region.advise(position, length, 'normal'),
    () => region.readAt(position, length),
  ];
}

function allCalls(region: MappedFileRegion): (() => unknown)[] {
  return [...rangeCalls(region, 0, 1), () => region.pin()];
}

/** Descriptors and mappings of this process that lie in the test directory. */
function openThings(): { descriptors: number; mappings: number } {
  if (process.platform !== 'linux') return { descriptors: 0, mappings: 0 };
  const links = execFileSync('ls', ['-l', `/proc/${process.pid}/fd`]).toString();
  const maps = readFileSync(`/proc/${process.pid}/maps`, 'latin1');
  return { descriptors: links.split(directory).length - 1, mappings: maps.split(directory).length - 1 };
}
