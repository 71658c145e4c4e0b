// Walks a whole log, also a damaged one: after a bad record it goes on at the next good one, wherever that is.

import { crc32 } from '../../base/crc32.ts';
import { RecordChecker, type ScannedPlace } from '../commit-log/log-scan.ts';
import {
  BLANK_SIZE_BYTES,
  MAGIC_CODE_BLANK,
  MAGIC_CODE_POSITION,
  MAGIC_CODE_V1,
  MAGIC_CODE_V2,
} from '../commit-log/message-layout.ts';
import type { FileSystem } from '../file-system.ts';
import { firstDataAt } from './directory-access.ts';
import { type LogFiles, type LogSegment, RECORD_SIZE_BYTES_MAX, SegmentWindow } from './log-files.ts';

export type LogItem =
  /** `place` and the window are reused: valid until the next item. `place.position` is in `buffer`. */
  | { readonly kind: 'record'; readonly buffer: Buffer; readonly place: ScannedPlace; readonly segment: LogSegment }
  | { readonly kind: 'blank'; readonly offset: number; readonly sizeBytes: number; readonly segment: LogSegment }
  | DamagedRange
  | LogEnd;

/** Good records (or the blank one at a segment's end) come before and behind it. */
export interface DamagedRange {
  readonly kind: 'damage';
  readonly from: number;
  /** Not included. */
  readonly to: number;
  readonly reason: string;
  /** 'missing': a whole segment is not there. 'unfinished': nothing but zeros to the segment's end, where a blank should be. */
  readonly form: 'bytes' | 'missing' | 'unfinished';
  /** The file in which it begins; for 'missing' the one that is not there. */
  readonly path: string;
  readonly position: number;
}

/** The last item. */
export interface LogEnd {
  readonly kind: 'end';
  /** Behind the last good record. */
  readonly offset: number;
  /** Why no good record begins there. */
  readonly reason: string;
  /** Physical offset of the first byte behind the end that is not zero; undefined when all is zero. */
  readonly dataAt: number | undefined;
}

/** What lies between two good things, until it is known what comes behind it. */
interface Trouble {
  readonly segment: LogSegment;
  readonly from: number;
  readonly reason: string;
  readonly form: 'bytes' | 'missing' | 'unfinished';
}

/** `from`: where a record begins, or anywhere in the log: then the first good record at or behind it is the first item. */
export function* walkLog(fileSystem: FileSystem, files: LogFiles, from?: number): Generator<LogItem, void, undefined> {
  yield* new LogWalk(fileSystem, files).run(from);
}

class LogWalk {
  readonly #fileSystem: FileSystem;
  readonly #files: LogFiles;
  readonly #checker = new RecordChecker({ crc32, checkCrc: true, durableOffset: undefined });
  /** Where the next item should begin. */
  #offset = 0;
  #troubles: Trouble[] = [];
  #dataAt: number | undefined;

  constructor(fileSystem: FileSystem, files: LogFiles) {
    this.#fileSystem = fileSystem;
    this.#files = files;
  }

  *run(from: number | undefined): Generator<LogItem, void, undefined> {
    const { segments, segmentSizeBytes, directory } = this.#files;
    const first = segments[0]?.startOffset ?? 0;
    this.#offset = first;
    for (const segment of segments) {
      if (segmentSizeBytes === 0 || (from !== undefined && segment.startOffset + segmentSizeBytes <= from)) continue;
      if (this.#offset < segment.startOffset && this.#offset !== first) {
        const missing = {
          ...segment,
          path: `${directory}/${String(this.#offset).padStart(20, '0')}`,
          startOffset: this.#offset,
        };
        this.#troubled(missing, this.#offset, 'the segment is missing', 'missing');
      }
      const start = Math.max(segment.startOffset, from ?? 0);
      this.#offset = start;
      yield* this.#segment(segment, start - segment.startOffset, start !== segment.startOffset);
      this.#offset = segment.startOffset + segmentSizeBytes;
    }
    const open = this.#troubles[0];
    const end = open?.from ?? this.#offset;
    yield { kind: 'end', offset: end, reason: open?.reason ?? 'the last segment is full', dataAt: this.#dataAt };
  }

  *#segment(segment: LogSegment, start: number, isSearching: boolean): Generator<LogItem, void, undefined> {
    const { segmentSizeBytes } = this.#files;
    const window = new SegmentWindow(this.#fileSystem, segment, segmentSizeBytes);
    let position = start;
    if (isSearching)
      position = this.#isGoodAt(window, segment, start)
        ? start
        : (this.#nextGood(window, segment, start + 1) ?? window.limit);
    while (position < segmentSizeBytes) {
      const found = position < window.limit ? this.#look(window, segment, position) : 'the file ends here';
      if (found === 'record') {
        yield* this.#flush(segment.startOffset + position);
        const { place } = this.#checker;
        yield { kind: 'record', buffer: window.buffer, place, segment };
        position += place.shape.sizeBytes;
      } else if (found === 'blank') {
        yield* this.#flush(segment.startOffset + position);
        yield {
          kind: 'blank',
          offset: segment.startOffset + position,
          sizeBytes: segmentSizeBytes - position,
          segment,
        };
        return;
      } else {
        const next = this.#trouble(window, segment, position, found);
        if (next === undefined) return;
        position = next;
      }
    }
  }

  /** Remembers a bad place and says where the segment goes on; undefined when it does not. */
  #trouble(window: SegmentWindow, segment: LogSegment, position: number, reason: string): number | undefined {
    const { limit } = window;
    const dataAt = firstDataAt(this.#fileSystem, segment.path, position, limit);
    const isShort = limit < this.#files.segmentSizeBytes;
    const form = dataAt === undefined && !isShort ? 'unfinished' : 'bytes';
    this.#troubled(segment, segment.startOffset + position, reason, form);
    if (dataAt === undefined) return undefined;
    this.#dataAt ??= segment.startOffset + dataAt;
    return this.#nextGood(window, segment, position + 1);
  }

  #troubled(segment: LogSegment, from: number, reason: string, form: Trouble['form']): void {
    this.#troubles.push({ segment, from, reason, form });
  }

  /** Something good follows: what was in doubt before it is damage. */
  *#flush(before: number): Generator<DamagedRange, void, undefined> {
    const troubles = this.#troubles;
    if (troubles.length === 0) return;
    this.#troubles = [];
    this.#dataAt = undefined;
    for (const [index, { segment, from, reason, form }] of troubles.entries()) {
      const to = troubles[index + 1]?.from ?? before;
      yield* this.#damages({ segment, from, to, reason, form });
    }
  }

