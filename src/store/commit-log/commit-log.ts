// The log: every message of every topic in one file sequence, in the order of arrival. Appends encode straight into the mapped
// tail; reads borrow mapped memory when that can't wait for the disk. What is durable is the business of LogFlush, where the log
// ends after a crash that of commit-log-recovery. One event loop owns it (Java: CommitLog).

import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { crc32 as defaultCrc32, type Crc32 } from '../../base/crc32.ts';
import type { Logger } from '../../base/logger.ts';
import type { MessageToPut, StoredMessage } from '../../model/message.ts';
import { hasQueueEntry } from '../../model/sys-flag.ts';
import type { FileSystem } from '../file-system.ts';
import { MappedFileQueue } from '../mapped-file/mapped-file-queue.ts';
import type { MappedFile } from '../mapped-file/mapped-file.ts';
import { isAllZero } from '../mapped-file/zero-check.ts';
import { CorruptionError, StoreError } from '../store-errors.ts';
import type { PutRefused } from '../store-types.ts';
import { LogReader, type LogView } from './log-reader.ts';
import { decodeRecord, recordSizeAt, storeTimestampOf, STORE_TIMESTAMP_READ_BYTES } from './message-decoder.ts';
import { type EncodeTarget, MessageEncoder, type RecordPlace } from './message-encoder.ts';
import {
  BLANK_SIZE_BYTES,
  MAGIC_CODE_BLANK,
  MAGIC_CODE_POSITION,
  RECORD_OVERHEAD_BYTES_MAX,
  RECORD_SIZE_BYTES_MIN,
  ROOM_AFTER_RECORD_BYTES,
  TOTAL_SIZE_POSITION,
} from './message-layout.ts';
import { ASYNC_FLUSH_POLICY, PopulateAhead, type PopulatePolicy } from './populate-ahead.ts';

export type { LogView } from './log-reader.ts';

export interface CommitLogOptions {
  readonly fileSystem: FileSystem;
  /** `…/commitlog` */
  readonly directory: string;
  readonly segmentSizeBytes: number;
  readonly messageSizeBytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The newest bytes of the log that are taken to be in memory without asking the kernel. */
  readonly hotLogBytes: number;
  /** Segments mapped at one time. Default 64. */
  readonly mappedSegmentsMax?: number;
  /** Default: that of the file system, else zlib's. */
  readonly crc32?: Crc32;
  /** When and how far ahead of the writes pages are made present. Default {@link ASYNC_FLUSH_POLICY}. */
  readonly populatePolicy?: PopulatePolicy;
}

/** One segment, as retention sees it. */
export interface LogSegment {
  readonly startOffset: number;
  readonly sizeBytes: number;
  readonly path: string;
  /** Asks the file system at each use. */
  readonly lastModifiedMs: number;
}

const MAPPED_SEGMENTS_DEFAULT = 64;
/** The next segment is asked for when this share of the tail is written. */
const REQUEST_NEXT_SHARE = 0.5;
const PAGE_SIZE_BYTES = 4_096;

export class CommitLog {
  readonly #options: CommitLogOptions;
  readonly crc32: Crc32;
  readonly #files: MappedFileQueue;
  readonly #encoder: MessageEncoder;
  readonly #reader: LogReader;
  readonly #populate: PopulateAhead;
  readonly #place: RecordPlace = { position: 0, queueOffset: 0, physicalOffset: 0, storeTimestampMs: 0 };
  #tail: MappedFile | undefined;
  #target: EncodeTarget | undefined;
  /** The next byte to be written, in the tail. */
  #position = 0;
  #endOffset: number;
  #flushedOffset = 0;
  /** From this position on the next segment is asked for. */
  readonly #requestNextPosition: number;
  #isEndSet = false;

