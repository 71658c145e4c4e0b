import { describe, expect, it } from 'vitest';
import type { LogView } from '../../../src/store/commit-log/commit-log.ts';
import { ASYNC_FLUSH_POLICY } from '../../../src/store/commit-log/populate-ahead.ts';
import { CorruptionError, FileSystemError, StoreError } from '../../../src/store/store-errors.ts';
import { segmentName } from '../../../src/store/mapped-file/segment-names.ts';
import {
  append,
  fill,
  LOG_DIRECTORY,
  message,
  newFileSystem,
  newLog,
  openLog,
  SEGMENT_SIZE_BYTES,
  STORE_TIME_MS,
} from './commit-log-fixture.ts';

const pathOf = (startOffset: number): string => `${LOG_DIRECTORY}/${segmentName(startOffset)}`;

const populatePolicy = { ...ASYNC_FLUSH_POLICY, windowBytesMax: 2 * 1024 * 1024 };

describe('CommitLog', () => {
  it('gives back what was appended, at the offset that append told', async () => {
    const log = await newLog(newFileSystem());
    const offsets = await fill(log, 5);
    for (const [index, offset] of offsets.entries()) {
      const record = await log.recordAt(offset);
      expect(record).toMatchObject({ physicalOffset: offset, queueOffset: index, topic: 'Orders', queueId: 1 });
      expect(record?.body).toEqual(Buffer.alloc(500, index + 1));
      expect(await log.storeTimestampAt(offset, 600)).toBe(STORE_TIME_MS + index);
    }
    expect(await log.recordAt((offsets[1] as number) + 1)).toBeUndefined();
    await log.close();
  });

  it('has no record below its minimum, beyond its end, or across its end', async () => {
    const log = await newLog(newFileSystem());
    const [offset] = (await fill(log, 1)) as [number];
    expect(log.view(-1, 10)).toBeUndefined();
    expect(log.view(log.endOffset, 1)).toBeUndefined();
    expect(log.view(offset, log.endOffset - offset + 1)).toBeUndefined();
    expect(log.view(offset, 0)).toBeUndefined();
    expect(await log.recordAt(log.endOffset)).toBeUndefined();
    await log.close();
  });

  it('closes a full segment with a blank record and goes on in the next', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem);
    const offsets = await fill(log, 40);
    const second = offsets.find((offset) => offset >= SEGMENT_SIZE_BYTES) as number;
    expect(second).toBe(SEGMENT_SIZE_BYTES);
    const lastOfFirst = offsets[offsets.indexOf(second) - 1] as number;
    const record = await log.recordAt(lastOfFirst);
    const blankPosition = lastOfFirst + (record?.sizeBytes as number);
    const file = fileSystem.files().get(pathOf(0)) as Buffer;
    expect(file.readInt32BE(blankPosition)).toBe(SEGMENT_SIZE_BYTES - blankPosition);
    expect(file.readInt32BE(blankPosition + 4)).toBe(-875286124);
    expect(file.subarray(blankPosition + 8).every((byte) => byte === 0)).toBe(true);
    expect(log.isSameSegment(lastOfFirst, second)).toBe(false);
    expect(log.segments().map((segment) => segment.startOffset)).toEqual([0, SEGMENT_SIZE_BYTES]);
    await log.close();
  });

  it('leaves exactly the eight bytes of the blank record when a message just fits', async () => {
    const log = await newLog(newFileSystem());
    const overhead = (await log.recordAt(await append(log, message({ body: Buffer.alloc(0) }))))?.sizeBytes as number;
    for (let left = SEGMENT_SIZE_BYTES - overhead; left > 0;) {
      const bodyBytes = Math.min(8_192, left - overhead - 8);
      await append(log, message({ body: Buffer.alloc(bodyBytes) }));
      left -= bodyBytes + overhead;
      if (left === 8) break;
      expect(left).toBeGreaterThan(overhead + 8);
    }
    expect(log.endOffset).toBe(SEGMENT_SIZE_BYTES - 8);
    expect(await append(log)).toBe(SEGMENT_SIZE_BYTES);
    await log.close();
  });

  it('writes a batch back to back, and rolls first when it does not fit', async () => {
    const log = await newLog(newFileSystem());
    await fill(log, 20);
    const batch = Array.from({ length: 8 }, (_, index) => message({ body: Buffer.alloc(700, index) }));
    expect(log.problemOfBatch(batch)).toBeUndefined();
    const endBefore = log.endOffset;
    let physicalOffsets = log.appendBatch(batch, 20, STORE_TIME_MS);
    if (physicalOffsets === undefined) {
      expect(log.endOffset).toBe(endBefore);
      await log.whenRoom();
      physicalOffsets = log.appendBatch(batch, 20, STORE_TIME_MS);
    }
    expect(physicalOffsets).toHaveLength(batch.length);
    expect(physicalOffsets?.[0]).toBe(SEGMENT_SIZE_BYTES);
    let next = SEGMENT_SIZE_BYTES;
    for (const [index, physicalOffset] of (physicalOffsets ?? []).entries()) {
      expect(physicalOffset).toBe(next);
      const record = await log.recordAt(physicalOffset);
      expect(record).toMatchObject({ queueOffset: 20 + index, body: Buffer.alloc(700, index) });
      next += record?.sizeBytes ?? 0;
    }
    expect(log.endOffset).toBe(next);
    await log.close();
  });

  it('refuses a batch that no segment can hold, that mixes queues, or that is empty', async () => {
    const log = await newLog(newFileSystem());
    const large = Array.from({ length: 3 }, () => message({ body: Buffer.alloc(8_000) }));
    expect(log.problemOfBatch(large)?.reason).toMatch(/one segment holds 16376/);
    expect(log.problemOfBatch([message(), message({ queueId: 2 })])?.status).toBe('MESSAGE_ILLEGAL');
    expect(log.problemOfBatch([message(), message({ topic: 'Other' })])?.status).toBe('MESSAGE_ILLEGAL');
    expect(log.problemOfBatch([message(), message({ topic: '' })])?.reason).toMatch(/empty/);
    expect(log.problemOfBatch([])?.status).toBe('MESSAGE_ILLEGAL');
    expect(() => log.appendBatch(large, 0, 1)).toThrow(StoreError);
    await log.close();
  });

  it('makes the next segment ahead of need, so that a roll waits for nothing', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem);
    await fill(log, 14);
    await log.whenRoom();
    for (let index = 0; index < 16; index++) {
      expect(log.append(message({ body: Buffer.alloc(500) }), 0, STORE_TIME_MS)).toBeDefined();
    }
    expect(log.endOffset).toBeGreaterThan(SEGMENT_SIZE_BYTES);
    await log.close();
  });

  it('says no room while the disk is full, and has room again when it is not', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem);
    fileSystem.setCapacity(SEGMENT_SIZE_BYTES + 4_096);
    await fill(log, 24);
    const big = message({ body: Buffer.alloc(5_000) });
    expect(log.append(big, 0, STORE_TIME_MS)).toBeUndefined();
    const endOffset = log.endOffset;
    for (let attempt = 0; attempt < 3; attempt++) {
      const error = await log.whenRoom().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(FileSystemError);
      expect((error as FileSystemError).code).toBe('ERR_FS_NO_SPACE');
      expect(log.append(big, 0, STORE_TIME_MS)).toBeUndefined();
    }
    expect(log.endOffset).toBe(endOffset);
    expect(fileSystem.files().has(pathOf(SEGMENT_SIZE_BYTES))).toBe(false);
    // A small one still fits into the tail: reads and writes that need no room go on.
    expect(await log.recordAt(0)).toBeDefined();
    fileSystem.setCapacity(undefined);
    await log.whenRoom();
    const sizeBytes = log.append(big, 0, STORE_TIME_MS) as number;
    expect(log.endOffset - sizeBytes).toBe(SEGMENT_SIZE_BYTES);
    await log.close();
  });

  it('never asks for a segment by itself again after a failure, only when somebody waits for room', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem);
    fileSystem.failNth('openRegion', 1, 'ENOSPC');
    await fill(log, 24);
    const openings = fileSystem.trace.filter((operation) => operation.kind === 'openRegion').length;
    await append(log);
    expect(fileSystem.trace.filter((operation) => operation.kind === 'openRegion')).toHaveLength(openings);
    await log.whenRoom();
    const sizeBytes = log.append(message({ body: Buffer.alloc(5_000) }), 0, 1) as number;
    expect(log.endOffset - sizeBytes).toBe(SEGMENT_SIZE_BYTES);
    await log.close();
  });

  it('borrows hot bytes and reads cold ones on a thread', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem, { hotLogBytes: 2_000 });
    const offsets = await fill(log, 20);
    const hot = log.view(offsets.at(-1) as number, 100) as LogView;
    expect(hot).not.toBeInstanceOf(Promise);
    hot.release();
    expect(() => hot.release()).toThrow(/released once/);
    fileSystem.evict(pathOf(0));
    const cold = log.view(offsets[0] as number, 100);
    expect(cold).toBeInstanceOf(Promise);
    const view = (await cold) as LogView;
    expect(view.bytes.readInt32BE(4)).toBe(0xdaa320a7 | 0);
    view.release();
    // The cold read told the kernel to fetch what follows.
    const warm = log.view(offsets[1] as number, 100);
    expect(warm).not.toBeInstanceOf(Promise);
    (warm as LogView).release();
    await log.close();
  });

  it('asks the kernel about what another process wrote, however new it is', async () => {
    const fileSystem = newFileSystem();
    const first = await newLog(fileSystem);
    const [offset] = (await fill(first, 1)) as [number];
    const { endOffset } = first;
    await first.close();
    fileSystem.evict(pathOf(0));
    const log = await openLog(fileSystem);
    log.setEnd(endOffset);
    fileSystem.evict(pathOf(0));
    const view = log.view(offset, 100);
    expect(view).toBeInstanceOf(Promise);
    ((await view) as LogView).release();
    await log.close();
  });

  it('keeps the bytes of a removed segment for those who hold them, and only for those', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem);
    await fill(log, 60);
    const held = (await log.view(0, 100)) as LogView;
    const before = Buffer.from(held.bytes);
    await log.deleteOldestSegment();
    expect(fileSystem.files().has(pathOf(0))).toBe(false);
    expect(log.minOffset).toBe(SEGMENT_SIZE_BYTES);
    expect(log.view(0, 100)).toBeUndefined();
    expect(await log.recordAt(0)).toBeUndefined();
    expect(held.bytes).toEqual(before);
    held.release();
    await log.close();
  });

  it('never removes the segment that is being written', async () => {
    const log = await newLog(newFileSystem());
    await fill(log, 3);
    await expect(log.deleteOldestSegment()).rejects.toThrow(/last segment/);
    await log.close();
  });

  it('maps a bounded number of segments, and every one again when it is asked for', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem, { mappedSegmentsMax: 3, hotLogBytes: 0 });
    const offsets = await fill(log, 200);
    for (const offset of offsets) expect(await log.recordAt(offset)).toMatchObject({ physicalOffset: offset });
    expect(log.segments().length).toBeGreaterThan(6);
    expect(log.files.files.filter((file) => file.region !== undefined).length).toBeLessThanOrEqual(3);
    await log.close();
  });

  it('opens a directory with the segments that the one before left, spares included', async () => {
    const fileSystem = newFileSystem();
    const first = await newLog(fileSystem);
    const offsets = await fill(first, 40);
    await first.whenRoom();
    const { endOffset } = first;
    await first.close();
    expect(fileSystem.files().size).toBe(3);
    const log = await openLog(fileSystem);
    expect(log.endOffset).toBe(3 * SEGMENT_SIZE_BYTES);
    log.setEnd(endOffset);
    expect(log.endOffset).toBe(endOffset);
    expect(log.flushedOffset).toBe(endOffset);
    expect(log.segments()).toHaveLength(2);
    expect(await append(log)).toBe(endOffset);
    expect(await log.recordAt(offsets[7] as number)).toMatchObject({ queueOffset: 7 });
    await fill(log, 30);
    expect(log.segments()).toHaveLength(3);
    await log.close();
  });

  it('refuses a segment of another size, naming file and sizes', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem);
    await fill(log, 60);
    await log.close();
    fileSystem.truncate(pathOf(0), 1_000);
    const error = await openLog(fileSystem).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({
      code: 'ERR_STORE_BAD_FILE',
      details: { sizeBytes: 1_000, expectedBytes: SEGMENT_SIZE_BYTES },
    });
    expect((error as Error).message).toContain(pathOf(0));
  });

  it('removes a last file whose making was cut short, unless there is data in it', async () => {
    const fileSystem = newFileSystem();
    const first = await newLog(fileSystem);
    await fill(first, 20);
    await first.whenRoom();
    const { endOffset } = first;
    await first.close();
    fileSystem.truncate(pathOf(SEGMENT_SIZE_BYTES), 8_192);
    const log = await openLog(fileSystem);
    log.setEnd(endOffset);
    await log.close();
    expect(fileSystem.files().has(pathOf(SEGMENT_SIZE_BYTES))).toBe(true);
    fileSystem.truncate(pathOf(SEGMENT_SIZE_BYTES), 8_192);
    fileSystem.flipBit(pathOf(SEGMENT_SIZE_BYTES), 8_000);
    await expect(openLog(fileSystem)).rejects.toMatchObject({ code: 'ERR_STORE_BAD_FILE' });
  });

  it('takes a missing segment in the middle for corruption', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem);
    await fill(log, 60);
    await log.close();
    fileSystem.removeSync(pathOf(SEGMENT_SIZE_BYTES));
    await expect(openLog(fileSystem)).rejects.toThrow(CorruptionError);
  });

  it('ignores what can not be a segment', async () => {
    const fileSystem = newFileSystem();
    const first = await newLog(fileSystem);
    await first.close();
    fileSystem.replaceFileSync(`${LOG_DIRECTORY}/notes.txt`, Buffer.from('mine'));
    const log = await openLog(fileSystem);
    expect(log.segments()).toHaveLength(1);
    await log.close();
    expect(fileSystem.files().has(`${LOG_DIRECTORY}/notes.txt`)).toBe(true);
  });

  it('does not open when a segment behind the end holds data', async () => {
    const fileSystem = newFileSystem();
    const first = await newLog(fileSystem);
    await fill(first, 60);
    await first.close();
    const log = await openLog(fileSystem);
    expect(() => log.setEnd(1_000)).toThrow(CorruptionError);
  });

  it('populates pages ahead only under load, one request at a time', async () => {
    const fileSystem = newFileSystem();
    const segmentSizeBytes = 8 * 1024 * 1024;
    const log = await newLog(fileSystem, { segmentSizeBytes, populatePolicy });
    const populates = (): number => fileSystem.trace.filter((operation) => operation.kind === 'region.prepare').length;
    await fill(log, 100, 8_000);
    expect(populates()).toBe(0);
    await fill(log, 100, 8_000);
    expect(populates()).toBeGreaterThan(0);
    await fill(log, 1_200, 8_000);
    expect(log.endOffset).toBeGreaterThan(segmentSizeBytes);
    await log.close();
  });

  it('writes nothing into pages that are being prepared', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem, { segmentSizeBytes: 8 * 1024 * 1024, populatePolicy });
    fileSystem.hold('region.prepare');
    const offsets: number[] = [];
    const appendAll = (): void => {
      for (;;) {
        const sizeBytes = log.append(message({ body: Buffer.alloc(8_000, 7) }), offsets.length, STORE_TIME_MS);
        if (sizeBytes === undefined) return;
        offsets.push(log.endOffset - sizeBytes);
      }
    };
    appendAll();
    // One MiB before the window is asked for, and one that is left free for what comes meanwhile.
    expect(log.endOffset).toBeGreaterThan(2_000_000);
    expect(log.endOffset).toBeLessThan(2_300_000);
    const room = log.whenRoom();
    fileSystem.release('region.prepare');
    await room;
    appendAll();
    expect(log.endOffset).toBeGreaterThan(2_300_000);
    for (const offset of offsets) expect(await log.recordAt(offset)).toMatchObject({ physicalOffset: offset });
    await log.close();
  });

  it('does not roll into a segment whose beginning is being prepared', async () => {
    const fileSystem = newFileSystem();
    const segmentSizeBytes = 4 * 1024 * 1024;
    const log = await newLog(fileSystem, { segmentSizeBytes, populatePolicy });
    const offsets = await fill(log, 370, 8_000);
    expect(log.endOffset).toBeLessThan(segmentSizeBytes);
    fileSystem.hold('region.prepare');
    for (;;) {
      const sizeBytes = log.append(message({ body: Buffer.alloc(8_000, 7) }), 0, STORE_TIME_MS);
      if (sizeBytes === undefined) break;
      offsets.push(log.endOffset - sizeBytes);
    }
    expect(log.endOffset).toBeLessThan(segmentSizeBytes);
    fileSystem.release('region.prepare');
    offsets.push(...(await fill(log, 200, 8_000)));
    expect(log.endOffset).toBeGreaterThan(segmentSizeBytes);
    for (const offset of offsets) expect(await log.recordAt(offset)).toMatchObject({ physicalOffset: offset });
    await log.close();
  });

  it('works on when populating fails', async () => {
    const fileSystem = newFileSystem();
    fileSystem.failNth('region.prepare', 1, 'ENOMEM');
    const log = await newLog(fileSystem, { segmentSizeBytes: 8 * 1024 * 1024, populatePolicy });
    const offsets = await fill(log, 600, 8_000);
    expect(await log.recordAt(offsets[599] as number)).toMatchObject({ queueOffset: 599 });
    await log.close();
  });
});