  /** One range for each segment that it touches. */
  *#damages(range: Trouble & { to: number }): Generator<DamagedRange, void, undefined> {
    const { segmentSizeBytes } = this.#files;
    const { segment, from, to, reason, form } = range;
    const position = from - segment.startOffset;
    const end = form === 'missing' ? to : Math.min(to, segment.startOffset + segmentSizeBytes);
    yield { kind: 'damage', from, to: end, reason, form, path: segment.path, position };
  }

  #isGoodAt(window: SegmentWindow, segment: LogSegment, position: number): boolean {
    const found = position < window.limit ? this.#look(window, segment, position) : '';
    return found === 'record' || found === 'blank';
  }

  /** 'record', 'blank', or why it is neither. */
  #look(window: SegmentWindow, segment: LogSegment, position: number): string {
    window.ensureRecord(position);
    const at = position - window.position;
    const { buffer } = window;
    if (buffer.length - at < BLANK_SIZE_BYTES) return 'there is no room for a record';
    if (buffer.readInt32BE(at + MAGIC_CODE_POSITION) === MAGIC_CODE_BLANK) {
      const sizeBytes = buffer.readInt32BE(at);
      const leftBytes = this.#files.segmentSizeBytes - position;
      return sizeBytes === leftBytes
        ? 'blank'
        : `a blank record says ${sizeBytes} bytes are left, but ${leftBytes} are`;
    }
    const step = this.#checker.look(buffer, segment.startOffset + window.position, at);
    if (step === 'record') {
      const { sizeBytes } = this.#checker.place.shape;
      return sizeBytes <= RECORD_SIZE_BYTES_MAX ? 'record' : `the size is ${sizeBytes}`;
    }
    if (step === 'empty') return 'nothing was written there';
    return step === 'blank' ? 'a blank record in the wrong place' : step.problem;
  }

  /** The first position at or behind `from` where something good begins. */
  #nextGood(window: SegmentWindow, segment: LogSegment, from: number): number | undefined {
    for (let position = from; position < window.limit;) {
      window.ensure(position, BLANK_SIZE_BYTES);
      const at = nextMagic(window.buffer, position - window.position);
      if (at === undefined) {
        const end = window.position + window.buffer.length;
        if (end >= window.limit) return undefined;
        position = Math.max(position + 1, end - BLANK_SIZE_BYTES + 1);
        continue;
      }
      position = window.position + at;
      if (this.#isGoodAt(window, segment, position)) return position;
      position++;
    }
    return undefined;
  }
}

const V1 = int32Bytes(MAGIC_CODE_V1);
/** The magics of both kinds of records begin alike. */
const RECORD_MAGIC = V1.subarray(0, 3);
const BLANK_MAGIC = int32Bytes(MAGIC_CODE_BLANK);

function int32Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** The first place at or behind `from` whose magic is right. */
function nextMagic(buffer: Buffer, from: number): number | undefined {
  const blank = buffer.indexOf(BLANK_MAGIC, from + MAGIC_CODE_POSITION);
  let record = buffer.indexOf(RECORD_MAGIC, from + MAGIC_CODE_POSITION);
  while (record >= 0 && !isRecordMagic(buffer, record)) record = buffer.indexOf(RECORD_MAGIC, record + 1);
  const places = [blank, record].filter((place) => place >= 0);
  return places.length === 0 ? undefined : Math.min(...places) - MAGIC_CODE_POSITION;
}

function isRecordMagic(buffer: Buffer, at: number): boolean {
  if (at + 4 > buffer.length) return false;
  const code = buffer.readInt32BE(at);
  return code === MAGIC_CODE_V1 || code === MAGIC_CODE_V2;
}
