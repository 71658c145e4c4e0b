// What every provider of the FileSystem port must do, whichever one it is.

import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileSystem, MappedRegion } from '../../src/store/file-system.ts';

export interface FileSystemUnderTest {
  readonly fileSystem: FileSystem;
  /** An empty directory of its own. */
  readonly directory: string;
  dispose(): void;
}

export interface FileSystemTraits {
  /** Views that somebody kept have length 0 once the region is closed. */
  readonly detachesViews: boolean;
}

const SIZE = 3 * 4_096 + 100;

interface Subject {
  fileSystem: FileSystem;
  directory: string;
  at: (name: string) => string;
  create: (name: string, sizeBytes?: number) => Promise<MappedRegion>;
}

export function fileSystemSuite(name: string, open: () => FileSystemUnderTest, traits: FileSystemTraits): void {
  describe(`the ${name} file system`, () => {
    let underTest: FileSystemUnderTest;
    const subject = {} as Subject;

    beforeEach(() => {
      underTest = open();
      const { fileSystem, directory } = underTest;
      subject.fileSystem = fileSystem;
      subject.directory = directory;
      subject.at = (file) => join(directory, file);
      subject.create = (file, sizeBytes = SIZE) =>
        fileSystem.openRegion(subject.at(file), { mode: 'create', sizeBytes });
    });
    afterEach(() => underTest.dispose());

    describe('opening regions', () => opening(subject));
    describe('a region', () => regions(subject));
    describe('closing a region', () => closing(subject, traits));
    describe('reading and writing files', () => files(subject));
    describe('replacing files', () => replacing(subject));
    describe('directories', () => directories(subject));
    describe('locks', () => locks(subject));
  });
}

function opening(subject: Subject): void {
  it('creates a file of the wanted size, full of zeros', async () => {
    const region = await subject.create('0');
    expect(region.path).toBe(subject.at('0'));
    expect(region.sizeBytes).toBe(SIZE);
    expect(region.isClosed).toBe(false);
    expect(region.buffer.equals(Buffer.alloc(SIZE))).toBe(true);
    expect(subject.fileSystem.statusSync(subject.at('0'))?.sizeBytes).toBe(SIZE);
    await region.close();
  });

  it('creates and opens synchronously too', async () => {
    const { fileSystem, at } = subject;
    const created = fileSystem.openRegionSync(at('0'), { mode: 'create', sizeBytes: SIZE, preallocate: false });
    created.buffer.write('here', 5_000);
    await created.close();
    const opened = fileSystem.openRegionSync(at('0'), { mode: 'open', sizeBytes: SIZE });
    expect(opened.buffer.toString('latin1', 5_000, 5_004)).toBe('here');
    await opened.close();
  });

  it('finds again what was written through a region that is closed', async () => {
    const region = await subject.create('0');
    region.buffer.fill('x', 4_090, 4_100);
    await region.close();
    const again = await subject.fileSystem.openRegion(subject.at('0'), { mode: 'open', sizeBytes: SIZE });
    expect(again.buffer.toString('latin1', 4_090, 4_100)).toBe('xxxxxxxxxx');
    expect(again.buffer[4_100]).toBe(0);
    await again.close();
  });

  it('reserves the blocks of an existing sparse file when asked to', async () => {
    const { fileSystem, at } = subject;
    const bytes = Buffer.from('end');
    await fileSystem.writeFiles([{ path: at('0'), fileSizeBytes: SIZE, position: SIZE - 3, bytes }]);
    const region = await fileSystem.openRegion(at('0'), { mode: 'open', sizeBytes: SIZE, preallocate: true });
    expect(region.buffer.toString('latin1', SIZE - 4)).toBe('\0end');
    expect(region.buffer.subarray(0, SIZE - 3).equals(Buffer.alloc(SIZE - 3))).toBe(true);
    await region.close();
  });

  it('refuses to create over a file and leaves it alone', async () => {
    const { fileSystem, at } = subject;
    fileSystem.replaceFileSync(at('0'), Buffer.from('precious'));
    const code = 'ERR_FS_EXISTS';
    await expect(subject.create('0')).rejects.toMatchObject({ code, details: { path: at('0'), errno: 'EEXIST' } });
    expect(() => fileSystem.openRegionSync(at('0'), { mode: 'create', sizeBytes: 8 })).toThrow(/exists already/);
    expect(fileSystem.readFileSync(at('0'))?.toString()).toBe('precious');
  });

  it('refuses to open what is not there, and makes nothing', async () => {
    const { fileSystem, at } = subject;
    const code = 'ERR_FS_NOT_FOUND';
    const missing = fileSystem.openRegion(at('0'), { mode: 'open', sizeBytes: SIZE });
    await expect(missing).rejects.toMatchObject({ code, details: { path: at('0'), errno: 'ENOENT' } });
    await expect(subject.create('no/such/directory')).rejects.toMatchObject({ code });
    expect(fileSystem.listSync(subject.directory)).toEqual([]);
  });

  it('refuses to open a file of another size, smaller or larger, naming both', async () => {
    const { fileSystem, at } = subject;
    for (const size of [SIZE - 1, SIZE + 1]) {
      fileSystem.replaceFileSync(at('0'), Buffer.alloc(size));
      const opened = fileSystem.openRegion(at('0'), { mode: 'open', sizeBytes: SIZE });
      const details = { path: at('0'), expectedBytes: SIZE, actualBytes: size };
      await expect(opened).rejects.toMatchObject({ code: 'ERR_FS_WRONG_SIZE', details });
      expect(() => fileSystem.openRegionSync(at('0'), { mode: 'open', sizeBytes: SIZE })).toThrow(`${size} bytes`);
      expect(fileSystem.statusSync(at('0'))?.sizeBytes).toBe(size);
    }
  });

  it('refuses to map a directory', async () => {
    const { fileSystem, directory } = subject;
    const opened = fileSystem.openRegion(directory, { mode: 'open', sizeBytes: 4_096 });
    await expect(opened).rejects.toMatchObject({ name: 'FileSystemError', details: { path: directory } });
  });
}

