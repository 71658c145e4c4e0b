// The provider over the native addon: the common suite, and what only a real machine can show.

import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NativeError } from '../../../src/native/native-error.ts';
import { NodeFileSystem, asProblem } from '../../../src/store/node-file-system.ts';
import { FileSystemError } from '../../../src/store/store-errors.ts';
import { fileSystemSuite } from '../../support/file-system-suite.ts';
import { makeTemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts';

const open = () => {
  const directory = makeTemporaryDirectory();
  return { fileSystem: new NodeFileSystem(), directory: directory.path, dispose: () => directory.remove() };
};

fileSystemSuite('native', open, { detachesViews: true });

const isRoot = process.getuid?.() === 0;

describe('the native file system', () => {
  const fileSystem = new NodeFileSystem();

  it('is the one without limitations', () => {
    expect(fileSystem.name).toBe('native');
    expect(fileSystem.limitations).toEqual([]);
  });

  it('reserves the blocks of a new file, unless told not to, and of an old one when told to', async () => {
    const directory = temporaryDirectory();
    const sizeBytes = 1 << 20;
    const path = (file: string): string => join(directory, file);
    const allocated = (file: string): number => statSync(path(file)).blocks * 512;
    const make = async (file: string, options: { mode: 'create' | 'open'; preallocate?: boolean }): Promise<void> => {
      await (await fileSystem.openRegion(path(file), { sizeBytes, ...options })).close();
    };
    await make('reserved', { mode: 'create' });
    await make('sparse', { mode: 'create', preallocate: false });
    expect(allocated('reserved')).toBeGreaterThanOrEqual(sizeBytes);
    expect(allocated('sparse')).toBe(0);
    await make('sparse', { mode: 'open' });
    expect(allocated('sparse')).toBe(0);
    await make('sparse', { mode: 'open', preallocate: true });
    expect(allocated('sparse')).toBeGreaterThanOrEqual(sizeBytes);
  });

  it('keeps the mode of a file that it replaces', async () => {
    const path = join(temporaryDirectory(), 'file');
    writeFileSync(path, 'secret');
    chmodSync(path, 0o600);
    await fileSystem.replaceFile(path, Buffer.from('new secret'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    fileSystem.replaceFileSync(path, Buffer.from('newer secret'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('refuses to map, write or lock through a symbolic link', async () => {
    const directory = temporaryDirectory();
    const [target, link] = [join(directory, 'target'), join(directory, 'link')];
    writeFileSync(target, 'precious');
    symlinkSync(target, link);
    const refused = { code: 'ERR_FS_IO', details: { path: link, errno: 'ELOOP' } };
    await expect(fileSystem.openRegion(link, { mode: 'open', sizeBytes: 8 })).rejects.toMatchObject(refused);
    const write = { path: link, fileSizeBytes: 8, position: 0, bytes: Buffer.from('x') };
    await expect(fileSystem.writeFiles([write])).rejects.toMatchObject(refused);
    expect(() => fileSystem.lockFile(link, 'x')).toThrow(/symbolic link/);
    expect(fileSystem.readFileSync(target)?.toString()).toBe('precious');
  });

  it('replaces a symbolic link by a file and leaves its target alone', async () => {
    const directory = temporaryDirectory();
    const [target, link] = [join(directory, 'target'), join(directory, 'link')];
    writeFileSync(target, 'precious');
    symlinkSync(target, link);
    symlinkSync(target, `${link}.tmp`);
    await fileSystem.replaceFile(link, Buffer.from('new'));
    expect(fileSystem.readFileSync(target)?.toString()).toBe('precious');
    expect(fileSystem.readFileSync(link)?.toString()).toBe('new');
  });

  it.skipIf(isRoot)('says what to do when it may not write', async () => {
    const directory = join(temporaryDirectory(), 'closed');
    mkdirSync(directory, { mode: 0o555 });
    const create = fileSystem.openRegion(join(directory, '0'), { mode: 'create', sizeBytes: 8 });
    await expect(create).rejects.toThrow(/permission denied; run as the owner/);
  });

  it('keeps a lock against another instance, as against another process', () => {
    const path = join(temporaryDirectory(), 'lock');
    const lock = fileSystem.lockFile(path, `${process.pid}`);
    expect(() => new NodeFileSystem().lockFile(path, 'other')).toThrow(`(${process.pid})`);
    lock.release();
  });
});

describe('errors of the kernel', () => {
  const table = [
    ['ENOSPC', 'ERR_FS_NO_SPACE', /disk is full \(512 bytes needed/],
    ['EDQUOT', 'ERR_FS_NO_SPACE', /quota/],
    ['EFBIG', 'ERR_FS_NO_SPACE', /no file of that size/],
    ['EOPNOTSUPP', 'ERR_FS_CANNOT_PREALLOCATE', /ext4 or xfs/],
    ['EROFS', 'ERR_FS_IO', /read-only/],
    ['EMFILE', 'ERR_FS_IO', /ulimit -n/],
    ['ENOMEM', 'ERR_FS_IO', /max_map_count/],
    ['EIO', 'ERR_FS_IO', /check the kernel log/],
    ['EXDEV', 'ERR_FS_IO', /EXDEV/],
  ] as const;

  it.each(table)('%s becomes %s with a sentence that says what to do', (errno, code, sentence) => {
    const cause = new NativeError(errno, 'raw', { errno: 1 });
    const problem = asProblem(cause, { doing: 'create', path: '/tmp/file', neededBytes: 512 });
    expect(problem).toBeInstanceOf(FileSystemError);
    expect(problem).toMatchObject({ code, cause, details: { path: '/tmp/file', errno } });
    expect((problem as Error).message).toMatch(sentence);
  });

  it('names the bytes that are free when the disk is full', () => {
    const problem = asProblem(new NativeError('ENOSPC', 'raw'), { doing: 'create', path: '/tmp/file' });
    expect((problem as FileSystemError).details['availableBytes']).toEqual(expect.any(Number));
  });

  it('lets everything else through as it is', () => {
    const bug = new TypeError('a bug');
    expect(asProblem(bug, { doing: 'read', path: 'x' })).toBe(bug);
    const misuse = new NativeError('ERR_NATIVE_ARGUMENT', 'misuse');
    expect(asProblem(misuse, { doing: 'read', path: 'x' })).toBe(misuse);
  });
});
