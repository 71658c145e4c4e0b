// Up to where the log is known to be on disk, recorded where Apache does not look (docs/adr/0003-durable-offset.md). A bad record
// below this offset is corruption, above it a torn tail. Written after each sync of the log, through a mapping: that survives the
// death of the process at once, and a power cut as of the last `sync`. It is a lower bound then, which is all that is asked of it.

import { assert } from '../../base/assert.ts';
import { crc32 } from '../../base/crc32.ts';
import { readInt64OrNaN, writeInt64 } from '../../base/int64.ts';
import type { FileSystem, MappedRegion } from '../file-system.ts';
import { CorruptionError, StoreError } from '../store-errors.ts';
import {
  DURABLE_OFFSET_FILE_SIZE_BYTES,
  SLOT_CLEAN_POSITION,
  SLOT_CRC_POSITION,
  SLOT_MAGIC,
  SLOT_MAGIC_POSITION,
  SLOT_OFFSET_POSITION,
  SLOT_POSITIONS,
  SLOT_SEQUENCE_POSITION,
  SLOT_SIZE_BYTES,
} from './durable-offset-layout.ts';

export interface DurableOffsetRecord {
  readonly offset: number;
  /** The store was stopped cleanly and the log ended at the offset. */
  readonly clean: boolean;
}

interface Slot extends DurableOffsetRecord {
  readonly sequence: number;
}

export class DurableOffset {
  readonly #region: MappedRegion;
  #newest: Slot | undefined;

  private constructor(region: MappedRegion, newest: Slot | undefined) {
    this.#region = region;
    this.#newest = newest;
  }

  /** Makes the file when it is missing. Throws CorruptionError when it holds something, but no slot that can be read. */
  static async open(fileSystem: FileSystem, path: string): Promise<DurableOffset> {
    await prepareFile(fileSystem, path);
    const region = await fileSystem.openRegion(path, { sizeBytes: DURABLE_OFFSET_FILE_SIZE_BYTES, mode: 'open' });
    const newest = newestSlot(region.buffer);
    if (newest === undefined && region.buffer.some((byte) => byte !== 0)) {
      await region.close();
      throw new CorruptionError(
        `${path} is damaged: neither of its two slots can be read; remove the file to open the log without knowing ` +
          'what was durable, so that a bad record ends it',
        { path, position: 0, reason: 'no slot has the right magic and CRC' },
      );
    }
    return new DurableOffset(region, newest);
  }

  /** What was written last; undefined when nothing ever was. */
  get record(): DurableOffsetRecord | undefined {
    if (this.#newest === undefined) return undefined;
    return { offset: this.#newest.offset, clean: this.#newest.clean };
  }

  /** Into the mapping only. The slot that is not the newest is overwritten, so one of the two is whole at every moment. */
  write(offset: number, clean: boolean): void {
    const sequence = (this.#newest?.sequence ?? 0) + 1;
    const start = SLOT_POSITIONS[sequence % 2] as number;
    const { buffer } = this.#region;
    assert(buffer.length === DURABLE_OFFSET_FILE_SIZE_BYTES, 'the durable offset is open');
    buffer.writeUInt32BE(SLOT_MAGIC, start + SLOT_MAGIC_POSITION);
    buffer.writeUInt32BE(clean ? 1 : 0, start + SLOT_CLEAN_POSITION);
    writeInt64(buffer, sequence, start + SLOT_SEQUENCE_POSITION);
    writeInt64(buffer, offset, start + SLOT_OFFSET_POSITION);
    buffer.writeUInt32BE(slotCrc(buffer, start), start + SLOT_CRC_POSITION);
    this.#newest = { offset, clean, sequence };
  }

  /** Resolves when the newest write is on disk; a rejection is final, as for every sync. */
  async sync(): Promise<void> {
    await this.#region.sync(0, DURABLE_OFFSET_FILE_SIZE_BYTES);
  }

  /** Without a sync. */
  async close(): Promise<void> {
    await this.#region.close();
  }
}

function slotCrc(buffer: Buffer, start: number): number {
  return crc32(buffer, start, SLOT_CRC_POSITION);
}

/** What the file says, for tools that must not open it; undefined when neither slot can be read. `bytes`: the whole file. */
export function readDurableOffset(bytes: Buffer): DurableOffsetRecord | undefined {
  const newest = newestSlot(bytes);
  return newest === undefined ? undefined : { offset: newest.offset, clean: newest.clean };
}

function newestSlot(buffer: Buffer): Slot | undefined {
  let newest: Slot | undefined;
  for (const start of SLOT_POSITIONS) {
    const slot = readSlot(buffer, start);
    if (slot !== undefined && (newest === undefined || slot.sequence > newest.sequence)) newest = slot;
  }
  return newest;
}

function readSlot(buffer: Buffer, start: number): Slot | undefined {
  assert(start + SLOT_SIZE_BYTES <= buffer.length, 'slots are inside the file');
  if (buffer.readUInt32BE(start + SLOT_MAGIC_POSITION) !== SLOT_MAGIC) return undefined;
  if (buffer.readUInt32BE(start + SLOT_CRC_POSITION) !== slotCrc(buffer, start)) return undefined;
  const sequence = readInt64OrNaN(buffer, start + SLOT_SEQUENCE_POSITION);
  const offset = readInt64OrNaN(buffer, start + SLOT_OFFSET_POSITION);
  if (!(sequence > 0) || !(offset >= 0)) return undefined;
  return { sequence, offset, clean: buffer.readUInt32BE(start + SLOT_CLEAN_POSITION) === 1 };
}

async function prepareFile(fileSystem: FileSystem, path: string): Promise<void> {
  const status = fileSystem.statusSync(path);
  if (status?.sizeBytes === DURABLE_OFFSET_FILE_SIZE_BYTES) return;
  if (status !== undefined) {
    throw new StoreError(
      'ERR_STORE_BAD_FILE',
      `${path} has ${status.sizeBytes} bytes where ${DURABLE_OFFSET_FILE_SIZE_BYTES} are expected; ` +
        'remove it to open the log without knowing what was durable.',
      { path, sizeBytes: status.sizeBytes, expectedBytes: DURABLE_OFFSET_FILE_SIZE_BYTES },
    );
  }
  await fileSystem.replaceFile(path, Buffer.alloc(DURABLE_OFFSET_FILE_SIZE_BYTES));
}
