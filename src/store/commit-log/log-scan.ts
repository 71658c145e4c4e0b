// Walks the records of a mapped log and says where the first thing lies that is not a good record. Changes nothing. Used at open
// and by the tools; a segment is read through its mapping, in order, with a pause for others every 64 MiB.

import { assert } from '../../base/assert.ts';
import { type Crc32 } from '../../base/crc32.ts';
import { int32At, int64At } from '../../base/int32.ts';
import type { MappedRegion } from '../file-system.ts';
import type { MappedFile } from '../mapped-file/mapped-file.ts';
import { isAllZero } from '../mapped-file/zero-check.ts';
import type { CommitLog } from './commit-log.ts';
import { isBodyIntact, newRecordShape, type RecordShape, shapeProblem } from './message-decoder.ts';
import {
  BLANK_SIZE_BYTES,
  bornHostSizeBytes,
  MAGIC_CODE_BLANK,
  MAGIC_CODE_POSITION,
  PHYSICAL_OFFSET_POSITION,
  STORE_TIMESTAMP_POSITION_LESS_B,
  SYS_FLAG_POSITION,
} from './message-layout.ts';
import { TopicTable } from './topic-table.ts';

export const PROGRESS_BYTES = 64 * 1024 * 1024;
/** The smallest unit that reaches a disk or does not; a missing page of 4 KiB is eight of them. */
const SECTOR_SIZE_BYTES = 512;

export interface ScanOptions {
  readonly commitLog: CommitLog;
  /** Where a record begins. */
  readonly from: number;
  /** Stop here at the latest; default the end of the last segment. */
  readonly to?: number;
  /** Of records below this offset every byte is on disk; above, a sector that is all zero may never have got there. */
  readonly durableOffset: number | undefined;
  /** Check the body's CRC also below the durable offset. Above it is always checked. */
  readonly checkCrc: boolean;
  /** For each good record; borrowed, valid during the call. A promise is awaited. */
  readonly onRecord?: (buffer: Buffer, place: ScannedPlace) => void | Promise<void>;
  /** Every 64 MiB; a promise is awaited. */
  readonly onProgress?: (scannedOffset: number, endOffset: number) => void | Promise<void>;
}

/** One mutable object serves the whole scan. */
export interface ScannedPlace {
  position: number;
  physicalOffset: number;
  storeTimestampMs: number;
  sysFlag: number;
  shape: RecordShape;
  topic: string;
}

export interface ScanResult {
  /** Behind the last good record (and the blank one, where a segment was closed). */
  readonly stopOffset: number;
  /** 'empty': zeros, or the end of the last segment. 'bad': something that is not a good record, see `reason`. */
  readonly stop: 'empty' | 'bad' | 'limit';
  readonly reason: string;
  readonly recordCount: number;
  /** Of the last good record; 0 when there was none. */
  readonly lastStoreTimestampMs: number;
}

type Step = 'record' | 'blank' | 'empty' | { readonly problem: string };

/** Looks at one place after another in a segment. */
export class RecordChecker {
  readonly place: ScannedPlace;
  readonly #crc32: Crc32;
  readonly #checkCrc: boolean;
  readonly #durableOffset: number;
  readonly #topics = new TopicTable();
  #topic = '';
  #topicBytes = Buffer.alloc(0);

  constructor(options: { crc32: Crc32; checkCrc: boolean; durableOffset: number | undefined }) {
    this.#crc32 = options.crc32;
    this.#checkCrc = options.checkCrc;
    this.#durableOffset = options.durableOffset ?? 0;
    const numbers = { position: 0, physicalOffset: 0, storeTimestampMs: 0, sysFlag: 0 };
    this.place = { ...numbers, shape: newRecordShape(), topic: '' };
  }

  /** What lies at `position` of a segment that begins at `startOffset`. After 'record' {@link place} describes it. */
  look(buffer: Buffer, startOffset: number, position: number): Step {
    const leftBytes = buffer.length - position;
    if (leftBytes < BLANK_SIZE_BYTES) return { problem: 'there is no room for a record' };
    const magicCode = int32At(buffer, position + MAGIC_CODE_POSITION);
    if (magicCode === MAGIC_CODE_BLANK) return this.#lookAtBlank(buffer, position, leftBytes);
    if (magicCode === 0 && int32At(buffer, position) === 0) return 'empty';
    const { place } = this;
    const shapeIssue = shapeProblem(buffer, { position, limit: buffer.length }, place.shape);
    if (shapeIssue !== undefined) return { problem: shapeIssue };
    place.position = position;
    place.physicalOffset = startOffset + position;
    const problem = this.#contentProblem(buffer);
    return problem === undefined ? 'record' : { problem };
  }