function regions(subject: Subject): void {
  it('shows what is written to file readers and to other regions at once, and the other way round', async () => {
    const { fileSystem, at } = subject;
    const region = await subject.create('0');
    const other = await fileSystem.openRegion(at('0'), { mode: 'open', sizeBytes: SIZE });
    region.buffer.write('mapped', 4_093);
    expect(other.buffer.toString('latin1', 4_093, 4_099)).toBe('mapped');
    expect((await fileSystem.readFileAt(at('0'), 4_093, 6)).toString()).toBe('mapped');
    expect(fileSystem.readFileSync(at('0'))?.toString('latin1', 4_093, 4_099)).toBe('mapped');
    await fileSystem.writeFiles([{ path: at('0'), fileSizeBytes: SIZE, position: 7, bytes: Buffer.from('written') }]);
    expect(region.buffer.toString('latin1', 7, 14)).toBe('written');
    await other.close();
    expect(region.buffer.toString('latin1', 7, 14)).toBe('written');
    await region.close();
  });

  it('syncs, populates, advises and tells residence for every range inside it, also empty ones', async () => {
    const region = await subject.create('0');
    region.buffer.fill(1);
    for (const [position, lengthBytes] of [
      [0, SIZE],
      [4_095, 2],
      [SIZE, 0],
      [SIZE - 1, 1],
      [0, 0],
    ] as const) {
      await region.sync(position, lengthBytes);
      await region.populate(position, lengthBytes);
      expect(region.isResident(position, lengthBytes)).toBe(true);
      for (const advice of ['normal', 'random', 'sequential', 'willneed', 'dontneed'] as const) {
        region.advise(position, lengthBytes, advice);
      }
      await region.populate(position, lengthBytes);
    }
    expect(region.buffer.equals(Buffer.alloc(SIZE, 1))).toBe(true);
    await region.close();
  });

  it('prepares a range of zeros to be written', async () => {
    const region = await subject.create('0');
    region.buffer.fill(1, 0, 4_096);
    await region.prepare(4_096, SIZE - 4_096);
    await region.prepare(SIZE, 0);
    expect(region.isResident(0, SIZE)).toBe(true);
    region.buffer.fill(2, 4_096, 4_100);
    const expected = Buffer.alloc(SIZE);
    expected.fill(1, 0, 4_096).fill(2, 4_096, 4_100);
    expect(region.buffer.equals(expected)).toBe(true);
    expect((await region.readAt(0, SIZE)).equals(expected)).toBe(true);
    await region.close();
  });

  it('reads a copy off the loop', async () => {
    const region = await subject.create('0');
    region.buffer.write('first', 4_094);
    const copy = await region.readAt(4_094, 5);
    region.buffer.write('later', 4_094);
    expect(copy.toString()).toBe('first');
    expect(await region.readAt(SIZE, 0)).toHaveLength(0);
    await region.close();
    expect(copy.toString()).toBe('first');
  });

  it('fills a range with zeros and nothing beside it', async () => {
    const region = await subject.create('0');
    region.buffer.fill('x');
    await region.zeroRange(100, 8_000);
    await region.zeroRange(9_000, 0);
    const expected = Buffer.alloc(SIZE, 'x').fill(0, 100, 8_100);
    expect(region.buffer.equals(expected)).toBe(true);
    expect(subject.fileSystem.readFileSync(subject.at('0'))?.equals(expected)).toBe(true);
    await region.close();
  });

  it('takes a range outside of it for a bug', async () => {
    const region = await subject.create('0');
    const failure = { name: 'AssertionFailure' };
    for (const [position, lengthBytes] of [
      [-1, 1],
      [0, -1],
      [0, SIZE + 1],
      [SIZE, 1],
      [SIZE + 1, 0],
    ] as const) {
      await expect(region.sync(position, lengthBytes)).rejects.toMatchObject(failure);
      await expect(region.populate(position, lengthBytes)).rejects.toMatchObject(failure);
      await expect(region.prepare(position, lengthBytes)).rejects.toMatchObject(failure);
      await expect(region.readAt(position, lengthBytes)).rejects.toMatchObject(failure);
      await expect(region.zeroRange(position, lengthBytes)).rejects.toMatchObject(failure);
      expect(() => region.isResident(position, lengthBytes)).toThrow(/range of a region/);
      expect(() => region.advise(position, lengthBytes, 'normal')).toThrow(/range of a region/);
    }
    await region.close();
  });

  it('survives that its file is removed or renamed while it is mapped', async () => {
    const { fileSystem, at } = subject;
    const region = await subject.create('0');
    fileSystem.renameSync(at('0'), at('1'));
    region.buffer.write('still');
    expect(fileSystem.readFileSync(at('1'))?.toString('latin1', 0, 5)).toBe('still');
    await fileSystem.remove(at('1'));
    region.buffer.write('there', 5);
    await region.sync(0, SIZE);
    expect((await region.readAt(0, 10)).toString()).toBe('stillthere');
    await region.close();
  });
}

