// One queue of one topic: where each of its messages is in the log. New units live in memory until the store writes them out;
// reads serve from memory, then from mapped files. An append does no I/O and allocates nothing.
//
// Offsets of a queue, in order:  firstFileOffset <= minOffset <= memoryOffset <= writtenOffset <= maxOffset
// Units below writtenOffset are in files, units from memoryOffset on are in memory, so what is being written stays readable.

import { assert, verify } from '../../base/assert.ts';
import type { FileSystem } from '../file-system.ts';
import type { MappedFileCache } from '../mapped-file/mapped-file-cache.ts';
import { StoreError } from '../store-errors.ts';
import {
  dataViewOf,
  fileNameOf,
  isPreBlank,
  isValidUnit,
  physicalOffsetAt,
  sizeBytesAt,
  tagsCodeAt,
  UNIT_SIZE_BYTES,
  unitAtPosition,
  type Unit,
} from './consume-queue-layout.ts';
import { CHUNK_UNITS, type UnitArena } from './unit-arena.ts';

export type { Unit } from './consume-queue-layout.ts';

/** Units in order of their queue offsets, the first at the offset that was asked for. Owned by the caller. */
export interface UnitBatch {
  readonly count: number;
  readonly physicalOffsets: number[];
  readonly sizes: number[];
  readonly tagsCodes: number[];
}

/** What all queues of a store share. */
export interface QueueSurroundings {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** Units in one file. */
  readonly fileUnits: number;
  readonly arena: UnitArena;
  readonly files: MappedFileCache;
  /** Called when a queue gets its first unit that is in no file, unless the queue is listed already. */
  readonly markPending: (queue: ConsumeQueue) => void;
}

/** What was found on disk; see consume-queue-recovery.ts. Offsets count units. */
export interface QueueExtent {
  /** Where the first file begins; undefined when there is no file. */
  readonly firstFileOffset: number | undefined;
  /** Where the last file ends. */
  readonly filesEndOffset: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  /** Physical offset of the unit at minOffset, -1 when there is none. */
  readonly minPhysicalOffset: number;
  /** End of the record of the last unit, 0 when there is none. */
  readonly lastRecordEnd: number;
}

export const EMPTY_EXTENT: QueueExtent = Object.freeze({
  firstFileOffset: undefined,
  filesEndOffset: 0,
  minOffset: 0,
  maxOffset: 0,
  minPhysicalOffset: -1,
  lastRecordEnd: 0,
});

const NONE = -1;

/** Owner: the ConsumeQueueStore that made it. Methods from `extent` on are for that owner only. */
export class ConsumeQueue {
  // What an append needs comes first: with many queues it is cold for all but a few. No gain was measured.
  #maxOffset: number;
  #tailChunk = NONE;
  readonly #shared: QueueSurroundings;
  /** In the owner's list of queues that have units to be written out. */
  isListed = false;
  #firstFileOffset: number;
  /** Chunks before the tail, oldest first. */
  #olderChunks: number[] | undefined;
  #memoryOffset: number;
  #writtenOffset: number;
  #minOffset: number;
  #filesEndOffset: number;
  #minPhysicalOffset: number;
  /** Of the last unit below memoryOffset. */
  #lastRecordEnd: number;
  #isDropped = false;
  readonly topic: string;
  readonly queueId: number;

  constructor(topic: string, queueId: number, shared: QueueSurroundings, extent: QueueExtent = EMPTY_EXTENT) {
    this.#maxOffset = extent.maxOffset;
    this.#shared = shared;
    this.#firstFileOffset = extent.firstFileOffset ?? NONE;
    this.#memoryOffset = extent.maxOffset;
    this.#writtenOffset = extent.maxOffset;
    this.#minOffset = extent.minOffset;
    this.#filesEndOffset = extent.filesEndOffset;
    this.#minPhysicalOffset = extent.minPhysicalOffset;
    this.#lastRecordEnd = extent.lastRecordEnd;
    this.topic = topic;
    this.queueId = queueId;
  }

