import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import {
  fileSystemInfo,
  type FileWriteFailure,
  lockFile,
  readFileAt,
  syncDirectory,
  syncFileSystem,
  writeFiles,
} from '../../src/native/file-tasks.ts';
import { nativeAddon } from '../../src/native/load-addon.ts';
import type { NativeError } from '../../src/native/native-error.ts';
import { openMappedFileSync } from '../../src/native/mapped-file-region.ts';
import { canRun, failureOf, makePipe, scratchDirectory } from './support/scratch.ts';

const directory = scratchDirectory();
const coded = (code: string): unknown => expect.objectContaining({ name: 'NativeError', code });

describe('readFileAt', () => {
  const path = join(directory, 'read');
  writeFileSync(path, '0123456789');

  test('reads a part, and less where the file ends', async () => {
    expect((await readFileAt(path, 3, 4)).toString()).toBe('3456');
    expect((await readFileAt(path, 8, 100)).toString()).toBe('89');
    expect((await readFileAt(path, 100, 5)).length).toBe(0);
    expect((await readFileAt(path, 0, 0)).length).toBe(0);
  });

  test('names a missing file, a directory and a senseless range', async () => {
    expect(await failureOf(() => readFileAt(join(directory, 'none'), 0, 1))).toEqual(coded('ENOENT'));
    expect(await failureOf(() => readFileAt(directory, 0, 1))).toEqual(coded('EISDIR'));
    for (const [position, length] of [
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      expect(await failureOf(() => readFileAt(path, position, length))).toEqual(coded('ERR_NATIVE_RANGE'));
    }
  });
});

describe('writeFiles', () => {
  test('makes, extends and overwrites many files in one call, in order', async () => {
    const folder = join(directory, 'many');
    mkdirSync(folder);
    writeFileSync(join(folder, 'present'), 'abcdef');
    const entries = Array.from({ length: 3000 }, (_, index) => ({
      path: join(folder, `queue-${index}-ü`),
      fileSizeBytes: 6000,
      position: 20,
      bytes: Buffer.from(`entry ${index}`),
    }));
    entries.push({ path: join(folder, 'present'), fileSizeBytes: 3, position: 2, bytes: Buffer.from('XY') });
    entries.push({ path: join(folder, 'present'), fileSizeBytes: 0, position: 3, bytes: Buffer.from('Z') });
    entries.push({ path: join(folder, 'sized'), fileSizeBytes: 100, position: 0, bytes: Buffer.alloc(0) });
    await writeFiles(entries, { sync: false });
    for (const index of [0, 1, 1500, 2999]) {
      const bytes = readFileSync(join(folder, `queue-${index}-ü`));
      expect(bytes.length).toBe(6000);
      expect(bytes.toString('latin1', 20, 20 + `entry ${index}`.length)).toBe(`entry ${index}`);
    }
    expect(readFileSync(join(folder, 'present'), 'latin1')).toBe('abXZef');
    expect(statSync(join(folder, 'sized')).size).toBe(100);
  });

  test('the bytes may change as soon as the call has returned', async () => {
    const path = join(directory, 'reused');
    const bytes = Buffer.from('before');
    const writing = writeFiles([{ path, fileSizeBytes: 0, position: 0, bytes }], { sync: true });
    bytes.fill(0);
    await writing;
    expect(readFileSync(path, 'latin1')).toBe('before');
  });

  test('reports each failure with its index, and writes the others', async () => {
    const target = join(directory, 'linked');
    writeFileSync(target, 'safe');
    symlinkSync(target, join(directory, 'link'));
    const bytes = Buffer.from('data');
    const entries = ['good', 'missing/file', 'link', 'good too'].map((name) => {
      return { path: join(directory, name), fileSizeBytes: 0, position: 0, bytes };
    });
    const failure = (await failureOf(() => writeFiles(entries))) as NativeError;
    expect(failure).toMatchObject({ code: 'ENOENT', details: { index: 1, path: entries[1]!.path } });
    const failures = failure.details['failures'] as FileWriteFailure[];
    expect(failures.map(({ index, error }) => [index, error.code])).toEqual([
      [1, 'ENOENT'],
      [2, 'ELOOP'],
    ]);
    expect(readFileSync(target, 'latin1')).toBe('safe');
    for (const index of [0, 3]) expect(readFileSync(entries[index]!.path, 'latin1')).toBe('data');
  });

  test('an empty batch does nothing; a senseless entry stops the batch before anything is written', async () => {
    await writeFiles([]);
    const good = { path: join(directory, 'unwritten'), fileSizeBytes: 0, position: 0, bytes: Buffer.from('x') };
    for (const bad of [
      { path: '' },
      { path: 'a\0b' },
      { position: -1 },
      { fileSizeBytes: Number.NaN },
      { position: 1e16 },
    ]) {
      expect(await failureOf(() => writeFiles([good, { ...good, ...bad }]))).toEqual(coded('ERR_NATIVE_ARGUMENT'));
    }
    expect(() => statSync(good.path)).toThrow('ENOENT');
  });

  test('C++ refuses a batch whose arrays contradict one another', async () => {
    const path = join(directory, 'contradiction');
    const call = (paths: string, numbers: number[], size: number) => () =>
      nativeAddon.writeFiles(paths, Float64Array.from(numbers), Buffer.alloc(size), 0);
    for (const action of [
      call(`${path}\0`, [0, 0, 5], 4),
      call(`${path}\0`, [0, 0, 3], 4),
      call(`${path}\0${path}\0`, [0, 0, 4], 4),
      call(`${path}\0`, [0, 0, 2, 0, 0, 2], 4),
      call(`${path}\0`, [0, 0, 1.5], 4),
      call(`${path}\0`, [0, 0, 4, 0], 4),
      call('', [0, 0, 4], 4),
    ]) {
      expect(await failureOf(action)).toMatchObject({ code: 'ERR_NATIVE_ARGUMENT' });
    }
    expect(() => statSync(path)).toThrow('ENOENT');
  });
});

describe('threads', () => {
  // Opening a pipe for reading waits for a writer, so two such tasks hold every thread of their pool.
  test('syncs that hang do not delay a read', async () => {
    const pipe = makePipe(join(directory, 'sync-pipe'));
    const hanging = Promise.allSettled([syncDirectory(pipe), syncDirectory(pipe)]);
    writeFileSync(join(directory, 'beside'), 'read at once');
    expect((await readFileAt(join(directory, 'beside'), 0, 4)).toString()).toBe('read');
    const writer = await openFile(pipe, 'w');
    expect((await hanging).map((result) => result.status)).toEqual(['rejected', 'rejected']); // a pipe can't be synced
    await writer.close();
  });

  test('reads that hang do not delay a sync', async () => {
    const region = openMappedFileSync(join(directory, 'threads'), { mode: 'create', sizeBytes: 4096 });
    const pipe = makePipe(join(directory, 'read-pipe'));
    const hanging = Promise.all([readFileAt(pipe, 0, 0), readFileAt(pipe, 0, 0)]);
    await region.sync(0, 4096);
    const writer = await openFile(pipe, 'w');
    await hanging;
    await writer.close();
    await region.close();
  });

  test('a thousand tasks at once all settle', async () => {
    const path = join(directory, 'crowd');
    writeFileSync(path, Buffer.from(Array.from({ length: 256 }, (_, index) => index)));
    const reads = Array.from({ length: 1000 }, (_, index) => readFileAt(path, index % 256, 1));
    const bytes = await Promise.all(reads);
    expect(bytes.map((byte) => byte[0])).toEqual(Array.from({ length: 1000 }, (_, index) => index % 256));
  });
});

describe('directories and file systems', () => {
  test('syncDirectory and syncFileSystem resolve, and name what is not there', async () => {
    await syncDirectory(directory);
    if (process.platform === 'linux') await syncFileSystem(directory);
    else expect(await failureOf(() => syncFileSystem(directory))).toEqual(coded('ENOTSUP'));
    expect(await failureOf(() => syncDirectory(join(directory, 'none')))).toEqual(coded('ENOENT'));
    expect(await failureOf(() => syncFileSystem(join(directory, 'none')))).toEqual(coded('ENOENT'));
  });

  test('fileSystemInfo gives bytes', async () => {
    const info = fileSystemInfo(directory);
    const status = statfsSync(directory);
    expect(info.totalBytes).toBe(status.blocks * status.bsize);
    expect(info.availableBytes).toBeLessThanOrEqual(info.totalBytes);
    expect(info.typeNumber).toBe(status.type);
    expect(await failureOf(() => fileSystemInfo(join(directory, 'none')))).toEqual(coded('ENOENT'));
  });
});

describe('lockFile', () => {
  test('one owner at a time; the loser learns who it is; release lets the next one in', async () => {
    const path = join(directory, 'lock');
    writeFileSync(path, 'an older and much longer text than the new one');
    const lock = lockFile(path, 'pid 1\n');
    expect(readFileSync(path, 'latin1')).toBe('pid 1\n');
    const failure = await failureOf(() => lockFile(path, 'pid 2'));
    expect(failure).toEqual(coded('ERR_NATIVE_LOCKED'));
    expect(failure).toMatchObject({
      message: `${path} is locked by another owner (pid 1); stop that one first`,
      details: { path, owner: 'pid 1\n' },
    });
    expect(readFileSync(path, 'latin1')).toBe('pid 1\n');
    lock.release();
    lock.release();
    lockFile(path, 'pid 3').release();
    expect(readFileSync(path, 'latin1')).toBe('pid 3');
  });

  test('another process keeps us out until it is killed', async () => {
    const path = join(directory, 'lock-of-other');
    const code = `require(process.argv[1]).lockFile(process.argv[2], 'the child'); console.log('held'); setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, ['-e', code, addonFile(), path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    expect(await failureOf(() => lockFile(path, 'us'))).toMatchObject({ details: { owner: 'the child' } });
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockFile(path, 'us').release();
  });

  const hasPython = process.platform === 'linux' && canRun('python3', ['-c', 'import fcntl']);
  test.skipIf(!hasPython)(
    'a record lock on the first byte keeps us out, and ours keeps it out (needs python3)',
    async () => {
      const path = join(directory, 'lock-of-java');
      writeFileSync(path, 'a record lock');
      const hold =
        'import fcntl,sys,time; f=open(sys.argv[1],"r+"); fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB,1); print("held",flush=True); time.sleep(1000)';
      const child = spawn('python3', ['-c', hold, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      expect(await failureOf(() => lockFile(path, 'us'))).toMatchObject({ details: { owner: 'a record lock' } });
      child.kill('SIGKILL');
      await once(child, 'exit');
      const lock = lockFile(path, 'us');
      expect(canRun('python3', ['-c', hold.replace('time.sleep(1000)', 'pass'), path])).toBe(false);
      lock.release();
      expect(canRun('python3', ['-c', hold.replace('time.sleep(1000)', 'pass'), path])).toBe(true);
    },
  );

  test('names a folder that is not there, and refuses a symbolic link', async () => {
    expect(await failureOf(() => lockFile(join(directory, 'none', 'lock'), ''))).toEqual(coded('ENOENT'));
    symlinkSync(join(directory, 'elsewhere'), join(directory, 'lock-link'));
    expect(await failureOf(() => lockFile(join(directory, 'lock-link'), ''))).toEqual(coded('ELOOP'));
  });

  test('C++ does not close a descriptor that is no lock', async () => {
    const file = await openFile(join(directory, 'lock'), 'r');
    expect(await failureOf(() => nativeAddon.unlockFile(file.fd))).toMatchObject({ code: 'ERR_NATIVE_CLOSED' });
    expect((await file.stat()).isFile()).toBe(true);
    await file.close();
  });
});

function addonFile(): string {
  return process.env['COMETMQ_NATIVE'] ?? join(import.meta.dirname, '../../native/build/cometmq_native.node');
}