function closing(subject: Subject, traits: FileSystemTraits): void {
  it('ends the buffer, refuses all further use, and is the same twice', async () => {
    const region = await subject.create('0');
    const view = region.buffer.subarray(10, 20);
    await Promise.all([region.close(), region.close()]);
    await region.close();
    expect(region.isClosed).toBe(true);
    expect(region.buffer).toHaveLength(0);
    if (traits.detachesViews) expect(view).toHaveLength(0);
    const closed = { code: 'ERR_FS_CLOSED', details: { path: subject.at('0') } };
    await expect(region.sync(0, 1)).rejects.toMatchObject(closed);
    await expect(region.populate(0, 1)).rejects.toMatchObject(closed);
    await expect(region.prepare(0, 1)).rejects.toMatchObject(closed);
    await expect(region.readAt(0, 1)).rejects.toMatchObject(closed);
    await expect(region.zeroRange(0, 1)).rejects.toMatchObject(closed);
    expect(() => region.pin()).toThrow(/is closed/);
    expect(() => region.isResident(0, 1)).toThrow(/is closed/);
    expect(() => region.advise(0, 1, 'normal')).toThrow(/is closed/);
  });

  it('waits for every pin, refuses new ones meanwhile, and keeps the memory readable until then', async () => {
    const region = await subject.create('0');
    region.buffer.write('pinned');
    const view = region.buffer.subarray(0, 6);
    region.pin();
    region.pin();
    let closed = false;
    const closing = region.close().then(() => (closed = true));
    expect(region.isClosed).toBe(true);
    expect(() => region.pin()).toThrow(/is closed/);
    region.unpin();
    await subject.fileSystem.readFileAt(subject.at('0'), 0, 1);
    expect(closed).toBe(false);
    expect(view.toString()).toBe('pinned');
    region.unpin();
    await closing;
    expect(region.buffer).toHaveLength(0);
  });

  it('waits for work in flight, which ends well', async () => {
    const region = await subject.create('0');
    region.buffer.write('bytes');
    const synced = region.sync(0, SIZE);
    const read = region.readAt(0, 5);
    const zeroed = region.zeroRange(5, SIZE - 5);
    await region.close();
    await Promise.all([synced, zeroed]);
    expect((await read).toString()).toBe('bytes');
  });

  it('takes an unpin without a pin for a bug', async () => {
    const region = await subject.create('0');
    region.pin();
    region.unpin();
    expect(() => region.unpin()).toThrow('unpin without pin');
    await region.close();
  });
}

