// Moves units from memory into files, in batches that one thread writes while the loop goes on. Only copies are handed out, so
// appends and reads need not wait.

import { assert } from '../../base/assert.ts';
import type { FileSystem, FileWrite } from '../file-system.ts';
import type { ConsumeQueue } from './consume-queue.ts';
import { dataViewOf, PRE_BLANK_SIZE, UNIT_SIZE_BYTES, writeUnitFields } from './consume-queue-layout.ts';

const BATCH_SIZE_BYTES = 1024 * 1024;
const BATCH_UNITS = Math.floor(BATCH_SIZE_BYTES / UNIT_SIZE_BYTES);
const BATCH_WRITES_MAX = 1_000;
/** A directory is made on the loop: few at a time, so that it is not held up. */
const BATCH_DIRECTORIES_MAX = 16;

const PRE_BLANK_UNITS = 3_000;
let preBlankBlock: Buffer | undefined;

interface Part {
  readonly queue: ConsumeQueue;
  readonly upToOffset: number;
}

/** One run over the queues that had pending units when it began. Resolves with the number of units written. */
export class WriteOut {
  readonly #fileSystem: FileSystem;
  readonly #fileUnits: number;
  readonly #stage: Buffer;
  #stagedUnits = 0;
  #writes: FileWrite[] = [];
  #parts: Part[] = [];
  #newDirectories = 0;
  #unitCount = 0;

  /** `pendingUnits`: about how many there are to write; the memory for a batch follows it. */
  constructor(options: { fileSystem: FileSystem; fileUnits: number; pendingUnits: number }) {
    this.#fileSystem = options.fileSystem;
    this.#fileUnits = options.fileUnits;
    this.#stage = Buffer.allocUnsafeSlow(Math.max(1, Math.min(BATCH_UNITS, options.pendingUnits)) * UNIT_SIZE_BYTES);
  }

  /** Rejects with the first FileSystemError; what was not written stays pending. */
  async run(queues: readonly ConsumeQueue[]): Promise<number> {
    for (const queue of queues) {
      const endOffset = queue.maxOffset;
      for (let offset = queue.writtenOffset; offset < endOffset && !queue.isDropped;) {
        offset += this.#add(queue, offset, endOffset);
        if (this.#isFull()) await this.#flush();
      }
    }
    await this.#flush();
    return this.#unitCount;
  }

  #isFull(): boolean {
    return (
      this.#stagedUnits * UNIT_SIZE_BYTES === this.#stage.length ||
      this.#writes.length >= BATCH_WRITES_MAX ||
      this.#newDirectories >= BATCH_DIRECTORIES_MAX
    );
  }

  /** Takes units of one file into the batch; the answer is how many. */
  #add(queue: ConsumeQueue, offset: number, endOffset: number): number {
    const startOffset = queue.fileStartOf(offset);
    const path = queue.filePath(startOffset);
    if (!queue.hasFiles && this.#parts.at(-1)?.queue !== queue) {
      this.#fileSystem.makeDirectorySync(queue.directory);
      this.#newDirectories++;
      this.#addPreBlank(path, offset - startOffset);
    }
    const room = this.#stage.length / UNIT_SIZE_BYTES - this.#stagedUnits;
    const count = Math.min(endOffset - offset, startOffset + this.#fileUnits - offset, room);
    assert(count > 0, 'a batch with room takes at least one unit');
    const stagePosition = this.#stagedUnits * UNIT_SIZE_BYTES;
    queue.copyPending(offset, count, this.#stage, stagePosition);
    this.#stagedUnits += count;
    const bytes = this.#stage.subarray(stagePosition, stagePosition + count * UNIT_SIZE_BYTES);
    this.#addWrite(path, (offset - startOffset) * UNIT_SIZE_BYTES, bytes);
    this.#parts.push({ queue, upToOffset: offset + count });
    return count;
  }

  #addWrite(path: string, position: number, bytes: Uint8Array): void {
    this.#writes.push({ path, fileSizeBytes: this.#fileUnits * UNIT_SIZE_BYTES, position, bytes });
  }

  /** A queue that begins inside of a file: the units before are filled, as Apache fills them. */
  #addPreBlank(path: string, unitCount: number): void {
    for (let done = 0; done < unitCount; done += PRE_BLANK_UNITS) {
      const count = Math.min(PRE_BLANK_UNITS, unitCount - done);
      this.#addWrite(path, done * UNIT_SIZE_BYTES, preBlankUnits().subarray(0, count * UNIT_SIZE_BYTES));
    }
  }

  async #flush(): Promise<void> {
    if (this.#writes.length === 0) return;
    await this.#fileSystem.writeFiles(this.#writes);
    for (const { queue, upToOffset } of this.#parts) queue.markWritten(upToOffset);
    this.#unitCount += this.#stagedUnits;
    this.#stagedUnits = 0;
    this.#writes = [];
    this.#parts = [];
    this.#newDirectories = 0;
  }
}

function preBlankUnits(): Buffer {
  if (preBlankBlock === undefined) {
    preBlankBlock = Buffer.alloc(PRE_BLANK_UNITS * UNIT_SIZE_BYTES);
    const view = dataViewOf(preBlankBlock);
    for (let unit = 0; unit < PRE_BLANK_UNITS; unit++)
      writeUnitFields(view, unit * UNIT_SIZE_BYTES, 0, PRE_BLANK_SIZE, 0);
  }
  return preBlankBlock;
}
