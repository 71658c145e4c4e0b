import { describe, expect, it } from 'vitest';
import { createAbortFile, hasAbortFile, removeAbortFile } from '../../../src/store/checkpoint/abort-file.ts';
import { DurableOffset } from '../../../src/store/checkpoint/durable-offset.ts';
import { StoreCheckpoint } from '../../../src/store/checkpoint/store-checkpoint.ts';
import { CorruptionError, StoreError } from '../../../src/store/store-errors.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';

const CHECKPOINT = '/store/checkpoint';
const DURABLE = '/store/cometmq/durable-offset';
const ABORT = '/store/abort';

function machine(seed = 1): CrashableFileSystem {
  const fileSystem = new CrashableFileSystem({ seed });
  fileSystem.makeDirectorySync('/store/cometmq');
  return fileSystem;
}

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

const FIELDS = [
  'physicMsgTimestamp',
  'logicsMsgTimestamp',
  'indexMsgTimestamp',
  'masterFlushedOffset',
  'confirmPhyOffset',
  'logicsPhysicalOffset',
] as const;

describe('StoreCheckpoint', () => {
  it('writes the six values where Apache reads them, and reads them back', async () => {
    const fileSystem = machine();
    const checkpoint = await StoreCheckpoint.open(fileSystem, CHECKPOINT);
    for (const field of FIELDS) expect(checkpoint[field]).toBe(0);
    for (const [index, field] of FIELDS.entries()) checkpoint[field] = 2 ** 40 + index;
    await checkpoint.flush();
    await checkpoint.close();
    const bytes = fileSystem.files().get(CHECKPOINT) as Buffer;
    expect(bytes).toHaveLength(4_096);
    for (const index of FIELDS.keys()) expect(bytes.readBigInt64BE(index * 8)).toBe(2n ** 40n + BigInt(index));
    expect(bytes.subarray(48).every((byte) => byte === 0)).toBe(true);
    const again = await StoreCheckpoint.open(fileSystem, CHECKPOINT);
    for (const [index, field] of FIELDS.entries()) expect(again[field]).toBe(2 ** 40 + index);
    await again.close();
  });

  it('keeps in memory what was not flushed', async () => {
    const fileSystem = machine();
    const checkpoint = await StoreCheckpoint.open(fileSystem, CHECKPOINT);
    checkpoint.logicsPhysicalOffset = 77;
    await checkpoint.close();
    const again = await StoreCheckpoint.open(fileSystem, CHECKPOINT);
    expect(again.logicsPhysicalOffset).toBe(0);
    await again.close();
  });

  it('is on disk once the flush has resolved', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const fileSystem = machine(seed);
      const checkpoint = await StoreCheckpoint.open(fileSystem, CHECKPOINT);
      checkpoint.logicsPhysicalOffset = 1_234;
      await checkpoint.flush();
      const after = await StoreCheckpoint.open(fileSystem.crash(), CHECKPOINT);
      expect(after.logicsPhysicalOffset).toBe(1_234);
    }
  });

  it('takes the values of an older Apache, whose sixth is zero, and -1', async () => {
    const fileSystem = machine();
    const bytes = Buffer.alloc(4_096);
    bytes.writeBigInt64BE(1_700_000_000_000n, 0);
    bytes.writeBigInt64BE(-1n, 32);
    fileSystem.replaceFileSync(CHECKPOINT, bytes);
    const checkpoint = await StoreCheckpoint.open(fileSystem, CHECKPOINT);
    expect(checkpoint.physicMsgTimestamp).toBe(1_700_000_000_000);
    expect(checkpoint.confirmPhyOffset).toBe(-1);
    expect(checkpoint.logicsPhysicalOffset).toBe(0);
    await checkpoint.close();
  });

  it('extends a file whose making was cut short, as Apache does', async () => {
    const fileSystem = machine();
    fileSystem.replaceFileSync(CHECKPOINT, Buffer.alloc(0));
    const checkpoint = await StoreCheckpoint.open(fileSystem, CHECKPOINT);
    expect(checkpoint.physicMsgTimestamp).toBe(0);
    await checkpoint.close();
    expect(fileSystem.files().get(CHECKPOINT)).toHaveLength(4_096);
  });

  it('refuses a larger file and values that can not be, naming the file', async () => {
    const fileSystem = machine();
    fileSystem.replaceFileSync(CHECKPOINT, Buffer.alloc(5_000));
    const wrongSize = await failureOf(StoreCheckpoint.open(fileSystem, CHECKPOINT));
    expect(wrongSize).toBeInstanceOf(StoreError);
    expect((wrongSize as Error).message).toContain(CHECKPOINT);
    fileSystem.replaceFileSync(CHECKPOINT, Buffer.alloc(4_096, 0x7f));
    const garbage = await failureOf(StoreCheckpoint.open(fileSystem, CHECKPOINT));
    expect(garbage).toBeInstanceOf(CorruptionError);
    expect(garbage).toMatchObject({ details: { path: CHECKPOINT, position: 0 } });
  });

  it('passes a failed sync on', async () => {
    const fileSystem = machine();
    const checkpoint = await StoreCheckpoint.open(fileSystem, CHECKPOINT);
    fileSystem.failNth('region.sync', 1, 'EIO');
    expect(await failureOf(checkpoint.flush())).toMatchObject({ code: 'ERR_FS_IO' });
    await checkpoint.close();
  });
});