function files(subject: Subject): void {
  it('reads whole files and parts, fewer bytes where the file ends', async () => {
    const { fileSystem, at } = subject;
    fileSystem.replaceFileSync(at('file'), Buffer.from('0123456789'));
    expect(fileSystem.readFileSync(at('file'))?.toString()).toBe('0123456789');
    for (const [position, lengthBytes, expected] of [
      [0, 4, '0123'],
      [8, 4, '89'],
      [10, 4, ''],
      [20, 4, ''],
      [3, 0, ''],
    ] as const) {
      expect((await fileSystem.readFileAt(at('file'), position, lengthBytes)).toString()).toBe(expected);
      expect(fileSystem.readFileAtSync(at('file'), position, lengthBytes).toString()).toBe(expected);
    }
  });

  it('says that a missing file is missing', async () => {
    const { fileSystem, at } = subject;
    expect(fileSystem.readFileSync(at('no'))).toBeUndefined();
    const missing = { code: 'ERR_FS_NOT_FOUND', details: { path: at('no'), errno: 'ENOENT' } };
    await expect(fileSystem.readFileAt(at('no'), 0, 1)).rejects.toMatchObject(missing);
    expect(() => fileSystem.readFileAtSync(at('no'), 0, 1)).toThrow(/does not exist/);
  });

  it('refuses to read a directory as a file', () => {
    const { fileSystem, directory } = subject;
    expect(() => fileSystem.readFileSync(directory)).toThrow(/is a directory/);
  });

  it('writes a batch in order: creates, grows with zeros, overwrites', async () => {
    const { fileSystem, at } = subject;
    await fileSystem.writeFiles([
      { path: at('a'), fileSizeBytes: 100, position: 10, bytes: Buffer.from('one') },
      { path: at('b'), fileSizeBytes: 0, position: 2, bytes: Buffer.from('two') },
      { path: at('a'), fileSizeBytes: 50, position: 11, bytes: Buffer.from('three') },
      { path: at('c'), fileSizeBytes: 7, position: 0, bytes: Buffer.alloc(0) },
    ]);
    const expected = Buffer.alloc(100);
    expected.write('othree', 10);
    expect(fileSystem.readFileSync(at('a'))?.equals(expected)).toBe(true);
    expect(fileSystem.readFileSync(at('b'))?.toString('latin1')).toBe('\0\0two');
    expect(fileSystem.statusSync(at('c'))?.sizeBytes).toBe(7);
    await fileSystem.writeFiles([]);
  });

  it('rejects a batch with the index and path of the first write that failed', async () => {
    const { fileSystem, at } = subject;
    const write = { fileSizeBytes: 4, position: 0, bytes: Buffer.from('data') };
    const writes = ['good', 'no/such/directory', 'other'].map((file) => ({ path: at(file), ...write }));
    const details = { index: 1, path: at('no/such/directory'), errno: 'ENOENT' };
    await expect(fileSystem.writeFiles(writes)).rejects.toMatchObject({ code: 'ERR_FS_NOT_FOUND', details });
    expect(fileSystem.readFileSync(at('good'))?.toString()).toBe('data');
  });

  it('finds data behind a hole, if it knows about holes at all', async () => {
    const { fileSystem, at } = subject;
    const bytes = Buffer.from('data');
    await fileSystem.writeFiles([{ path: at('sparse'), fileSizeBytes: 2 ** 20, position: 2 ** 19, bytes }]);
    if (fileSystem.nextDataSync === undefined) return;
    expect(fileSystem.nextDataSync(at('sparse'), 0)).toBeLessThanOrEqual(2 ** 19);
    expect(fileSystem.nextDataSync(at('sparse'), 2 ** 19 + 2)).toBe(2 ** 19 + 2);
    expect(fileSystem.nextDataSync(at('sparse'), 2 ** 19 + 2 ** 18)).toBeUndefined();
    expect(fileSystem.nextDataSync(at('sparse'), 2 ** 20)).toBeUndefined();
    expect(() => fileSystem.nextDataSync?.(at('no'), 0)).toThrow(/does not exist/);
  });

  it('removes files, and does nothing for a missing one', async () => {
    const { fileSystem, at } = subject;
    for (const file of ['a', 'b']) fileSystem.replaceFileSync(at(file), Buffer.from(file));
    await fileSystem.remove(at('a'));
    await fileSystem.remove(at('a'));
    fileSystem.removeSync(at('b'));
    fileSystem.removeSync(at('b'));
    expect(fileSystem.listSync(subject.directory)).toEqual([]);
  });

  it('does not remove a directory as if it were a file', async () => {
    const { fileSystem, at } = subject;
    fileSystem.makeDirectorySync(at('folder'));
    await expect(fileSystem.remove(at('folder'))).rejects.toMatchObject({ code: 'ERR_FS_IO' });
    expect(() => fileSystem.removeSync(at('folder'))).toThrow(/can't remove/);
    expect(fileSystem.statusSync(at('folder'))?.isDirectory).toBe(true);
  });

  it('renames, also over an existing file, and says when there is nothing to rename', () => {
    const { fileSystem, at } = subject;
    fileSystem.replaceFileSync(at('a'), Buffer.from('new'));
    fileSystem.replaceFileSync(at('b'), Buffer.from('old'));
    fileSystem.renameSync(at('a'), at('b'));
    expect(fileSystem.listSync(subject.directory)).toEqual(['b']);
    expect(fileSystem.readFileSync(at('b'))?.toString()).toBe('new');
    expect(() => fileSystem.renameSync(at('a'), at('c'))).toThrow(/does not exist/);
  });
}

function replacing(subject: Subject): void {
  it('makes a new file and replaces an old one, longer or shorter, and leaves no temporary file', async () => {
    const { fileSystem, at } = subject;
    for (const text of ['first', 'a longer second', '', 'third']) {
      await fileSystem.replaceFile(at('async'), Buffer.from(text));
      fileSystem.replaceFileSync(at('sync'), Buffer.from(text));
      expect(fileSystem.readFileSync(at('async'))?.toString()).toBe(text);
      expect(fileSystem.readFileSync(at('sync'))?.toString()).toBe(text);
      expect(fileSystem.listSync(subject.directory)).toEqual(['async', 'sync']);
    }
  });

  it('does several for one path in the order of the calls', async () => {
    const { fileSystem, at } = subject;
    const bytes = Buffer.from('0');
    const replaced = ['1', '2', '3'].map((text) => {
      bytes.write(text);
      return fileSystem.replaceFile(at('file'), bytes);
    });
    bytes.write('4');
    await Promise.all(replaced);
    expect(fileSystem.readFileSync(at('file'))?.toString()).toBe('3');
  });

  it('gets past the temporary file that a killed process left', async () => {
    const { fileSystem, at } = subject;
    fileSystem.replaceFileSync(at('file.tmp'), Buffer.from('left behind and quite long'));
    await fileSystem.replaceFile(at('file'), Buffer.from('new'));
    fileSystem.replaceFileSync(at('other.tmp'), Buffer.from('left behind and quite long'));
    fileSystem.replaceFileSync(at('other'), Buffer.from('new'));
    expect(fileSystem.listSync(subject.directory)).toEqual(['file', 'other']);
    expect(fileSystem.readFileSync(at('file'))?.toString()).toBe('new');
    expect(fileSystem.readFileSync(at('other'))?.toString()).toBe('new');
  });

  it('fails where there is no directory', async () => {
    const { fileSystem, at } = subject;
    const missing = { code: 'ERR_FS_NOT_FOUND', details: { path: at('no/file') } };
    await expect(fileSystem.replaceFile(at('no/file'), Buffer.from('x'))).rejects.toMatchObject(missing);
    expect(() => fileSystem.replaceFileSync(at('no/file'), Buffer.from('x'))).toThrow(/does not exist/);
  });
}

function directories(subject: Subject): void {
  it('lists names in order, nothing for a missing directory, and refuses a file', () => {
    const { fileSystem, directory, at } = subject;
    for (const file of ['10', '9', 'b', 'B', 'a']) fileSystem.replaceFileSync(at(file), Buffer.from(''));
    fileSystem.makeDirectorySync(at('Z'));
    expect(fileSystem.listSync(directory)).toEqual(['10', '9', 'B', 'Z', 'a', 'b']);
    expect(fileSystem.listSync(at('missing'))).toEqual([]);
    expect(() => fileSystem.listSync(at('a'))).toThrow(/a directory was expected/);
  });

  it('makes directories with those above them, twice the same as once, and not over a file', () => {
    const { fileSystem, at } = subject;
    fileSystem.makeDirectorySync(at('a/b/c'));
    fileSystem.makeDirectorySync(at('a/b/c'));
    expect(fileSystem.statusSync(at('a/b/c'))?.isDirectory).toBe(true);
    fileSystem.replaceFileSync(at('a/file'), Buffer.from(''));
    expect(() => fileSystem.makeDirectorySync(at('a/file'))).toThrow(/exists already/);
  });

  it('tells size, time and kind, and undefined for what is not there', () => {
    const { fileSystem, at } = subject;
    fileSystem.replaceFileSync(at('file'), Buffer.from('12345'));
    const status = fileSystem.statusSync(at('file'));
    expect(status).toMatchObject({ sizeBytes: 5, isDirectory: false });
    expect(Number.isFinite(status?.modifiedMs)).toBe(true);
    expect(fileSystem.statusSync(at('missing'))).toBeUndefined();
    expect(fileSystem.statusSync(at('file/below'))).toBeUndefined();
  });

  it('removes a tree with everything in it, and does nothing for a missing one', async () => {
    const { fileSystem, at } = subject;
    fileSystem.makeDirectorySync(at('tree/a/b'));
    for (const file of ['tree/1', 'tree/a/2', 'tree/a/b/3']) fileSystem.replaceFileSync(at(file), Buffer.from('x'));
    fileSystem.replaceFileSync(at('beside'), Buffer.from('x'));
    await fileSystem.removeTree(at('tree'));
    await fileSystem.removeTree(at('tree'));
    expect(fileSystem.listSync(subject.directory)).toEqual(['beside']);
  });

  it('syncs a directory and everything, and says when it is missing', async () => {
    const { fileSystem, at } = subject;
    fileSystem.makeDirectorySync(at('a/b'));
    fileSystem.replaceFileSync(at('a/b/file'), Buffer.from('x'));
    await fileSystem.syncDirectory(at('a/b'));
    await fileSystem.syncDirectory(subject.directory);
    await fileSystem.syncAll(at('a'));
    const missing = { code: 'ERR_FS_NOT_FOUND', details: { path: at('no') } };
    await expect(fileSystem.syncDirectory(at('no'))).rejects.toMatchObject(missing);
    await expect(fileSystem.syncAll(at('no'))).rejects.toMatchObject(missing);
  });

  it('tells how much room there is', () => {
    const { fileSystem, directory, at } = subject;
    const { totalBytes, availableBytes } = fileSystem.spaceOf(directory);
    expect(totalBytes).toBeGreaterThan(0);
    expect(availableBytes).toBeGreaterThan(0);
    expect(availableBytes).toBeLessThanOrEqual(totalBytes);
    expect(() => fileSystem.spaceOf(at('missing'))).toThrow(/does not exist/);
  });
}

function locks(subject: Subject): void {
  it('gives a lock to one owner at a time and names the owner to the other', () => {
    const { fileSystem, at } = subject;
    const lock = fileSystem.lockFile(at('lock'), 'pid 4711');
    expect(fileSystem.readFileSync(at('lock'))?.toString()).toBe('pid 4711');
    const second = (): unknown => fileSystem.lockFile(at('lock'), 'pid 4712');
    expect(second).toThrow(
      expect.objectContaining({ code: 'ERR_FS_LOCKED', details: { path: at('lock'), owner: 'pid 4711' } }),
    );
    expect(second).toThrow(/pid 4711/);
    expect(fileSystem.readFileSync(at('lock'))?.toString()).toBe('pid 4711');
    lock.release();
    lock.release();
    fileSystem.lockFile(at('lock'), '42').release();
    expect(fileSystem.readFileSync(at('lock'))?.toString()).toBe('42');
  });

  it('does not mistake a late release for that of the next owner', () => {
    const { fileSystem, at } = subject;
    const first = fileSystem.lockFile(at('lock'), 'first');
    first.release();
    const second = fileSystem.lockFile(at('lock'), 'second');
    first.release();
    expect(() => fileSystem.lockFile(at('lock'), 'third')).toThrow(/second/);
    second.release();
  });

  it('keeps two locks apart', () => {
    const { fileSystem, at } = subject;
    const one = fileSystem.lockFile(at('one'), '1');
    const two = fileSystem.lockFile(at('two'), '2');
    one.release();
    expect(() => fileSystem.lockFile(at('two'), '3')).toThrow(/is held/);
    two.release();
  });

  it('fails where there is no directory', () => {
    const { fileSystem, at } = subject;
    expect(() => fileSystem.lockFile(at('no/lock'), '')).toThrow(/does not exist/);
  });
}
