// Finds messages by key, unique key or tag. Key hashes are taken when a message is appended and wait in memory; they go to the
// mapped file in batches. The next file is made ahead, off the loop, because reserving 400 MB takes its time.

import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { MessageSysFlag } from '../../model/sys-flag.ts';
import type { StoredProperties } from '../dispatch/stored-properties.ts';
import type { FileSystem } from '../file-system.ts';
import { MappedFileCache } from '../mapped-file/mapped-file-cache.ts';
import { openIndexDirectory, type SealedIndexFile } from './index-directory.ts';
import { IndexFile } from './index-file.ts';
import { type IndexType, keyHashOf, MessageKeyHashes } from './index-key-hash.ts';
import {
  fileSizeOf,
  FIRST_INDEX,
  HEADER_SIZE_BYTES,
  indexFileName,
  type IndexGeometry,
  type IndexHeader,
  madeAheadHeader,
} from './index-layout.ts';
import { findInFile, type IndexBytes, type IndexLookup } from './index-query.ts';
import { trimIndexFile } from './index-recovery.ts';
import { PendingEntries } from './pending-entries.ts';

export type { IndexType } from './index-key-hash.ts';

/** Entries that wait before a batch is written. */
const BATCH_COUNT = 256;
/** When so many entries wait, the file that they wait for can't be made; see {@link IndexService.isOverloaded}. */
const PENDING_COUNT_MAX = 200_000;
/** The next file is made when less than this share of the entries is left. */
const AHEAD_SHARE = 1 / 16;
const RETRY_DELAY_MS = 1_000;

export interface IndexServiceOptions extends IndexGeometry {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** Sealed files mapped for queries at one time, besides the one that is written. */
  readonly mappedFilesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the index needs to know of a record; a DispatchRequest is one. */
export interface IndexRequest {
  readonly topic: string;
  readonly physicalOffset: number;
  readonly storeTimestampMs: number;
  readonly sysFlag: number;
  readonly properties: string;
}

export interface IndexQueryOptions {
  readonly countMax: number;
  /** Both included. An entry knows whole seconds from its file's begin, so a message counts up to 999 ms too early. */
  readonly beginMs: number;
  readonly endMs: number;
  /** 'T' looks for a tag; all others for a key or a unique key. */
  readonly indexType?: IndexType;
}

/** Hashes matched, so the caller compares the records' keys. */
export interface IndexQueryResult {
  /** The newest first. */
  readonly physicalOffsets: number[];
  readonly indexLastUpdateTimestamp: number;
  readonly indexLastUpdatePhyoffset: number;
}

/** Owner: the message store. */
export class IndexService {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #geometry: IndexGeometry;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #cache: MappedFileCache;
  readonly #keys = new MessageKeyHashes();
  readonly #pending = new PendingEntries();
  /** Files that are not written now, the oldest first. The last one may have room: it is taken up again when it is needed. */
  readonly #sealed: SealedIndexFile[];
  #active: IndexFile | undefined;
  /** Made ahead. */
  #next: IndexFile | undefined;
  #preparing: Promise<void> | undefined;
  #isRetryScheduled = false;
  readonly #sealing = new Set<Promise<void>>();
  #failure: Error | undefined;
  #problem: Error | undefined;
  #dispatchedOffset: number;
  #rebuildFrom: number | undefined;
  #isClosed = false;

