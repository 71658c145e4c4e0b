// The segments of a log in their order: finds the one that holds an offset, makes the next one ahead of need, deletes the
// oldest, and bounds how many are mapped. It knows nothing of what is in them. Owned by the CommitLog.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { describeError, errorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { FileSystem, MappedRegion } from '../file-system.ts';
import { StoreError } from '../store-errors.ts';
import { MappedFile } from './mapped-file.ts';
import { findSegments } from './segment-files.ts';
import { segmentName } from './segment-names.ts';

export interface MappedFileQueueOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly segmentSizeBytes: number;
  /** Mappings at one time; the tail and what is pinned may come on top. At least 2. */
  readonly mappedFilesMax: number;
  readonly logger: Logger;
}

export class MappedFileQueue {
  readonly #options: MappedFileQueueOptions;
  /** Up to the tail, contiguous, never with a gap. */
  readonly #files: MappedFile[] = [];
  /** Behind the tail: made ahead, empty. */
  readonly #spares: MappedFile[] = [];
  #useCount = 0;
  #making: Promise<void> | undefined;
  /** The last try to make a segment failed; only {@link whenNext} tries again. */
  #makingFailed = false;
  #isClosed = false;
  readonly #closings = new Set<Promise<void>>();

  private constructor(options: MappedFileQueueOptions) {
    assert(options.mappedFilesMax >= 2, 'at least two segments can be mapped');
    this.#options = options;
  }

  /**
   * Finds the segments. Throws StoreError 'ERR_STORE_BAD_FILE' for a file of another size, CorruptionError for a gap. Reads
   * nothing but names and sizes, except that a last file whose creation was cut short is removed when it holds no data.
   */
  static async open(options: MappedFileQueueOptions): Promise<MappedFileQueue> {
    const queue = new MappedFileQueue(options);
    const { fileSystem, segmentSizeBytes: sizeBytes } = options;
    for (const { path, startOffset } of await findSegments(options)) {
      queue.#files.push(new MappedFile({ fileSystem, path, startOffset, sizeBytes }));
    }
    return queue;
  }

  get files(): readonly MappedFile[] {
    return this.#files;
  }

  get spares(): readonly MappedFile[] {
    return this.#spares;
  }

  get first(): MappedFile | undefined {
    return this.#files[0];
  }

  get last(): MappedFile | undefined {
    return this.#files.at(-1);
  }

  /** Physical offset behind the last segment that is not a spare. */
  get endOffset(): number {
    return this.last?.endOffset ?? 0;
  }

  /** The segment that holds the byte at `offset`; undefined outside. */
  find(offset: number): MappedFile | undefined {
    const first = this.#files[0];
    if (first === undefined) return undefined;
    return this.#files[Math.floor((offset - first.startOffset) / this.#options.segmentSizeBytes)];
  }

  /** Remembers that the file was used, so that others are unmapped before it. */
  touch(file: MappedFile): void {
    file.lastUse = ++this.#useCount;
  }

  /** Maps the file where needed, off the loop, and pins it while `work` goes on. */
  async use<Result>(file: MappedFile, work: (region: MappedRegion) => Result | Promise<Result>): Promise<Result> {
    const region = await this.#pinned(file);
    try {
      return await work(region);
    } finally {
      region.unpin();
    }
  }

