import { describe, expect, it } from 'vitest';
import { MappedFile } from '../../../src/store/mapped-file/mapped-file.ts';
import { segmentName, startOffsetOf } from '../../../src/store/mapped-file/segment-names.ts';
import { chunksWithData, isAllZero } from '../../../src/store/mapped-file/zero-check.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';

const MIB = 1024 * 1024;

async function newFile(): Promise<{ fileSystem: CrashableFileSystem; file: MappedFile }> {
  const fileSystem = new CrashableFileSystem({ seed: 1 });
  fileSystem.makeDirectorySync('/log');
  const path = '/log/00000000000000008192';
  await (await fileSystem.openRegion(path, { sizeBytes: 8_192, mode: 'create' })).close();
  return { fileSystem, file: new MappedFile({ fileSystem, path, startOffset: 8_192, sizeBytes: 8_192 }) };
}

describe('MappedFile', () => {
  it('holds flushed ≤ read ≤ wrote ≤ size, whatever it is told', async () => {
    const { file } = await newFile();
    file.setPositions(1, 2, 3);
    expect([file.flushedPosition, file.readPosition, file.wrotePosition]).toEqual([1, 2, 3]);
    for (const [flushed, read, wrote] of [
      [3, 2, 3],
      [1, 4, 3],
      [1, 2, 8_193],
      [-1, 2, 3],
    ] as const) {
      expect(() => file.setPositions(flushed, read, wrote)).toThrow();
    }
    expect([file.flushedPosition, file.readPosition, file.wrotePosition]).toEqual([1, 2, 3]);
    expect(file.endOffset).toBe(16_384);
  });

  it('is mapped once, however many ask at one time', async () => {
    const { fileSystem, file } = await newFile();
    const openings = (): number => fileSystem.trace.filter((operation) => operation.kind === 'openRegion').length;
    const before = openings();
    const [first, second] = await Promise.all([file.map(), file.map()]);
    expect(first).toBe(second);
    expect(file.mapSync()).toBe(first);
    expect(openings()).toBe(before + 1);
    await file.unmap();
    expect(first.isClosed).toBe(true);
    expect(file.region).toBeUndefined();
    await file.unmap();
  });

  it('keeps one mapping when it is mapped at once while a thread maps it', async () => {
    const { file } = await newFile();
    const late = file.map();
    const now = file.mapSync();
    expect(await late).toBe(now);
    expect(now.isClosed).toBe(false);
    await file.unmap();
  });

  it('lets nobody map it after it was deleted', async () => {
    const { file } = await newFile();
    const late = file.map();
    file.markDeleted();
    await expect(late).rejects.toMatchObject({ code: 'ERR_FS_CLOSED' });
    expect(file.region).toBeUndefined();
    expect(() => file.mapSync()).toThrow(/deleted/);
  });
});

describe('names of segments', () => {
  it('are 20 digits, and nothing else is one', () => {
    expect(segmentName(0)).toBe('00000000000000000000');
    expect(segmentName(1_073_741_824)).toBe('00000000001073741824');
    expect(startOffsetOf(segmentName(1_073_741_824))).toBe(1_073_741_824);
    for (const name of [
      '',
      '1',
      '0000000000000000000a',
      '000000000000000000000',
      '-0000000000000000001',
      '99999999999999999999',
    ]) {
      expect(startOffsetOf(name)).toBeUndefined();
    }
  });
});

describe('the check for zeros', () => {
  it('finds one byte wherever it is, and looks nowhere else', () => {
    const buffer = Buffer.alloc(3 * MIB);
    expect(isAllZero(buffer, 0, buffer.length)).toBe(true);
    for (const position of [0, MIB - 1, MIB, 2 * MIB + 5, 3 * MIB - 1]) {
      buffer[position] = 1;
      expect(isAllZero(buffer, 0, buffer.length)).toBe(false);
      expect(isAllZero(buffer, position, position + 1)).toBe(false);
      expect(isAllZero(buffer, position + 1, buffer.length)).toBe(true);
      expect(isAllZero(buffer, 0, position)).toBe(true);
      buffer[position] = 0;
    }
    expect(isAllZero(buffer, 7, 7)).toBe(true);
  });

  it('names the chunks that hold data', () => {
    const buffer = Buffer.alloc(3 * MIB + 10);
    buffer[MIB + 100] = 1;
    buffer[3 * MIB + 9] = 1;
    expect([...chunksWithData(buffer, 100, buffer.length)]).toEqual([
      { position: MIB + 100, lengthBytes: MIB },
      { position: 2 * MIB + 100, lengthBytes: MIB - 90 },
    ]);
  });
});