  #lookAtBlank(buffer: Buffer, position: number, leftBytes: number): Step {
    const sizeBytes = int32At(buffer, position);
    if (sizeBytes === leftBytes) return 'blank';
    return { problem: `a blank record says ${sizeBytes} bytes are left, but ${leftBytes} are` };
  }

  #contentProblem(buffer: Buffer): string | undefined {
    const { place } = this;
    const { position, shape } = place;
    const physicalOffset = int64At(buffer, position + PHYSICAL_OFFSET_POSITION);
    if (physicalOffset !== place.physicalOffset) return `the record says it belongs at offset ${physicalOffset}`;
    place.sysFlag = int32At(buffer, position + SYS_FLAG_POSITION);
    const bornHost = bornHostSizeBytes(place.sysFlag);
    place.storeTimestampMs = int64At(buffer, position + STORE_TIMESTAMP_POSITION_LESS_B + bornHost);
    if (!(place.storeTimestampMs > 0)) return `the store time is ${place.storeTimestampMs}`;
    const topicProblem = this.#readTopic(buffer, shape);
    if (topicProblem !== undefined) return topicProblem;
    const mayBeTorn = place.physicalOffset + shape.sizeBytes > this.#durableOffset;
    if (mayBeTorn && lacksSector(buffer, position, shape)) return 'a disk sector of its properties is all zero';
    if ((mayBeTorn || this.#checkCrc) && !isBodyIntact(buffer, position, shape, this.#crc32)) {
      return "the body's CRC is wrong";
    }
    return undefined;
  }

  /** Most records have the topic of the one before. */
  #readTopic(buffer: Buffer, shape: RecordShape): string | undefined {
    const { topicPosition, topicLength } = shape;
    if (!holdsAt(buffer, topicPosition, topicLength, this.#topicBytes)) {
      const topic = buffer.toString('utf8', topicPosition, topicPosition + topicLength);
      const { problem } = this.#topics.find(topic);
      if (problem !== undefined) return problem;
      this.#topic = topic;
      this.#topicBytes = Buffer.from(buffer.subarray(topicPosition, topicPosition + topicLength));
    }
    this.place.topic = this.#topic;
    return undefined;
  }
}

/** A loop: for a name it takes a tenth of the time of a native comparison. */
function holdsAt(buffer: Buffer, position: number, lengthBytes: number, expected: Buffer): boolean {
  if (lengthBytes !== expected.length) return false;
  for (let index = 0; index < lengthBytes; index++) if (buffer[position + index] !== expected[index]) return false;
  return true;
}

/**
 * What never reached the disk is all zero. The header, the body (by its CRC) and the topic can't be zero in a record that passed
 * the other checks, so only sectors that begin behind the topic are looked at, and only where they hold properties.
 */
function lacksSector(buffer: Buffer, position: number, shape: RecordShape): boolean {
  const end = position + shape.sizeBytes;
  const topicEnd = shape.topicPosition + shape.topicLength;
  const first = Math.ceil(topicEnd / SECTOR_SIZE_BYTES) * SECTOR_SIZE_BYTES;
  for (let sector = first; sector < end; sector += SECTOR_SIZE_BYTES) {
    const from = Math.max(sector, shape.propertiesPosition);
    const to = Math.min(sector + SECTOR_SIZE_BYTES, end);
    if (from < to && isAllZero(buffer, from, to)) return true;
  }
  return false;
}

/** Walks from record to record until something else comes. */
export async function scanLog(options: ScanOptions): Promise<ScanResult> {
  return new LogScan(options).run();
}

class LogScan {
  readonly #options: ScanOptions;
  readonly #checker: RecordChecker;
  readonly #limit: number;
  #offset: number;
  #nextProgressOffset: number;
  #recordCount = 0;
  #lastStoreTimestampMs = 0;
  #end: { stop: ScanResult['stop']; reason: string } | undefined;

  constructor(options: ScanOptions) {
    const { commitLog, checkCrc, durableOffset } = options;
    this.#options = options;
    this.#checker = new RecordChecker({ crc32: commitLog.crc32, checkCrc, durableOffset });
    this.#limit = Math.min(options.to ?? Number.MAX_SAFE_INTEGER, commitLog.files.endOffset);
    this.#offset = options.from;
    this.#nextProgressOffset = options.from + PROGRESS_BYTES;
    assert(options.from >= commitLog.minOffset || commitLog.files.first === undefined, 'a scan begins inside the log');
  }

  async run(): Promise<ScanResult> {
    while (this.#end === undefined && this.#offset < this.#limit) {
      const file = this.#options.commitLog.files.find(this.#offset);
      assert(file !== undefined, 'a scan stays inside the segments');
      await this.#scanSegment(file);
    }
    return {
      stopOffset: this.#offset,
      ...(this.#end ?? {
        stop: this.#offset < (this.#options.to ?? Infinity) ? 'empty' : 'limit',
        reason: 'the last segment is full',
      }),
      recordCount: this.#recordCount,
      lastStoreTimestampMs: this.#lastStoreTimestampMs,
    };
  }

  async #scanSegment(file: MappedFile): Promise<void> {
    await this.#options.commitLog.files.use(file, async (region) => {
      region.advise(0, region.sizeBytes, 'sequential');
      await this.#scanRegion(region, file);
      if (!region.isClosed) region.advise(0, region.sizeBytes, 'random');
    });
  }

  async #scanRegion(region: MappedRegion, file: MappedFile): Promise<void> {
    const { onRecord, onProgress } = this.#options;
    const { buffer } = region;
    const { place } = this.#checker;
    while (this.#offset < this.#limit && this.#offset < file.endOffset) {
      const step = this.#checker.look(buffer, file.startOffset, this.#offset - file.startOffset);
      if (step === 'record') {
        this.#offset += place.shape.sizeBytes;
        this.#recordCount++;
        this.#lastStoreTimestampMs = place.storeTimestampMs;
        const waiting = onRecord?.(buffer, place);
        if (waiting !== undefined) await waiting;
      } else if (step === 'blank') {
        this.#offset = file.endOffset;
      } else {
        this.#end =
          step === 'empty'
            ? { stop: 'empty', reason: 'nothing was written there' }
            : { stop: 'bad', reason: step.problem };
        return;
      }
      if (this.#offset < this.#nextProgressOffset) continue;
      this.#nextProgressOffset += PROGRESS_BYTES;
      await onProgress?.(this.#offset, this.#limit);
    }
  }
}