  private constructor(options: IndexServiceOptions, sealed: SealedIndexFile[], rebuildFrom: number | undefined) {
    const { fileSystem, directory, hashSlotCount, entryCountMax, mappedFilesMax } = options;
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#geometry = { hashSlotCount, entryCountMax };
    this.#clock = options.clock;
    this.#logger = options.logger;
    const fileSizeBytes = fileSizeOf(this.#geometry);
    this.#cache = new MappedFileCache({ fileSystem, fileSizeBytes, filesMax: mappedFilesMax });
    this.#sealed = sealed;
    this.#dispatchedOffset = sealed.at(-1)?.header.endPhyOffset ?? -1;
    this.#rebuildFrom = rebuildFrom;
  }

  /** Reads the files' headers; maps nothing. Throws FileSystemErrors. */
  static open(options: IndexServiceOptions): Promise<IndexService> {
    assert(options.hashSlotCount >= 1, 'an index file has at least one slot');
    assert(options.entryCountMax >= 2, 'an index file has room for an entry besides the unused first');
    const geometry = { hashSlotCount: options.hashSlotCount, entryCountMax: options.entryCountMax };
    const { fileSystem, directory, logger } = options;
    const { files, rebuildFrom } = openIndexDirectory({ fileSystem, directory, geometry, logger });
    return Promise.resolve(new IndexService(options, files, rebuildFrom));
  }

  /**
   * Set when files were lost or could not be right: records that begin at or above this physical offset (or at the log's
   * beginning, if that is above it) must be dispatched again.
   */
  get rebuildFrom(): number | undefined {
    return this.#rebuildFrom;
  }

  /** Entries that are in no file yet. */
  get pendingCount(): number {
    return this.#pending.count;
  }

  /** True when entries wait in such numbers that writes should be refused; {@link problem} says why. */
  get isOverloaded(): boolean {
    return this.#pending.count >= PENDING_COUNT_MAX;
  }

  /** Why no file can be made (a full disk), until it can. */
  get problem(): Error | undefined {
    return this.#failure ?? this.#problem;
  }

  /**
   * Entries of every record that begins at or below are in the files or pending; -1 when there is none. Such records are ignored
   * by {@link add}, so records may be dispatched again from anywhere.
   */
  get dispatchedOffset(): number {
    return this.#dispatchedOffset;
  }

  /**
   * Store time at which the newest full file ends; 0 when none is full. After an unclean stop Apache deletes the files that end later
   * than the time in the checkpoint and (messageIndexSafe) fills the index again from that time on: named in the middle of a file,
   * the entries before it would be lost.
   */
  get fullUntilMs(): number {
    return (
      this.#sealed.findLast(({ header }) => header.indexCount >= this.#geometry.entryCountMax)?.header.endTimestampMs ??
      0
    );
  }

  get fileCount(): number {
    return this.#sealed.length + (this.#active === undefined ? 0 : 1);
  }

  /** Takes the keys of a record, in the order of the log. No I/O but for writes to mapped memory, now and then. */
  add(request: IndexRequest): void {
    if (!this.#takes(request)) return;
    this.#keys.take(request.topic, request.properties);
    this.#addKeys(request);
  }

  /** The same, from the bytes of the record. */
  addStored(record: Omit<IndexRequest, 'properties'>, properties: StoredProperties): void {
    if (!this.#takes(record)) return;
    this.#keys.takeStored(record.topic, properties);
    this.#addKeys(record);
  }

  #takes({ physicalOffset, sysFlag }: { readonly physicalOffset: number; readonly sysFlag: number }): boolean {
    if (physicalOffset <= this.#dispatchedOffset) return false;
    return (sysFlag & MessageSysFlag.TRANSACTION_MASK) !== MessageSysFlag.TRANSACTION_ROLLBACK;
  }

  #addKeys({ physicalOffset, storeTimestampMs }: Omit<IndexRequest, 'properties'>): void {
    const keys = this.#keys;
    for (let index = 0; index < keys.count; index++) {
      this.#pending.add(keys.hashes[index] as number, physicalOffset, storeTimestampMs);
    }
    if (keys.count > 0) this.#dispatchedOffset = physicalOffset;
    if (this.#pending.count >= BATCH_COUNT) this.#writeBatch();
  }

  #writeBatch(): void {
    this.#drain();
    if (this.#pending.count > 0 && !this.#isRetryScheduled) this.#prepareInBackground();
  }

  /**
   * Writes everything that is pending at the call into the mapped files: at once, or when a file for it is there. Rejects with
   * the FileSystemError that keeps a file from being made (entries stay pending) or made a sync fail (fatal).
   */
  flushPending(): void | Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#drain();
    if (this.#pending.count > 0) return this.#prepare().then(() => this.flushPending());
  }

  #drain(): void {
    while (this.#pending.count > 0) {
      if (this.#active === undefined || this.#active.isFull) {
        if (this.#next === undefined) return;
        this.#roll(this.#next);
      }
      const file = this.#active;
      assert(file !== undefined, 'after a roll there is a file');
      this.#pending.take(file.roomCount, (keyHash, physicalOffset, storeTimestampMs) => {
        file.put(keyHash, physicalOffset, storeTimestampMs);
      });
      file.writeHeader();
      if (file.roomCount < this.#geometry.entryCountMax * AHEAD_SHARE) this.#prepareInBackground();
    }
  }

  /** The next file becomes the active one; the full one is synced and unmapped. */
  #roll(next: IndexFile): void {
    const full = this.#active;
    if (full !== undefined) {
      this.#sealed.push({ name: full.name, header: full.header });
      const sealing = this.#seal(full).finally(() => this.#sealing.delete(sealing));
      this.#sealing.add(sealing);
    }
    const previous = this.#sealed.at(-1);
    if (previous !== undefined) next.continueAfter(previous.header);
    this.#active = next;
    this.#next = undefined;
    this.#logger.info('store.index.rolled', { file: next.name });
  }

  async #seal(file: IndexFile): Promise<void> {
    try {
      await file.region.sync(0, file.region.sizeBytes);
      await file.region.close();
    } catch (error) {
      // What the kernel dropped is unknown: nobody may build on this file, so every later flush fails with this error.
      this.#failure ??= error as Error;
      this.#logger.error('store.index.sync-failed', { file: file.name, reason: describeError(error) });
    }
  }