  async #pinned(file: MappedFile): Promise<MappedRegion> {
    for (;;) {
      this.#assertOpen();
      this.touch(file);
      const region = await file.map();
      // Others may have mapped so much meanwhile that this one had to go again.
      if (region.isClosed) continue;
      region.pin();
      this.touch(file);
      this.#limitMappings();
      return region;
    }
  }

  mapSync(file: MappedFile): MappedRegion {
    const region = file.mapSync();
    this.touch(file);
    this.#limitMappings();
    return region;
  }

  #limitMappings(): void {
    const mapped = this.#files.filter((file) => file.region !== undefined && file !== this.last);
    const excess = mapped.length + 1 - this.#options.mappedFilesMax;
    if (excess <= 0) return;
    mapped.sort((a, b) => a.lastUse - b.lastUse);
    for (const file of mapped.slice(0, excess)) this.#unmapLater(file);
  }

  /** Where the next byte that may be other than zero is, at or after a position; the file's size when there is none. */
  nextDataPosition(file: MappedFile, position: number): number {
    const { fileSystem } = this.#options;
    if (fileSystem.nextDataSync === undefined || position >= file.sizeBytes) return position;
    return fileSystem.nextDataSync(file.path, position) ?? file.sizeBytes;
  }

  /** Unmaps when the pins are gone; nobody waits for it but {@link close}. */
  #unmapLater(file: MappedFile): void {
    const closing: Promise<void> = file
      .unmap()
      .catch((error: unknown) => {
        this.#options.logger.error('store.mapped-file.unmap-failed', { path: file.path, reason: describeError(error) });
      })
      .finally(() => this.#closings.delete(closing));
    this.#closings.add(closing);
  }

  /**
   * Says where the log ends: the file there becomes the last, those behind it spares. Without a file there (a new log, or the
   * last segment is full to the byte) the next one has to be made. Spares must be empty.
   */
  setTail(endOffset: number): MappedFile | undefined {
    assert(this.#spares.length === 0, 'the tail is set once');
    const tail = this.find(endOffset);
    if (tail === undefined) {
      assert(endOffset === this.endOffset, 'the log ends at or before the end of its last segment');
      return undefined;
    }
    const behind = this.#files.splice(this.#files.indexOf(tail) + 1);
    for (const file of behind) this.#spares.push(file);
    return tail;
  }

  /** At open: reserves the blocks of every segment that is going to be written, from the one that holds the log's end on. */
  async reserveFrom(endOffset: number): Promise<void> {
    for (const file of this.#files) if (file.endOffset > endOffset) await file.reserve();
  }

  /** Starts making the next segment off the loop, unless there is one, or one is under way, or the last try failed. */
  requestNext(): void {
    if (this.#spares.length > 0 || this.#making !== undefined || this.#makingFailed || this.#isClosed) return;
    // A failure is logged and remembered by the making itself; who needs the room learns it from whenNext.
    this.#startMaking().catch(() => undefined);
  }

  /** Resolves when {@link takeNext} will deliver. Rejects with the FileSystemError; the next call tries again. */
  async whenNext(): Promise<void> {
    if (this.#spares.length > 0) return;
    this.#assertOpen();
    await this.#startMaking();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new StoreError('ERR_STORE_CLOSED', 'The log is closed; open the store again to use it.');
  }

  #startMaking(): Promise<void> {
    this.#making ??= this.#make().finally(() => (this.#making = undefined));
    return this.#making;
  }

  async #make(): Promise<void> {
    const { fileSystem, directory, segmentSizeBytes: sizeBytes, logger } = this.#options;
    const startOffset = this.endOffset;
    const path = join(directory, segmentName(startOffset));
    try {
      const region = await this.#create(path);
      // Its size too must be on disk before a segment behind it is made: only the last one may turn out unfinished after a crash.
      await region.sync(0, sizeBytes);
      await fileSystem.syncDirectory(directory);
      const file = new MappedFile({ fileSystem, path, startOffset, sizeBytes, region });
      this.touch(file);
      this.#spares.push(file);
      this.#makingFailed = false;
      this.#limitMappings();
    } catch (error) {
      this.#makingFailed = true;
      logger.warn('store.mapped-file.preallocation-failed', { path, sizeBytes, reason: describeError(error) });
      throw error;
    }
  }

  async #create(path: string): Promise<MappedRegion> {
    const { fileSystem, segmentSizeBytes: sizeBytes } = this.#options;
    try {
      return await fileSystem.openRegion(path, { sizeBytes, mode: 'create', preallocate: true });
    } catch (error) {
      // What a failed creation left behind would stop the next try. A file that was there before is somebody's data.
      if (errorCode(error) !== 'ERR_FS_EXISTS') await fileSystem.remove(path);
      throw error;
    }
  }

  /** The next segment, mapped, now the last one; undefined when it is not there yet. */
  takeNext(): MappedFile | undefined {
    const next = this.#spares.shift();
    if (next === undefined) return undefined;
    assert(next.startOffset === this.endOffset || this.#files.length === 0, 'segments are contiguous');
    next.mapSync();
    this.#files.push(next);
    this.touch(next);
    return next;
  }

  /** Removes the oldest segment from the disk at once; its mapping goes when the last pin is gone. Never the last one. */
  async removeFirst(): Promise<void> {
    assert(this.#files.length > 1, 'the last segment is never removed');
    const file = this.#files.shift() as MappedFile;
    file.markDeleted();
    this.#unmapLater(file);
    await this.#options.fileSystem.remove(file.path);
    // One at a time on disk too: after a crash the segments that are left must be contiguous.
    await this.#options.fileSystem.syncDirectory(this.#options.directory);
  }

  /** For recovery: takes the last segment out of the log and keeps its file in another directory. Durable when it resolves. */
  async moveLastAway(directory: string): Promise<string> {
    const { fileSystem } = this.#options;
    const file = this.#files.pop();
    assert(file !== undefined, 'there is a segment to move away');
    await file.unmap();
    file.markDeleted();
    fileSystem.makeDirectorySync(directory);
    const name = segmentName(file.startOffset);
    let target = join(directory, name);
    for (let copy = 1; fileSystem.statusSync(target) !== undefined; copy++) target = join(directory, `${name}.${copy}`);
    fileSystem.renameSync(file.path, target);
    await fileSystem.syncDirectory(directory);
    await fileSystem.syncDirectory(this.#options.directory);
    return target;
  }

  /** Waits for the segment being made and for every pin, then unmaps everything. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#making?.catch(() => undefined);
    for (const file of [...this.#files, ...this.#spares]) this.#unmapLater(file);
    await Promise.all([...this.#closings]);
  }
}
