// Room on the disk for the pages that LMDB is about to write, taken before it writes them: zeros are appended to its file, over
// which it then writes. So a full disk is met here and never by LMDB, which does not survive it: when the kernel refuses a write
// of pages, lmdb (3.0.1 to 3.5.6, mdb_page_flush in mdb.c) formats a message into 100 bytes of heap, with three sizes of which two
// may never have been set. With large numbers the message needs more (108 bytes were seen) and overwrites what lies behind; glibc then ends
// the process ("corrupted size vs. prev_size", "malloc(): invalid next size"), or worse happens.
//
// What a batch needs is an upper bound, from the end of what LMDB has used: none of its free pages is counted on.

import { errorCode } from '../../base/errors.ts';
import type { FileSystem } from '../file-system.ts';

/** What LMDB says of itself after its last commit. */
export interface LmdbStatistics {
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly treeDepth: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
}

/** What a batch writes at most. */
export interface LmdbLoad {
  readonly rowCount: number;
  /** In pages of which nothing was there before. */
  readonly newBytes: number;
}

const NODE_SIZE_BYTES = 10;
/** Larger rows get pages of their own; the smallest page size keeps somewhat more in its leaves. */
const LEAF_ROW_MAX_BYTES = 1_900;
/** The last page of a large row, not filled, and its header. */
const LARGE_ROW_EXTRA_BYTES = 32_768;
/** A page that is split leaves two that are half full, or less when rows are nearly as large as a leaf takes. */
const SPLIT_FACTOR = 4;
/** A copy of a row's leaf and of the branches over it, the halves of a split leaf and branch, and a new root. */
const PAGES_BESIDE_PATH = 3;
/** A page that a transaction frees is used again by the one after the next: a table lies in the file three times at most. */
const TABLE_COPIES = 3;
/** The list of free pages has 8 bytes for each, so 512 in a page, and is there twice. */
const PAGES_PER_LIST_PAGE = 256;
const SPARE_PAGES = 16;

const STEP_BYTES = 128 * 1024;
/** Beyond what is needed, so that a growing table seldom waits. */
const AHEAD_MAX_BYTES = 16 * 1024 * 1024;
const ZEROS = Buffer.alloc(1024 * 1024);

/** Of rows as they are put; one that is removed has no `row`. */
export function loadOf(rows: readonly { readonly key: Buffer; readonly row: Buffer | undefined }[]): LmdbLoad {
  let newBytes = 0;
  for (const { key, row } of rows) {
    const sizeBytes = NODE_SIZE_BYTES + key.length + (row?.length ?? 0);
    newBytes += sizeBytes > LEAF_ROW_MAX_BYTES ? sizeBytes + LARGE_ROW_EXTRA_BYTES : SPLIT_FACTOR * sizeBytes;
  }
  return { rowCount: rows.length, newBytes };
}

/** Owner: the key-value store. Calls of {@link admit} must not overlap. */
export class LmdbRoom {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #statistics: () => LmdbStatistics;
  /** The file's size, every block of it there. 0 until the file was looked at. */
  #reservedBytes = 0;
  /** Of the batches between {@link admit} and {@link release}. */
  #batchCount = 0;
  #rowCount = 0;
  #newBytes = 0;
  #onIdle: (() => void) | undefined;

  constructor(fileSystem: FileSystem, path: string, statistics: () => LmdbStatistics) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#statistics = statistics;
  }

  /**
   * Resolves when LMDB can write the batch whatever else takes the disk; it must be released then, once. Rejects with a
   * FileSystemError, such as 'ERR_FS_NO_SPACE': the batch must not reach LMDB.
   */
  async admit(load: LmdbLoad): Promise<void> {
    if (this.#neededBytes(load) > this.#reservedBytes) await this.#reserve(load);
    this.#count(load, 1);
  }

  /** LMDB has committed or refused the batch. */
  release(load: LmdbLoad): void {
    this.#count(load, -1);
    if (this.#batchCount === 0) this.#onIdle?.();
  }

  #count({ rowCount, newBytes }: LmdbLoad, sign: 1 | -1): void {
    this.#batchCount += sign;
    this.#rowCount += sign * rowCount;
    this.#newBytes += sign * newBytes;
  }

  /** Where the file ends when LMDB writes everything admitted and this batch, without one page of what is free. */
  #neededBytes(load: LmdbLoad): number {
    const { pageSize, lastPageNumber, treeDepth, treeBranchPageCount, treeLeafPageCount } = this.#statistics();
    const copied = Math.min(
      (this.#rowCount + load.rowCount) * (treeDepth + PAGES_BESIDE_PATH),
      TABLE_COPIES * (treeBranchPageCount + treeLeafPageCount),
    );
    const listed = Math.ceil(lastPageNumber / PAGES_PER_LIST_PAGE);
    const pageCount = lastPageNumber + 1 + copied + listed + SPARE_PAGES;
    return pageCount * pageSize + this.#newBytes + load.newBytes;
  }

  /** Waits for LMDB first: zeros may be written where the file ends only while nobody else makes it longer. */
  async #reserve(load: LmdbLoad): Promise<void> {
    if (this.#batchCount > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#onIdle = undefined;
    const sizeBytes = this.#sizeBytes();
    if (this.#reservedBytes === 0) await this.#fillHoles(sizeBytes);
    this.#reservedBytes = sizeBytes;
    const neededBytes = this.#neededBytes(load);
    if (neededBytes <= this.#reservedBytes) return;
    const aheadBytes = Math.min(AHEAD_MAX_BYTES, Math.floor(neededBytes / 4));
    try {
      await this.#growTo(Math.ceil((neededBytes + aheadBytes) / STEP_BYTES) * STEP_BYTES);
    } catch (error) {
      const isEnough = neededBytes <= this.#reservedBytes && errorCode(error) === 'ERR_FS_NO_SPACE';
      if (!isEnough) throw error;
    }
  }

  async #growTo(targetBytes: number): Promise<void> {
    while (this.#reservedBytes < targetBytes) {
      const position = this.#reservedBytes;
      const bytes = ZEROS.subarray(0, Math.min(ZEROS.length, targetBytes - position));
      try {
        await this.#fileSystem.writeFiles([{ path: this.#path, fileSizeBytes: position, position, bytes }]);
      } finally {
        this.#reservedBytes = this.#sizeBytes(); // also what a full disk still took
      }
    }
  }

  /** A copy of the file may be sparse, and LMDB writes into its holes. */
  async #fillHoles(sizeBytes: number): Promise<void> {
    const region = await this.#fileSystem.openRegion(this.#path, { sizeBytes, mode: 'open', preallocate: true });
    await region.close();
  }

  #sizeBytes(): number {
    return this.#fileSystem.statusSync(this.#path)?.sizeBytes ?? 0;
  }
}