describe('DurableOffset', () => {
  it('has no record in a new directory, then the last one written', async () => {
    const fileSystem = machine();
    const first = await DurableOffset.open(fileSystem, DURABLE);
    expect(first.record).toBeUndefined();
    for (const offset of [0, 10, 2 ** 45]) first.write(offset, false);
    expect(first.record).toEqual({ offset: 2 ** 45, clean: false });
    await first.close();
    const second = await DurableOffset.open(fileSystem, DURABLE);
    expect(second.record).toEqual({ offset: 2 ** 45, clean: false });
    second.write(2 ** 45 + 5, true);
    await second.close();
    const third = await DurableOffset.open(fileSystem, DURABLE);
    expect(third.record).toEqual({ offset: 2 ** 45 + 5, clean: true });
    await third.close();
  });

  it('survives the death of the process without a sync', async () => {
    const fileSystem = machine();
    const durable = await DurableOffset.open(fileSystem, DURABLE);
    durable.write(4_711, false);
    const after = await DurableOffset.open(fileSystem.kill(), DURABLE);
    expect(after.record).toEqual({ offset: 4_711, clean: false });
  });

  it('after a power cut has the synced record or a later one', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const fileSystem = new CrashableFileSystem({ seed, pageSizeBytes: seed % 2 === 0 ? 512 : 4_096 });
      fileSystem.makeDirectorySync('/store/cometmq');
      await fileSystem.syncDirectory('/store');
      const durable = await DurableOffset.open(fileSystem, DURABLE);
      durable.write(100, false);
      await durable.sync();
      for (let offset = 101; offset <= 110; offset++) {
        durable.write(offset, false);
        fileSystem.writeback();
      }
      const after = await DurableOffset.open(fileSystem.crash(), DURABLE);
      expect(after.record?.offset).toBeGreaterThanOrEqual(100);
      expect(after.record?.offset).toBeLessThanOrEqual(110);
    }
  });

  it('falls back to the other slot whichever bit of the newest is wrong', async () => {
    const fileSystem = machine();
    const durable = await DurableOffset.open(fileSystem, DURABLE);
    durable.write(1, false);
    durable.write(2, true);
    await durable.close();
    const bytes = fileSystem.files().get(DURABLE) as Buffer;
    for (let bit = 0; bit < 32 * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      fileSystem.replaceFileSync(DURABLE, damaged);
      const again = await DurableOffset.open(fileSystem, DURABLE);
      expect(again.record, `bit ${bit}`).toEqual({ offset: 1, clean: false });
      await again.close();
    }
  });

  it('refuses a file without a slot that can be read, or of another size', async () => {
    const fileSystem = machine();
    fileSystem.replaceFileSync(DURABLE, Buffer.alloc(4_096, 1));
    expect(await failureOf(DurableOffset.open(fileSystem, DURABLE))).toBeInstanceOf(CorruptionError);
    fileSystem.replaceFileSync(DURABLE, Buffer.alloc(100));
    expect(await failureOf(DurableOffset.open(fileSystem, DURABLE))).toMatchObject({ code: 'ERR_STORE_BAD_FILE' });
  });
});

describe('the abort file', () => {
  it('is there from its creation to its removal, power cuts included', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const fileSystem = machine(seed);
      await fileSystem.syncDirectory('/store');
      await fileSystem.syncDirectory('/');
      expect(hasAbortFile(fileSystem, ABORT)).toBe(false);
      await createAbortFile(fileSystem, ABORT);
      const second = fileSystem.crash();
      expect(hasAbortFile(second, ABORT)).toBe(true);
      await removeAbortFile(second, ABORT);
      await removeAbortFile(second, ABORT);
      expect(hasAbortFile(second.crash(), ABORT)).toBe(false);
    }
  });
});