  /** The oldest offset that still has a message; equal to {@link maxOffset} when there is none. */
  get minOffset(): number {
    return this.#minOffset;
  }

  /** The next offset to be assigned. */
  get maxOffset(): number {
    return this.#maxOffset;
  }

  /**
   * Adds the unit of the message with this queue offset. Below {@link maxOffset} nothing happens: recovery dispatches records
   * again that are known already. Above it only a queue without any unit accepts (its earlier messages are gone); else units
   * are missing, and the call throws ERR_STORE_BAD_FILE.
   */
  append(queueOffset: number, physicalOffset: number, sizeBytes: number, tagsCode: number): void {
    if (queueOffset !== this.#maxOffset && !this.#mayStartAt(queueOffset)) return;
    const slot = queueOffset % CHUNK_UNITS;
    if (slot === 0 || this.#tailChunk === NONE) this.#addChunk();
    this.#shared.arena.write(this.#tailChunk, slot, physicalOffset, sizeBytes, tagsCode);
    this.#maxOffset = queueOffset + 1;
  }

  /** What to do with an offset that is not the next one: false to ignore it. */
  #mayStartAt(queueOffset: number): boolean {
    assert(Number.isSafeInteger(queueOffset) && queueOffset >= 0, 'a queue offset is a safe integer');
    if (queueOffset < this.#maxOffset) return false;
    if (this.#firstFileOffset !== NONE || this.#tailChunk !== NONE) {
      throw new StoreError(
        'ERR_STORE_BAD_FILE',
        `the consume queue ${this.topic}/${this.queueId} lacks the units ${this.#maxOffset} to ${queueOffset - 1}; remove its directory so that it is built again from the log`,
        { topic: this.topic, queueId: this.queueId, maxOffset: this.#maxOffset, queueOffset },
      );
    }
    this.#minOffset = queueOffset;
    this.#maxOffset = queueOffset;
    this.#memoryOffset = queueOffset;
    this.#writtenOffset = queueOffset;
    return true;
  }

  #addChunk(): void {
    assert(!this.#isDropped, 'a queue of a deleted topic must not be appended to');
    const chunk = this.#shared.arena.take();
    if (!this.isListed) this.#shared.markPending(this);
    if (this.#tailChunk !== NONE) (this.#olderChunks ??= []).push(this.#tailChunk);
    this.#tailChunk = chunk;
  }

  /**
   * Up to `countMax` units from an offset on, whose records end at or below `readableLimit`. None when the offset is outside of
   * the queue. At once when they are in memory; a promise when a file has to be mapped or read. May return fewer than there
   * are, but at least one. Rejects with a FileSystemError.
   */
  read(queueOffset: number, countMax: number, readableLimit: number): UnitBatch | Promise<UnitBatch> {
    const batch: UnitBatchBuilder = new UnitBatchBuilder(readableLimit);
    if (queueOffset < this.#minOffset || queueOffset >= this.#maxOffset || countMax < 1) return batch;
    const endOffset = Math.min(queueOffset + countMax, this.#maxOffset);
    let offset = queueOffset;
    while (offset < this.#memoryOffset) {
      const range = this.#fileRange(offset, Math.min(endOffset, this.#memoryOffset));
      const bytes = this.#shared.files.peek(range.path, range.position, range.lengthBytes);
      if (bytes === undefined) return batch.count > 0 ? batch : this.#readFile(range, batch);
      if (!batch.addAll(bytes, 0, range.unitCount)) return batch;
      offset += range.unitCount;
      if (offset === endOffset) return batch;
    }
    this.#readMemory(offset, endOffset, batch);
    return batch;
  }

  #readMemory(fromOffset: number, endOffset: number, batch: UnitBatchBuilder): void {
    const { arena } = this.#shared;
    for (let offset = fromOffset; offset < endOffset;) {
      const chunk = this.#chunkOf(offset);
      const slot = offset % CHUNK_UNITS;
      const unitCount = Math.min(CHUNK_UNITS - slot, endOffset - offset);
      if (!batch.addAll(arena.slabOf(chunk), arena.position(chunk, slot), unitCount)) return;
      offset += unitCount;
    }
  }

  async #readFile(range: FileRange, batch: UnitBatchBuilder): Promise<UnitBatch> {
    const bytes = await this.#loadRange(range);
    if (bytes !== undefined) batch.addAll(bytes, 0, Math.floor(bytes.byteLength / UNIT_SIZE_BYTES));
    return batch;
  }

  /** undefined when retention or a deletion removed the units meanwhile. */
  async #loadRange(range: FileRange): Promise<DataView | undefined> {
    try {
      return await this.#shared.files.load(range.path, range.position, range.lengthBytes);
    } catch (error) {
      if (this.#isDropped || range.queueOffset < this.#minOffset) return undefined;
      throw error;
    }
  }

  /** The next offset that a reader may see when records that end above `readableLimit` do not exist yet. */
  readableMax(readableLimit: number): number {
    if (this.#maxOffset === this.#minOffset || this.#endOfLastRecord() <= readableLimit) return this.#maxOffset;
    let low = this.#minOffset;
    let high = this.#maxOffset - 1;
    // Invariant: units below `low` are readable, the unit at `high` is not. Mostly the last few are not: search from the end.
    for (let step = 1; low < high; step *= 2) {
      const probe = Math.max(low, high - step);
      if (this.#recordEndAtSync(probe) <= readableLimit) low = probe + 1;
      else high = probe;
      if (low === probe + 1) break;
    }
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.#recordEndAtSync(middle) <= readableLimit) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #endOfLastRecord(): number {
    return this.#tailChunk === NONE ? this.#lastRecordEnd : this.#recordEndAtSync(this.#maxOffset - 1);
  }

  /** Units that are not durable yet were written a moment ago, so the file's page is in memory and a read does not wait. */
  #recordEndAtSync(queueOffset: number): number {
    if (queueOffset >= this.#memoryOffset) {
      const chunk = this.#chunkOf(queueOffset);
      const { arena } = this.#shared;
      const slab = arena.slabOf(chunk);
      const position = arena.position(chunk, queueOffset % CHUNK_UNITS);
      return physicalOffsetAt(slab, position) + sizeBytesAt(slab, position);
    }
    const unit = this.unitAtSync(queueOffset);
    return unit.physicalOffset + unit.sizeBytes;
  }

  /** The unit at an offset, undefined when there is none. */
  unitAt(queueOffset: number): Unit | Promise<Unit | undefined> | undefined {
    if (queueOffset < this.#minOffset || queueOffset >= this.#maxOffset) return undefined;
    if (queueOffset >= this.#memoryOffset) return this.unitAtSync(queueOffset);
    const range = this.#fileRange(queueOffset, queueOffset + 1);
    const bytes = this.#shared.files.peek(range.path, range.position, range.lengthBytes);
    if (bytes !== undefined) return unitAtPosition(bytes, 0);
    return this.#loadRange(range).then((late) => (late === undefined ? undefined : unitAtPosition(late, 0)));
  }

  #fileRange(fromOffset: number, endOffset: number): FileRange {
    const startOffset = this.fileStartOf(fromOffset);
    const unitCount = Math.min(endOffset, startOffset + this.#shared.fileUnits) - fromOffset;
    return {
      queueOffset: fromOffset,
      path: this.filePath(startOffset),
      position: (fromOffset - startOffset) * UNIT_SIZE_BYTES,
      lengthBytes: unitCount * UNIT_SIZE_BYTES,
      unitCount,
    };
  }

  #chunkOf(queueOffset: number): number {
    const index = Math.floor(queueOffset / CHUNK_UNITS) - Math.floor(this.#memoryOffset / CHUNK_UNITS);
    const older = this.#olderChunks;
    return older === undefined || index === older.length ? this.#tailChunk : (older[index] as number);
  }

  // For the owner.

  get directory(): string {
    return `${this.#shared.directory}/${this.topic}/${this.queueId}`;
  }

  get extent(): QueueExtent {
    return {
      firstFileOffset: this.#firstFileOffset === NONE ? undefined : this.#firstFileOffset,
      filesEndOffset: this.#filesEndOffset,
      minOffset: this.#minOffset,
      maxOffset: this.#maxOffset,
      minPhysicalOffset: this.#minPhysicalOffset,
      lastRecordEnd: this.#endOfLastRecord(),
    };
  }

  get hasFiles(): boolean {
    return this.#firstFileOffset !== NONE;
  }

  get hasPending(): boolean {
    return this.#tailChunk !== NONE;
  }

  /** Where the record of the last unit ends; 0 when there is none. */
  get endOfLastRecord(): number {
    return this.#maxOffset === 0 ? 0 : this.#endOfLastRecord();
  }

  get isDropped(): boolean {
    return this.#isDropped;
  }

  /** Units below are in files. */
  get writtenOffset(): number {
    return this.#writtenOffset;
  }

  /** The offset at which the file of a unit begins. */
  fileStartOf(queueOffset: number): number {
    return queueOffset - (queueOffset % this.#shared.fileUnits);
  }

  filePath(fileStartOffset: number): string {
    return `${this.directory}/${fileNameOf(fileStartOffset * UNIT_SIZE_BYTES)}`;
  }

  /** From memory or by a read that may wait for the disk. The unit must be in memory or in a file, expired or not. */
  unitAtSync(queueOffset: number): Unit {
    assert(queueOffset < this.#maxOffset, 'the unit is beyond the queue');
    if (queueOffset >= this.#memoryOffset) {
      const chunk = this.#chunkOf(queueOffset);
      const { arena } = this.#shared;
      return unitAtPosition(arena.slabOf(chunk), arena.position(chunk, queueOffset % CHUNK_UNITS));
    }
    const { path, position } = this.#fileRange(queueOffset, queueOffset + 1);
    return unitAtPosition(dataViewOf(this.#shared.fileSystem.readFileAtSync(path, position, UNIT_SIZE_BYTES)), 0);
  }

  /** Copies units from memory into `target`; all of them must be there. */
  copyPending(fromOffset: number, unitCount: number, target: Buffer, position: number): void {
    assert(fromOffset >= this.#memoryOffset, 'the units are not in memory any more');
    assert(fromOffset + unitCount <= this.#maxOffset, 'the units are not there yet');
    let written = position;
    for (let offset = fromOffset; offset < fromOffset + unitCount;) {
      const slot = offset % CHUNK_UNITS;
      const count = Math.min(CHUNK_UNITS - slot, fromOffset + unitCount - offset);
      this.#shared.arena.copy(this.#chunkOf(offset), slot, count, target, written);
      written += count * UNIT_SIZE_BYTES;
      offset += count;
    }
  }

  /** Units below are in files now; memory that holds no other unit is given back. */
  markWritten(upToOffset: number): void {
    if (this.#isDropped) return;
    assert(upToOffset > this.#writtenOffset && upToOffset <= this.#maxOffset, 'units are written in their order');
    const firstStart = this.fileStartOf(this.#writtenOffset);
    if (this.#firstFileOffset === NONE) this.#firstFileOffset = firstStart;
    this.#filesEndOffset = Math.max(this.#filesEndOffset, this.fileStartOf(upToOffset - 1) + this.#shared.fileUnits);
    const last = this.unitAtSync(upToOffset - 1);
    this.#lastRecordEnd = last.physicalOffset + last.sizeBytes;
    this.#writtenOffset = upToOffset;
    this.#releaseChunks(upToOffset === this.#maxOffset ? upToOffset : upToOffset - (upToOffset % CHUNK_UNITS));
    verify(() => this.#memoryOffset <= this.#writtenOffset, 'written units may be in memory, others must be');
  }

  /** Gives back the chunks whose units are all below an offset, which is the maximum or begins a chunk. */
  #releaseChunks(offset: number): void {
    if (offset <= this.#memoryOffset) return;
    const { arena } = this.#shared;
    const older = this.#olderChunks ?? [];
    if (offset === this.#maxOffset) {
      for (const chunk of older) arena.give(chunk);
      if (this.#tailChunk !== NONE) arena.give(this.#tailChunk);
      this.#tailChunk = NONE;
      this.#olderChunks = undefined;
    } else {
      const gone = Math.floor(offset / CHUNK_UNITS) - Math.floor(this.#memoryOffset / CHUNK_UNITS);
      for (const chunk of older.splice(0, gone)) arena.give(chunk);
    }
    this.#memoryOffset = offset;
  }

  /** The queue's topic was deleted: memory is given back, reads end, what is being written is of no interest. */
  drop(): void {
    this.#isDropped = true;
    this.#minOffset = this.#maxOffset;
    this.#releaseChunks(this.#maxOffset);
  }

  /** Replaces what is known by what is on disk now. Nothing may be pending. */
  reset(extent: QueueExtent): void {
    assert(this.#tailChunk === NONE, 'units in memory would be lost');
    this.#maxOffset = extent.maxOffset;
    this.#memoryOffset = extent.maxOffset;
    this.#writtenOffset = extent.maxOffset;
    this.#minOffset = extent.minOffset;
    this.#firstFileOffset = extent.firstFileOffset ?? NONE;
    this.#filesEndOffset = extent.filesEndOffset;
    this.#minPhysicalOffset = extent.minPhysicalOffset;
    this.#lastRecordEnd = extent.lastRecordEnd;
  }

  /** Readers start here from now on; `minPhysicalOffset` is the one of the unit there, -1 when the queue is empty. */
  raiseMinOffset(minOffset: number, minPhysicalOffset: number): void {
    assert(minOffset >= this.#minOffset && minOffset <= this.#maxOffset, 'the minimum only rises, up to the maximum');
    this.#minOffset = minOffset;
    this.#minPhysicalOffset = minPhysicalOffset;
  }

  /** True without looking when no unit is below a physical offset. */
  isKnownToBeginAt(physicalOffset: number): boolean {
    return this.#minOffset === this.#maxOffset || this.#minPhysicalOffset >= physicalOffset;
  }

  /** Where each file begins, the first one first. */
  fileStarts(): number[] {
    const starts: number[] = [];
    if (this.#firstFileOffset === NONE) return starts;
    for (let start = this.#firstFileOffset; start < this.#filesEndOffset; start += this.#shared.fileUnits)
      starts.push(start);
    return starts;
  }

  /** Files that no reader needs. The last file stays: it knows where the queue ends. */
  expiredFiles(): number[] {
    return this.fileStarts().filter((start) => {
      const endOffset = start + this.#shared.fileUnits;
      return endOffset <= this.#minOffset && endOffset < this.#filesEndOffset;
    });
  }

  /** Files below were removed. */
  raiseFirstFile(firstFileOffset: number): void {
    assert(firstFileOffset <= this.#minOffset, 'a file with readable units was removed');
    this.#firstFileOffset = firstFileOffset;
  }
}

interface FileRange {
  readonly queueOffset: number;
  readonly path: string;
  readonly position: number;
  readonly lengthBytes: number;
  readonly unitCount: number;
}

class UnitBatchBuilder implements UnitBatch {
  count = 0;
  readonly physicalOffsets: number[] = [];
  readonly sizes: number[] = [];
  readonly tagsCodes: number[] = [];
  readonly #readableLimit: number;

  constructor(readableLimit: number) {
    this.#readableLimit = readableLimit;
  }

  /** False when a unit ends the batch: it is not readable yet, or it is none. */
  addAll(bytes: DataView, position: number, unitCount: number): boolean {
    for (let index = 0, at = position; index < unitCount; index++, at += UNIT_SIZE_BYTES) {
      const physicalOffset = physicalOffsetAt(bytes, at);
      const sizeBytes = sizeBytesAt(bytes, at);
      if (physicalOffset + sizeBytes > this.#readableLimit) return false;
      if (!isValidUnit(physicalOffset, sizeBytes) || isPreBlank(physicalOffset, sizeBytes)) return false;
      this.physicalOffsets.push(physicalOffset);
      this.sizes.push(sizeBytes);
      this.tagsCodes.push(tagsCodeAt(bytes, at));
      this.count++;
    }
    return true;
  }
}