  private constructor(options: CommitLogOptions, files: MappedFileQueue) {
    const { segmentSizeBytes, messageSizeBytesMax } = options;
    assert(segmentSizeBytes > RECORD_SIZE_BYTES_MIN + ROOM_AFTER_RECORD_BYTES, 'a segment holds at least one record');
    this.#options = options;
    this.crc32 = options.crc32 ?? options.fileSystem.crc32 ?? defaultCrc32;
    this.#files = files;
    this.#endOffset = files.endOffset;
    const limits = { messageSizeBytesMax, segmentSizeBytes };
    this.#encoder = new MessageEncoder({ crc32: this.crc32, limits });
    this.#reader = new LogReader({ files, clock: options.clock, hotLogBytes: options.hotLogBytes });
    const policy = options.populatePolicy ?? ASYNC_FLUSH_POLICY;
    this.#populate = new PopulateAhead({ policy, files, logger: options.logger });
    this.#requestNextPosition = Math.floor(segmentSizeBytes * REQUEST_NEXT_SHARE);
  }

  /**
   * Finds the segments and checks their names and sizes; reads no record. Nothing may be appended before {@link setEnd}.
   * Throws StoreError 'ERR_STORE_BAD_FILE' (a wrong size) or CorruptionError (a gap).
   */
  static async open(options: CommitLogOptions): Promise<CommitLog> {
    const { fileSystem, directory, segmentSizeBytes, logger } = options;
    const mappedFilesMax = options.mappedSegmentsMax ?? MAPPED_SEGMENTS_DEFAULT;
    const files = await MappedFileQueue.open({ fileSystem, directory, segmentSizeBytes, mappedFilesMax, logger });
    return new CommitLog(options, files);
  }

  /** For recovery and for LogFlush only. */
  get files(): MappedFileQueue {
    return this.#files;
  }

  get segmentSizeBytes(): number {
    return this.#options.segmentSizeBytes;
  }

  /** The largest record that may be in the log. */
  get recordSizeBytesMax(): number {
    return this.#options.messageSizeBytesMax + RECORD_OVERHEAD_BYTES_MAX;
  }

  get logger(): Logger {
    return this.#options.logger;
  }

  /** There is a segment to append to; without one, await {@link whenRoom} first. */
  get hasTail(): boolean {
    return this.#tail !== undefined;
  }

  /** Where the first segment begins. */
  get minOffset(): number {
    return this.#files.first?.startOffset ?? this.#endOffset;
  }

  /** The next byte to be written. Until {@link setEnd}: the end of the last segment. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** Below this every byte is on disk. Only LogFlush moves it. */
  get flushedOffset(): number {
    return this.#flushedOffset;
  }

