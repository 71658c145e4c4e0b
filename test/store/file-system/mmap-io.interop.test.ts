// The common suite over mmap-io, which is installed and compiled on first use (scripts/install-mmap-io.mjs).

import { execFileSync } from 'node:child_process';
import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { MmapIoFileSystem } from '../../../src/store/mmap-io-file-system.ts';
import { canMountTmpfs, mountTmpfs } from '../../native/support/scratch.ts';
import { fileSystemSuite } from '../../support/file-system-suite.ts';
import { makeTemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts';

const installer = fileURLToPath(new URL('../../../scripts/install-mmap-io.mjs', import.meta.url));
const installedIn = execFileSync(process.execPath, [installer], { encoding: 'utf8' }).trim();
const fileSystem = await MmapIoFileSystem.load({ installedIn });

const parent = makeTemporaryDirectory();
afterAll(() => parent.remove());

const open = () => {
  const directory = makeTemporaryDirectory();
  return { fileSystem, directory: directory.path, dispose: () => directory.remove() };
};

fileSystemSuite('mmap-io', open, { detachesViews: false });

describe('the mmap-io file system', () => {
  it('says what it can not do', () => {
    expect(fileSystem.name).toBe('mmap-io');
    for (const word of ['reserve', 'unmap', 'writable ahead', 'UV_THREADPOOL_SIZE', '2 GiB']) {
      expect(fileSystem.limitations.filter((sentence) => sentence.includes(word))).toHaveLength(1);
    }
  });

  it('gives a new file real blocks by writing it, and an old one when told to, without changing its bytes', async () => {
    const directory = temporaryDirectory();
    const sizeBytes = (2 << 20) + 5_000;
    const path = (file: string): string => join(directory, file);
    const allocated = (file: string): number => statSync(path(file)).blocks * 512;
    const created = await fileSystem.openRegion(path('new'), { mode: 'create', sizeBytes });
    expect(created.buffer.equals(Buffer.alloc(sizeBytes))).toBe(true);
    await created.sync(0, sizeBytes);
    expect(allocated('new')).toBeGreaterThanOrEqual(sizeBytes);
    await created.close();
    const bytes = Buffer.from('in the middle');
    await fileSystem.writeFiles([{ path: path('old'), fileSizeBytes: sizeBytes, position: 1_500_000, bytes }]);
    const opened = fileSystem.openRegionSync(path('old'), { mode: 'open', sizeBytes, preallocate: true });
    await opened.sync(0, sizeBytes);
    expect(allocated('old')).toBeGreaterThanOrEqual(sizeBytes);
    expect(opened.buffer.toString('latin1', 1_500_000, 1_500_013)).toBe('in the middle');
    await opened.close();
  });

  it('refuses what it can not map with a sentence, and leaves no file', async () => {
    const directory = temporaryDirectory();
    const [path, link] = [join(directory, 'large'), join(directory, 'link')];
    const large = fileSystem.openRegion(path, { mode: 'create', sizeBytes: 2 ** 31 });
    await expect(large).rejects.toThrow(/at most 2147483647 bytes/);
    writeFileSync(join(directory, 'target'), 'precious');
    symlinkSync(join(directory, 'target'), link);
    await expect(fileSystem.openRegion(link, { mode: 'open', sizeBytes: 8 })).rejects.toThrow(/symbolic link/);
    expect(fileSystem.listSync(directory)).toEqual(['link', 'target']);
  });

  it.skipIf(!canMountTmpfs(parent.path))('leaves no file when the disk is too full to write its zeros', async () => {
    const disk = mountTmpfs(parent.path, 1 << 20);
    const [path, options] = [join(disk, '0'), { mode: 'create', sizeBytes: 2 << 20 }] as const;
    await expect(fileSystem.openRegion(path, options)).rejects.toMatchObject({ code: 'ERR_FS_NO_SPACE' });
    expect(() => fileSystem.openRegionSync(path, options)).toThrow(/disk is full/);
    expect(fileSystem.listSync(disk)).toEqual([]);
  });
});
