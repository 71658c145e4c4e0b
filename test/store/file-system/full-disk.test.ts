// What the native provider does when the disk is full or can't reserve blocks. Needs root on Linux, to mount small disks.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { NodeFileSystem } from '../../../src/store/node-file-system.ts';
import { canMountTmpfs, mountRamfs, mountTmpfs } from '../../native/support/scratch.ts';
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts';

const MIB = 1 << 20;
const parent = makeTemporaryDirectory();
afterAll(() => parent.remove());

describe.skipIf(!canMountTmpfs(parent.path))('a full disk', () => {
  const fileSystem = new NodeFileSystem();

  /** With 256 KiB left. */
  function nearlyFullDisk(): string {
    const disk = mountTmpfs(parent.path, MIB);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(MIB - 256 * 1_024));
    return disk;
  }

  it('refuses a new segment with path and numbers, leaves no file, and makes it when there is room', async () => {
    const disk = nearlyFullDisk();
    const path = join(disk, 'segment');
    const options = { mode: 'create', sizeBytes: MIB / 2 } as const;
    const details = { path, errno: 'ENOSPC', neededBytes: MIB / 2, availableBytes: MIB / 4 };
    const refused = { code: 'ERR_FS_NO_SPACE', details };
    await expect(fileSystem.openRegion(path, options)).rejects.toMatchObject(refused);
    expect(() => fileSystem.openRegionSync(path, options)).toThrow(
      /disk is full \(524288 bytes needed, 262144 available\)/,
    );
    expect(fileSystem.listSync(disk)).toEqual(['filler']);
    await fileSystem.remove(join(disk, 'filler'));
    await (await fileSystem.openRegion(path, options)).close();
  });

  it('refuses to replace a file, keeps the old bytes, and leaves no temporary file', async () => {
    const disk = nearlyFullDisk();
    const path = join(disk, 'file');
    fileSystem.replaceFileSync(path, Buffer.from('old'));
    const large = Buffer.alloc(MIB / 2, 'new');
    const refused = { code: 'ERR_FS_NO_SPACE', details: { path, neededBytes: MIB / 2 } };
    await expect(fileSystem.replaceFile(path, large)).rejects.toMatchObject(refused);
    expect(() => fileSystem.replaceFileSync(path, large)).toThrow(/disk is full/);
    expect(fileSystem.listSync(disk)).toEqual(['file', 'filler']);
    expect(fileSystem.readFileSync(path)?.toString()).toBe('old');
    await fileSystem.replaceFile(path, Buffer.from('small'));
    expect(fileSystem.readFileSync(path)?.toString()).toBe('small');
  });

  it('names the first write of a batch that found no room', async () => {
    const disk = nearlyFullDisk();
    const write = (name: string, sizeBytes: number) => ({
      path: join(disk, name),
      fileSizeBytes: 8 * MIB,
      position: 0,
      bytes: Buffer.alloc(sizeBytes, 'x'),
    });
    const details = { index: 1, path: join(disk, 'large'), errno: 'ENOSPC', neededBytes: MIB };
    const written = fileSystem.writeFiles([write('small', 4_096), write('large', MIB)]);
    await expect(written).rejects.toMatchObject({ code: 'ERR_FS_NO_SPACE', details });
    expect(fileSystem.readFileAtSync(join(disk, 'small'), 0, 4_096).equals(Buffer.alloc(4_096, 'x'))).toBe(true);
  });

  it('reports a hole that finds no room when it is populated, instead of dying of it', async () => {
    const path = join(nearlyFullDisk(), 'sparse');
    const region = await fileSystem.openRegion(path, { mode: 'create', sizeBytes: MIB, preallocate: false });
    await expect(region.populate(0, MIB)).rejects.toThrow(/holes and the disk is full/);
    await region.close();
  });

  it('says so when the file system can not reserve blocks', async () => {
    const path = join(mountRamfs(parent.path), 'segment');
    const opened = fileSystem.openRegion(path, { mode: 'create', sizeBytes: 4_096 });
    await expect(opened).rejects.toMatchObject({ code: 'ERR_FS_CANNOT_PREALLOCATE', details: { path } });
    await expect(opened).rejects.toThrow(/put the data directory on ext4 or xfs/);
    expect(fileSystem.statusSync(path)).toBeUndefined();
  });
});