  /**
   * Once, after it was decided where the log ends: everything below is durable, everything from there on is zero. Throws
   * CorruptionError when a segment behind the end holds data.
   */
  setEnd(endOffset: number): void {
    assert(!this.#isEndSet, 'the end of the log is set once');
    this.#isEndSet = true;
    const tail = this.#files.setTail(endOffset);
    for (const spare of this.#files.spares) this.#checkEmpty(spare);
    for (const file of this.#files.files) {
      const wrote = Math.min(file.sizeBytes, endOffset - file.startOffset);
      file.setPositions(wrote, wrote, wrote);
    }
    this.#endOffset = endOffset;
    this.#flushedOffset = endOffset;
    this.#reader.endOffset = endOffset;
    this.#reader.writtenFromOffset = endOffset;
    if (tail !== undefined) this.#useTail(tail, endOffset - tail.startOffset);
    if (tail === undefined || this.#position >= this.#requestNextPosition) this.#files.requestNext();
  }

  #checkEmpty(spare: MappedFile): void {
    const region = spare.mapSync();
    if (isAllZero(region.buffer, 0, Math.min(PAGE_SIZE_BYTES, region.sizeBytes))) return;
    throw new CorruptionError(
      `${spare.path} holds data behind the end of the log; let \`cometmq store repair\` decide what to do with it`,
      { path: spare.path, position: 0, physicalOffset: spare.startOffset, reason: 'data behind the end of the log' },
    );
  }

  #useTail(tail: MappedFile, position: number): void {
    const { buffer } = this.#files.mapSync(tail);
    this.#tail = tail;
    this.#target = { buffer, view: new DataView(buffer.buffer, buffer.byteOffset, buffer.length) };
    this.#position = position;
    this.#populate.useTail(tail, position);
  }

  /** Why the message can't be stored, for its producer; undefined when it can. `isTopicKnown`: its topic has a queue already. */
  problemOf(message: MessageToPut, isTopicKnown = false): PutRefused | undefined {
    return this.#encoder.problemOf(message, isTopicKnown);
  }

  /** The same for a group: its messages must go to one queue and fit into one segment together. */
  problemOfBatch(messages: readonly MessageToPut[], isTopicKnown = false): PutRefused | undefined {
    const [first] = messages;
    if (first === undefined) return { status: 'MESSAGE_ILLEGAL', reason: 'The batch has no messages.' };
    let sizeBytesMax = 0;
    for (const message of messages) {
      const isOfTopic = message.topic === first.topic;
      const problem = this.#encoder.problemOf(message, isOfTopic && (isTopicKnown || message !== first));
      if (problem !== undefined) return problem;
      if (!hasQueueEntry(message.sysFlag)) {
        return { status: 'MESSAGE_ILLEGAL', reason: 'A batch can not hold prepared or rolled-back messages.' };
      }
      if (!isOfTopic || message.queueId !== first.queueId) {
        return { status: 'MESSAGE_ILLEGAL', reason: 'The messages of a batch must all go to one topic and queue.' };
      }
      sizeBytesMax += this.#encoder.sizeBytesMax(message);
    }
    const limit = this.#options.segmentSizeBytes - ROOM_AFTER_RECORD_BYTES;
    if (sizeBytesMax <= limit) return undefined;
    const sizeBytes = this.#sizeBytesOf(messages);
    if (sizeBytes <= limit) return undefined;
    return {
      status: 'MESSAGE_ILLEGAL',
      reason: `The batch takes ${sizeBytes} bytes in the log, one segment holds ${limit}; send a smaller batch.`,
    };
  }

  #sizeBytesOf(messages: readonly MessageToPut[]): number {
    return messages.reduce((sum, message) => sum + this.#encoder.sizeBytes(message), 0);
  }

  /**
   * Writes one message; {@link problemOf} must have found nothing. Returns the size of the record, which ends at
   * {@link endOffset}. Readers may see it at once; it is durable when `flushedOffset` passes its end. undefined: no room yet,
   * await {@link whenRoom} and try again.
   */
  append(message: MessageToPut, queueOffset: number, storeTimestampMs: number): number | undefined {
    // The bound needs no look at the properties; only near the end of a segment the exact size decides.
    if (!this.#fits(this.#encoder.sizeBytesMax(message)) && !this.#makeFit(this.#encoder.sizeBytes(message)))
      return undefined;
    const place = this.#place;
    place.position = this.#position;
    place.physicalOffset = this.#endOffset;
    place.queueOffset = queueOffset;
    place.storeTimestampMs = storeTimestampMs;
    const sizeBytes = this.#encoder.encode(this.#target as EncodeTarget, message, place);
    this.#advance(sizeBytes);
    return sizeBytes;
  }

  /**
   * Writes a group back to back into one segment, with queue offsets that count up: all of it or nothing. Returns where each
   * record begins; the last one ends at {@link endOffset}. The first record is sealed last, so a kill in between leaves none.
   */
  appendBatch(
    messages: readonly MessageToPut[],
    firstQueueOffset: number,
    storeTimestampMs: number,
  ): number[] | undefined {
    let sizeBytesMax = 0;
    for (const message of messages) sizeBytesMax += this.#encoder.sizeBytesMax(message);
    if (!this.#fits(sizeBytesMax) && !this.#makeFit(this.#sizeBytesOf(messages))) return undefined;
    const first = messages[0] as MessageToPut;
    const firstPosition = this.#position;
    const target = this.#target as EncodeTarget;
    const place = this.#place;
    place.position = firstPosition;
    place.physicalOffset = this.#endOffset;
    place.queueOffset = firstQueueOffset;
    place.storeTimestampMs = storeTimestampMs;
    const firstSizeBytes = this.#encoder.encodeUnsealed(target, first, place);
    const physicalOffsets = [place.physicalOffset];
    let sizeBytes = firstSizeBytes;
    for (let index = 1; index < messages.length; index++) {
      place.position = firstPosition + sizeBytes;
      place.physicalOffset = this.#endOffset + sizeBytes;
      place.queueOffset = firstQueueOffset + index;
      physicalOffsets.push(place.physicalOffset);
      sizeBytes += this.#encoder.encode(target, messages[index] as MessageToPut, place);
    }
    this.#encoder.seal(target, first, firstPosition, firstSizeBytes);
    this.#advance(sizeBytes);
    return physicalOffsets;
  }

  #fits(sizeBytes: number): boolean {
    const endPosition = this.#position + sizeBytes + ROOM_AFTER_RECORD_BYTES;
    return (
      this.#tail !== undefined &&
      endPosition <= this.#options.segmentSizeBytes &&
      endPosition <= this.#populate.busyFromPosition
    );
  }

  /** Rolls when the exact size does not fit either. false: pages are being prepared, or the next segment is not there yet. */
  #makeFit(sizeBytes: number): boolean {
    assert(this.#isEndSet, 'the end of the log is set before anything is appended');
    if (this.#fits(sizeBytes)) return true;
    if (this.#populate.isRunning) return false;
    const sizeBytesMax = this.#options.segmentSizeBytes - ROOM_AFTER_RECORD_BYTES;
    if (sizeBytes > sizeBytesMax) {
      throw new StoreError(
        'ERR_STORE_INVALID_ARGUMENT',
        `${sizeBytes} bytes can't be appended, one segment holds ${sizeBytesMax}; ask problemOf before appending.`,
        { sizeBytes, sizeBytesMax },
      );
    }
    return this.#roll();
  }

  #roll(): boolean {
    const next = this.#files.takeNext();
    if (next === undefined) {
      this.#files.requestNext();
      return false;
    }
    this.#writeBlank();
    this.#endOffset = next.startOffset;
    this.#reader.endOffset = this.#endOffset;
    this.#useTail(next, 0);
    return true;
  }

  /** Closes the tail: what is left of it is unused. */
  #writeBlank(): void {
    const tail = this.#tail;
    if (tail === undefined || this.#position === tail.sizeBytes) return;
    assert(tail.sizeBytes - this.#position >= BLANK_SIZE_BYTES, 'there is always room for a blank record');
    const { view } = this.#target as EncodeTarget;
    view.setInt32(this.#position + TOTAL_SIZE_POSITION, tail.sizeBytes - this.#position);
    view.setInt32(this.#position + MAGIC_CODE_POSITION, MAGIC_CODE_BLANK);
    tail.setPositions(tail.flushedPosition, tail.sizeBytes, tail.sizeBytes);
  }

  #advance(sizeBytes: number): void {
    const tail = this.#tail as MappedFile;
    const position = this.#position + sizeBytes;
    assert(
      position + ROOM_AFTER_RECORD_BYTES <= tail.sizeBytes,
      'there is room for a blank record behind every record',
    );
    tail.setPositions(tail.flushedPosition, position, position);
    this.#position = position;
    this.#endOffset += sizeBytes;
    this.#reader.endOffset = this.#endOffset;
    if (position >= this.#requestNextPosition) this.#files.requestNext();
    if (position >= this.#populate.triggerPosition) this.#populate.start(position);
  }

  /**
   * Resolves when an append that found no room will find it. Rejects with the FileSystemError of the preallocation (such as
   * 'ERR_FS_NO_SPACE'); a later call tries again.
   */
  async whenRoom(): Promise<void> {
    if (this.#populate.isRunning) return this.#populate.whenIdle();
    await this.#files.whenNext();
  }

  /** For LogFlush only: every byte below `offset` is on disk. */
  markFlushed(offset: number): void {
    assert(offset >= this.#flushedOffset, 'the flushed offset never moves back');
    assert(offset <= this.#endOffset, 'nothing is flushed before it is written');
    for (
      let file = this.#files.find(this.#flushedOffset);
      file !== undefined;
      file = this.#files.find(file.endOffset)
    ) {
      if (file.startOffset >= offset) break;
      const flushed = Math.min(offset - file.startOffset, file.wrotePosition);
      file.setPositions(flushed, file.readPosition, file.wrotePosition);
    }
    this.#flushedOffset = offset;
    this.#populate.flushed(this.#position);
  }

  isSameSegment(physicalOffset: number, otherOffset: number): boolean {
    return this.#files.find(physicalOffset) === this.#files.find(otherOffset);
  }

  /**
   * Bytes of the log, inside one segment. At once, borrowed and pinned until `release()`, when they are in memory; else a
   * promise of an owned copy that a thread reads. undefined: below the minimum, beyond the end, or removed meanwhile.
   */
  view(physicalOffset: number, sizeBytes: number): LogView | Promise<LogView | undefined> | undefined {
    return this.#reader.view(physicalOffset, sizeBytes);
  }

  /** The record that begins at the offset, as an owned copy; undefined when none does, or its body is damaged. */
  async recordAt(physicalOffset: number): Promise<StoredMessage | undefined> {
    const head = await this.view(physicalOffset, RECORD_SIZE_BYTES_MIN);
    if (head === undefined) return undefined;
    const sizeBytes = recordSizeAt(head.bytes);
    head.release();
    if (sizeBytes < RECORD_SIZE_BYTES_MIN || sizeBytes > this.recordSizeBytesMax) return undefined;
    const view = await this.view(physicalOffset, sizeBytes);
    if (view === undefined) return undefined;
    const bytes = Buffer.from(view.bytes);
    view.release();
    const record = decodeRecord(bytes, { position: 0, limit: bytes.length }, this.crc32);
    return record.kind === 'message' && record.message.physicalOffset === physicalOffset ? record.message : undefined;
  }

  /** When the record at the offset was stored; undefined when it is gone. The offset must be that of a record. */
  storeTimestampAt(physicalOffset: number, sizeBytes: number): number | Promise<number | undefined> | undefined {
    const view = this.view(physicalOffset, Math.min(sizeBytes, STORE_TIMESTAMP_READ_BYTES));
    if (view instanceof Promise) return view.then((late) => (late === undefined ? undefined : readTimestamp(late)));
    return view === undefined ? undefined : readTimestamp(view);
  }

  /** From the oldest to the one that is being written. */
  segments(): readonly LogSegment[] {
    const { fileSystem } = this.#options;
    return this.#files.files.map(({ startOffset, sizeBytes, path }) => ({
      startOffset,
      sizeBytes,
      path,
      get lastModifiedMs(): number {
        const status = fileSystem.statusSync(path);
        if (status !== undefined) return status.modifiedMs;
        throw new StoreError('ERR_STORE_BAD_FILE', `${path} has disappeared; stop the store and restore the file.`, {
          path,
        });
      },
    }));
  }

  /** Removes the oldest segment from the disk; readers keep what they hold. Never the one that is being written. */
  async deleteOldestSegment(): Promise<void> {
    await this.#files.removeFirst();
  }

  /** Waits for every view to be released, then unmaps. Syncs nothing: that is LogFlush's last act before this. */
  async close(): Promise<void> {
    this.#populate.stop();
    await this.#populate.whenIdle();
    await this.#files.close();
    this.#tail = undefined;
    this.#target = undefined;
  }
}

function readTimestamp(view: LogView): number {
  const storeTimestampMs = storeTimestampOf(view.bytes);
  view.release();
  return storeTimestampMs;
}
