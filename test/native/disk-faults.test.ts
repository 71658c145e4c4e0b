import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { fileSystemInfo, type FileWriteFailure, writeFiles } from '../../src/native/file-tasks.ts';
import { openMappedFile, openMappedFileSync } from '../../src/native/mapped-file-region.ts';
import type { NativeError } from '../../src/native/native-error.ts';
import {
  canMountTmpfs,
  canRun,
  failureOf,
  mountExt4,
  mountRamfs,
  mountTmpfs,
  scratchDirectory,
} from './support/scratch.ts';

const directory = scratchDirectory();
const mountable = canMountTmpfs(directory);
const MIB = 1024 * 1024;

describe.skipIf(!mountable)('a full disk (needs root on Linux, to mount a small tmpfs)', () => {
  test('preallocation says ENOSPC and leaves no file', async () => {
    const disk = mountTmpfs(directory, MIB);
    const options = { mode: 'create', sizeBytes: 2 * MIB, preallocate: true } as const;
    const asynchronous = await failureOf(() => openMappedFile(join(disk, 'segment'), options));
    expect(asynchronous).toMatchObject({ code: 'ENOSPC', details: { path: join(disk, 'segment') } });
    const synchronous = await failureOf(() => openMappedFileSync(join(disk, 'segment'), options));
    expect(synchronous).toMatchObject({ code: 'ENOSPC' });
    expect(String(synchronous)).toContain('free space on that file system');
    expect(readdirSync(disk)).toEqual([]);
    expect(fileSystemInfo(disk).availableBytes).toBe(MIB);
  });

  test('an extension that finds no room leaves the old file', async () => {
    const disk = mountTmpfs(directory, MIB);
    const path = join(disk, 'segment');
    writeFileSync(path, 'old bytes');
    const options = { mode: 'open', sizeBytes: 2 * MIB, grow: true, preallocate: true } as const;
    expect(await failureOf(() => openMappedFile(path, options))).toMatchObject({ code: 'ENOSPC' });
    expect(readFileSync(path, 'latin1')).toBe('old bytes');
  });

  test('populate over a hole that finds no room is an error and not a SIGBUS', async () => {
    const disk = mountTmpfs(directory, MIB);
    const region = await openMappedFile(join(disk, 'sparse'), { mode: 'create', sizeBytes: 2 * MIB });
    expect(await failureOf(() => region.populate(0, 2 * MIB))).toMatchObject({ code: 'EFAULT' });
    await region.close();
  });

  test('writeFiles says which entries found no room and writes those that did', async () => {
    const disk = mountTmpfs(directory, MIB);
    const entry = (name: string, sizeBytes: number) => ({
      path: join(disk, name),
      fileSizeBytes: 8 * MIB, // sparse: takes no room by itself
      position: 0,
      bytes: Buffer.alloc(sizeBytes, name),
    });
    const failure = (await failureOf(() =>
      writeFiles([entry('a', 4096), entry('b', 2 * MIB), entry('c', 0)], { sync: true }),
    )) as NativeError;
    expect(failure).toMatchObject({ code: 'ENOSPC', details: { index: 1 } });
    expect((failure.details['failures'] as FileWriteFailure[]).map(({ index }) => index)).toEqual([1]);
    expect(readFileSync(join(disk, 'a')).subarray(0, 4096).equals(Buffer.alloc(4096, 'a'))).toBe(true);
    expect(statSync(join(disk, 'c')).size).toBe(8 * MIB);
    expect(existsSync(join(disk, 'b'))).toBe(true);
  });

  test('zeroRange works where the file system can not zero a range by itself', async () => {
    const disk = mountTmpfs(directory, MIB);
    const region = await openMappedFile(join(disk, 'zero'), { mode: 'create', sizeBytes: 3 * 4096 });
    region.buffer.fill(5);
    await region.zeroRange(4000, 5000);
    expect(region.buffer.equals(Buffer.alloc(3 * 4096, 5).fill(0, 4000, 9000))).toBe(true);
    await region.close();
  });
});

test.skipIf(!mountable)(
  'a file system that can not preallocate says so (needs root on Linux, to mount a ramfs)',
  async () => {
    const disk = mountRamfs(directory);
    const options = { mode: 'create', sizeBytes: MIB, preallocate: true } as const;
    const failure = await failureOf(() => openMappedFile(join(disk, 'segment'), options));
    expect(failure).toMatchObject({ code: 'ENOTSUP', details: { syscall: 'fallocate' } });
    expect(String(failure)).toContain('this file system can not do that');
    expect(readdirSync(disk)).toEqual([]);
  },
);

// Tells ext4 to stop writing, as after a failed device; mapped stores go on as if nothing had happened.
const SHUT_DOWN =
  'import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0x8004587d,struct.pack("I",2))';
const canFail =
  mountable &&
  canRun('mkfs.ext4', ['-V']) &&
  canRun('losetup', ['--find']) &&
  canRun('python3', ['-c', 'import fcntl']);

test.skipIf(!canFail)(
  'a sync that fails is reported with its errno (needs root, loop devices, mkfs.ext4, python3)',
  async () => {
    const disk = mountExt4(directory, 16 * MIB);
    const region = await openMappedFile(join(disk, 'segment'), { mode: 'create', sizeBytes: MIB, preallocate: true });
    await region.sync(0, MIB);
    execFileSync('python3', ['-c', SHUT_DOWN, disk]);
    region.buffer.fill(1);
    expect(await failureOf(() => region.sync(0, MIB))).toMatchObject({
      code: 'EIO',
      details: { syscall: 'fdatasync', path: region.path },
    });
    await region.close();
  },
);