  #prepareInBackground(): void {
    if (this.#next !== undefined || this.#preparing !== undefined || this.#isRetryScheduled || this.#isClosed) return;
    this.#prepare().then(
      () => this.#drain(),
      (error: unknown) => {
        this.#logger.warn('store.index.no-file', { directory: this.#directory, reason: describeError(error) });
        this.#isRetryScheduled = true;
        this.#clock.schedule(RETRY_DELAY_MS, () => {
          this.#isRetryScheduled = false;
          if (this.#pending.count > 0) this.#prepareInBackground();
        });
      },
    );
  }

  /** Resolves when there is a file with room, or one to roll to. */
  #prepare(): Promise<void> {
    this.#preparing ??= this.#prepareNow().finally(() => (this.#preparing = undefined));
    return this.#preparing;
  }

  async #prepareNow(): Promise<void> {
    if (this.#next !== undefined) return;
    try {
      const last = this.#sealed.at(-1);
      if (this.#active === undefined && last !== undefined && last.header.indexCount < this.#geometry.entryCountMax) {
        this.#active = await this.#openFile(last.name);
        this.#sealed.pop();
      } else {
        const newest = this.#active?.name ?? last?.name;
        this.#next = await this.#makeFile(indexFileName(this.#clock.nowMs(), newest));
      }
      this.#problem = undefined;
    } catch (error) {
      this.#problem = error as Error;
      throw error;
    }
  }

  async #openFile(name: string): Promise<IndexFile> {
    const geometry = this.#geometry;
    const region = await this.#fileSystem.openRegion(this.#path(name), {
      sizeBytes: fileSizeOf(geometry),
      mode: 'open',
      preallocate: true,
    });
    try {
      const file = new IndexFile({ name, region, geometry, logger: this.#logger });
      await file.prepare();
      return file;
    } catch (error) {
      await region.close();
      throw error;
    }
  }

  /** Leaves nothing behind when it fails. A file with no header must not be seen: it gets its header in the hop that makes it. */
  async #makeFile(name: string): Promise<IndexFile> {
    const path = this.#path(name);
    const fileSizeBytes = fileSizeOf(this.#geometry);
    let file: IndexFile | undefined;
    try {
      await this.#fileSystem.writeFiles([{ path, fileSizeBytes, position: 0, bytes: madeAheadHeader() }]);
      file = await this.#openFile(name);
      await file.region.sync(0, HEADER_SIZE_BYTES);
      return file;
    } catch (error) {
      await file?.region.close();
      await this.#fileSystem.remove(path);
      throw error;
    }
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }

  /** Makes every entry that is pending or written at the call durable. Rejects with a FileSystemError, which is final. */
  async sync(): Promise<void> {
    await this.flushPending();
    await this.#active?.sync();
    await Promise.all(this.#sealing);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * After open, when the store was not closed cleanly: takes back the entries of records that begin at or above `trustedOffset`
   * and puts right what a crash left of the files. Resolves with the offset from which records have to be dispatched again:
   * `trustedOffset`, or less when entries below it are missing. Not durable; doing it again changes nothing.
   */
  async trim(trustedOffset: number): Promise<number> {
    assert(this.#active === undefined, 'an index is trimmed before anything is added');
    assert(this.#pending.count === 0, 'an index is trimmed before anything is added');
    let completeUpTo = trustedOffset;
    for (let last = this.#sealed.pop(); last !== undefined; last = this.#sealed.pop()) {
      const trimmed = await this.#trimFile(last, trustedOffset);
      if (trimmed.header.indexCount > FIRST_INDEX) {
        this.#sealed.push({ name: last.name, header: trimmed.header });
        // A file after this one is begun only when this one is full, so those before are older than what is trusted: intact.
        completeUpTo = Math.min(completeUpTo, trimmed.completeUpTo);
        break;
      }
      if (last.header.beginPhyOffset < trustedOffset) completeUpTo = this.#sealed.at(-1)?.header.endPhyOffset ?? 0;
      await this.#fileSystem.remove(this.#path(last.name));
    }
    this.#dispatchedOffset = this.#sealed.at(-1)?.header.endPhyOffset ?? -1;
    return Math.max(0, Math.min(completeUpTo, trustedOffset));
  }

  async #trimFile(
    file: SealedIndexFile,
    trustedOffset: number,
  ): Promise<{ header: IndexHeader; completeUpTo: number }> {
    const geometry = this.#geometry;
    const region = await this.#fileSystem.openRegion(this.#path(file.name), {
      sizeBytes: fileSizeOf(geometry),
      mode: 'open',
    });
    try {
      const trimmed = await trimIndexFile(region, geometry, trustedOffset);
      if (trimmed.wasChanged)
        this.#logger.info('store.index.repaired', { file: file.name, entries: trimmed.header.indexCount - 1 });
      return trimmed;
    } finally {
      await region.close();
    }
  }

  /**
   * Physical offsets of records that carry a key (or one of the same hash), from what is in the files: call
   * {@link flushPending} first. Cold pages are read off the loop. Rejects with a FileSystemError.
   * Source: IndexService.queryOffset (order, time rules).
   */
  async query(topic: string, key: string, options: IndexQueryOptions): Promise<IndexQueryResult> {
    const { countMax, beginMs, endMs, indexType } = options;
    const lookup: IndexLookup = { keyHash: keyHashOf(topic, key, indexType), countMax, beginMs, endMs };
    const newest = this.#active?.header ?? this.#sealed.at(-1)?.header;
    const physicalOffsets: number[] = [];
    for (const file of this.#filesNewestFirst()) {
      const { header } = file;
      if (physicalOffsets.length >= countMax) break;
      if (header.indexCount === FIRST_INDEX) continue;
      const overlaps = beginMs <= header.endTimestampMs && endMs >= header.beginTimestampMs;
      if (overlaps) await this.#findIn(file, lookup, physicalOffsets);
      if (header.beginTimestampMs < beginMs) break;
    }
    return {
      physicalOffsets,
      indexLastUpdateTimestamp: newest?.endTimestampMs ?? 0,
      indexLastUpdatePhyoffset: newest?.endPhyOffset ?? 0,
    };
  }

  #filesNewestFirst(): readonly SealedIndexFile[] {
    const files = [...this.#sealed].reverse();
    const active = this.#active;
    return active === undefined ? files : [{ name: active.name, header: active.header }, ...files];
  }

  async #findIn(file: SealedIndexFile, lookup: IndexLookup, found: number[]): Promise<void> {
    const { header, name } = file;
    try {
      const bytes = this.#bytesOf(name);
      await findInFile({ bytes, header, geometry: this.#geometry, lookup, found, clock: this.#clock });
    } catch (error) {
      // Retention may remove a file while it is being searched; its records are gone then too.
      if (this.#isKnown(name)) throw error;
    }
  }

  #isKnown(name: string): boolean {
    return this.#active?.name === name || this.#sealed.some((file) => file.name === name);
  }

  #bytesOf(name: string): IndexBytes {
    const path = this.#path(name);
    return {
      peek: (position, lengthBytes) => this.#cache.peek(path, position, lengthBytes),
      load: (position, lengthBytes) => this.#cache.load(path, position, lengthBytes),
    };
  }

  /** Removes files whose records all begin below `minPhysicalOffset`; the newest file stays. Resolves with their number. */
  async deleteExpired(minPhysicalOffset: number): Promise<number> {
    let fileCount = 0;
    for (;;) {
      const oldest = this.#sealed[0];
      const isNewest = this.#sealed.length === 1 && this.#active === undefined;
      if (oldest === undefined || isNewest || oldest.header.endPhyOffset >= minPhysicalOffset) return fileCount;
      this.#sealed.shift();
      await this.#cache.forget(this.#path(oldest.name));
      await this.#fileSystem.remove(this.#path(oldest.name));
      fileCount++;
    }
  }

  /** Unmaps everything, after the work under way. What is pending is not written: call {@link flushPending} first. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#preparing?.catch(() => undefined);
    await Promise.all(this.#sealing);
    await this.#active?.region.close();
    await this.#cache.close();
    if (this.#next === undefined) return;
    // Made ahead and not used: Apache would take an empty file for the newest state of the index.
    await this.#next.region.close();
    await this.#fileSystem.remove(this.#path(this.#next.name));
  }
}
