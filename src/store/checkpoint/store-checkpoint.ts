// Apache's checkpoint: up to which time and offset log, queues and index are known to be on disk. The values live in memory until
// `flush` writes all of them; whoever sets one has made sure that it is true (Java: StoreCheckpoint).

import { assert } from '../../base/assert.ts';
import { readInt64OrNaN, writeInt64 } from '../../base/int64.ts';
import type { FileSystem, MappedRegion } from '../file-system.ts';
import { CorruptionError, StoreError } from '../store-errors.ts';
import {
  CONFIRM_PHY_OFFSET_POSITION,
  INDEX_MSG_TIMESTAMP_POSITION,
  LOGICS_MSG_TIMESTAMP_POSITION,
  LOGICS_PHYSICAL_OFFSET_POSITION,
  MASTER_FLUSHED_OFFSET_POSITION,
  PHYSIC_MSG_TIMESTAMP_POSITION,
  STORE_CHECKPOINT_SIZE_BYTES,
} from './store-checkpoint-layout.ts';

export class StoreCheckpoint {
  /** Store time of the newest message of the log that is on disk; 0 when unknown. */
  physicMsgTimestamp = 0;
  /** The same for the consume queues. */
  logicsMsgTimestamp = 0;
  /** Where the newest full index file that is on disk ends; 0 when there is none. */
  indexMsgTimestamp = 0;
  masterFlushedOffset = 0;
  confirmPhyOffset = 0;
  /** Queue units and index entries of every record below this physical offset are on disk; 0 when unknown. */
  logicsPhysicalOffset = 0;
  readonly #region: MappedRegion;

  private constructor(region: MappedRegion) {
    this.#region = region;
  }

  /** Makes the file when it is missing. Throws CorruptionError when a value can't be one, StoreError for a wrong size. */
  static async open(fileSystem: FileSystem, path: string): Promise<StoreCheckpoint> {
    await prepareFile(fileSystem, path);
    const region = await fileSystem.openRegion(path, { sizeBytes: STORE_CHECKPOINT_SIZE_BYTES, mode: 'open' });
    const checkpoint = new StoreCheckpoint(region);
    try {
      checkpoint.#read(path);
    } catch (error) {
      await region.close();
      throw error;
    }
    return checkpoint;
  }

  #read(path: string): void {
    const valueAt = (position: number): number => {
      const value = readInt64OrNaN(this.#region.buffer, position);
      if (!Number.isNaN(value)) return value;
      throw new CorruptionError(
        `${path} is damaged: the value at position ${position} is neither a time nor an offset; ` +
          'remove the file to have the log scanned instead',
        { path, position, reason: 'the value is outside the range that can be' },
      );
    };
    this.physicMsgTimestamp = valueAt(PHYSIC_MSG_TIMESTAMP_POSITION);
    this.logicsMsgTimestamp = valueAt(LOGICS_MSG_TIMESTAMP_POSITION);
    this.indexMsgTimestamp = valueAt(INDEX_MSG_TIMESTAMP_POSITION);
    this.masterFlushedOffset = valueAt(MASTER_FLUSHED_OFFSET_POSITION);
    this.confirmPhyOffset = valueAt(CONFIRM_PHY_OFFSET_POSITION);
    this.logicsPhysicalOffset = valueAt(LOGICS_PHYSICAL_OFFSET_POSITION);
  }

  /** Writes all values. Durable when it resolves; a rejection is final, as for every sync. */
  async flush(): Promise<void> {
    const { buffer } = this.#region;
    assert(buffer.length === STORE_CHECKPOINT_SIZE_BYTES, 'the checkpoint is open');
    writeInt64(buffer, this.physicMsgTimestamp, PHYSIC_MSG_TIMESTAMP_POSITION);
    writeInt64(buffer, this.logicsMsgTimestamp, LOGICS_MSG_TIMESTAMP_POSITION);
    writeInt64(buffer, this.indexMsgTimestamp, INDEX_MSG_TIMESTAMP_POSITION);
    writeInt64(buffer, this.masterFlushedOffset, MASTER_FLUSHED_OFFSET_POSITION);
    writeInt64(buffer, this.confirmPhyOffset, CONFIRM_PHY_OFFSET_POSITION);
    writeInt64(buffer, this.logicsPhysicalOffset, LOGICS_PHYSICAL_OFFSET_POSITION);
    await this.#region.sync(0, STORE_CHECKPOINT_SIZE_BYTES);
  }

  /** Without a flush: values that were set since the last one are forgotten. */
  async close(): Promise<void> {
    await this.#region.close();
  }
}

/** Apache's mapping extends a short file with zeros, so a process that died while making it left a good one. */
async function prepareFile(fileSystem: FileSystem, path: string): Promise<void> {
  const bytes = fileSystem.readFileSync(path);
  if (bytes?.length === STORE_CHECKPOINT_SIZE_BYTES) return;
  if (bytes !== undefined && bytes.length > STORE_CHECKPOINT_SIZE_BYTES) {
    throw new StoreError(
      'ERR_STORE_BAD_FILE',
      `${path} has ${bytes.length} bytes where ${STORE_CHECKPOINT_SIZE_BYTES} are expected; it is not a checkpoint. ` +
        'Remove the file to have the log scanned instead.',
      { path, sizeBytes: bytes.length, expectedBytes: STORE_CHECKPOINT_SIZE_BYTES },
    );
  }
  const padded = Buffer.alloc(STORE_CHECKPOINT_SIZE_BYTES);
  bytes?.copy(padded);
  await fileSystem.replaceFile(path, padded);
}
