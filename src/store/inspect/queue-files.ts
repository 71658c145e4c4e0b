// The consume queues of a directory as files, read in blocks that are kept for a while: a walk over the log asks for the units of
// many queues in turn, and each queue's in order. Nothing is mapped and nothing is changed.

import { QUEUE_ID_MAX, topicNameProblem } from '../../model/names.ts';
import {
  dataViewOf,
  isPreBlank,
  isValidUnit,
  parseFileName,
  physicalOffsetAt,
  sizeBytesAt,
  type Unit,
  UNIT_SIZE_BYTES,
  unitAtPosition,
} from '../consume-queue/consume-queue-layout.ts';
import type { FileSystem } from '../file-system.ts';
import { commonFileSize, firstDataAt } from './directory-access.ts';

export interface QueueFile {
  readonly path: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
}

export interface QueueDirectory {
  readonly topic: string;
  readonly queueId: number;
  readonly path: string;
  readonly files: readonly QueueFile[];
  readonly strangers: readonly string[];
}

export interface QueueListing {
  readonly queues: readonly QueueDirectory[];
  /** Paths of entries that are no queue's. */
  readonly strangers: readonly string[];
  /** What a file should have, as most of them say; 0 when there are none. */
  readonly fileSizeBytes: number;
}

export function listQueues(fileSystem: FileSystem, directory: string, fileSizeBytes?: number): QueueListing {
  const queues: QueueDirectory[] = [];
  const strangers: string[] = [];
  for (const topic of fileSystem.listSync(directory)) {
    const topicPath = `${directory}/${topic}`;
    if (topicNameProblem(topic) !== undefined || fileSystem.statusSync(topicPath)?.isDirectory !== true) {
      strangers.push(topicPath);
      continue;
    }
    for (const name of fileSystem.listSync(topicPath)) {
      const queueId = /^(0|[1-9][0-9]{0,4})$/.test(name) ? Number(name) : Number.NaN;
      const path = `${topicPath}/${name}`;
      if (!(queueId <= QUEUE_ID_MAX)) strangers.push(path);
      else queues.push({ topic, queueId, path, ...listFiles(fileSystem, path) });
    }
  }
  queues.sort((a, b) => (a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1));
  const size = fileSizeBytes ?? commonFileSize(queues.map((queue) => queue.files)) ?? 0;
  return { queues, strangers, fileSizeBytes: size };
}

function listFiles(fileSystem: FileSystem, path: string): { files: QueueFile[]; strangers: string[] } {
  const files: QueueFile[] = [];
  const strangers: string[] = [];
  for (const name of fileSystem.listSync(path)) {
    const startBytes = parseFileName(name);
    const filePath = `${path}/${name}`;
    const sizeBytes = fileSystem.statusSync(filePath)?.sizeBytes ?? 0;
    if (startBytes === undefined) strangers.push(filePath);
    else files.push({ path: filePath, startBytes, sizeBytes });
  }
  return { files: files.sort((a, b) => a.startBytes - b.startBytes), strangers };
}

const BLOCK_UNITS = 256;
const BLOCK_SIZE_BYTES = BLOCK_UNITS * UNIT_SIZE_BYTES;
/** Blocks kept, 80 MiB in all. */
const BLOCKS_MAX = 16_384;

/** Reads units by queue offset, whatever they are. */
export class UnitReader {
  readonly #fileSystem: FileSystem;
  readonly #fileSizeBytes: number;
  /** By file and block, the first read first. */
  readonly #blocks = new Map<string, DataView>();

  constructor(fileSystem: FileSystem, fileSizeBytes: number) {
    this.#fileSystem = fileSystem;
    this.#fileSizeBytes = fileSizeBytes;
  }

  /** undefined when no file reaches there, or where nothing was written. */
  unitAt(queue: QueueDirectory, queueOffset: number): Unit | undefined {
    const at = queueOffset * UNIT_SIZE_BYTES;
    const first = queue.files[0];
    if (first === undefined || this.#fileSizeBytes === 0) return undefined;
    // With no file missing the place is known; else the files have to be searched.
    const guess = queue.files[Math.floor((at - first.startBytes) / this.#fileSizeBytes)];
    const holds = (file: QueueFile | undefined): file is QueueFile =>
      file !== undefined && file.startBytes <= at && at + UNIT_SIZE_BYTES <= file.startBytes + file.sizeBytes;
    const file = holds(guess) ? guess : queue.files.find(holds);
    if (file === undefined) return undefined;
    const position = at - file.startBytes;
    const block = this.#block(file, Math.floor(position / BLOCK_SIZE_BYTES));
    const unit = unitAtPosition(block, position % BLOCK_SIZE_BYTES);
    return isWritten(unit) ? unit : undefined;
  }

  #block(file: QueueFile, index: number): DataView {
    const key = `${file.path}:${index}`;
    const known = this.#blocks.get(key);
    if (known !== undefined) return known;
    const position = index * BLOCK_SIZE_BYTES;
    const wholeUnits = Math.floor((file.sizeBytes - position) / UNIT_SIZE_BYTES);
    const lengthBytes = Math.min(BLOCK_UNITS, wholeUnits) * UNIT_SIZE_BYTES;
    const block = dataViewOf(this.#fileSystem.readFileAtSync(file.path, position, lengthBytes));
    if (this.#blocks.size >= BLOCKS_MAX) {
      const oldest = this.#blocks.keys().next();
      if (oldest.done !== true) this.#blocks.delete(oldest.value);
    }
    this.#blocks.set(key, block);
    return block;
  }
}

const isWritten = (unit: Unit): boolean => unit.physicalOffset !== 0 || unit.sizeBytes !== 0 || unit.tagsCode !== 0;

export type UnitItem =
  | { readonly kind: 'unit' | 'bad'; readonly queueOffset: number; readonly unit: Unit; readonly file: QueueFile }
  /** Fills the file below the queue's first offset. */
  | { readonly kind: 'pre-blank'; readonly queueOffset: number; readonly file: QueueFile }
  /** Behind the last unit; `dataAt` is the position of the first byte that is not zero, if any is. The next file may go on. */
  | {
      readonly kind: 'end';
      readonly queueOffset: number;
      readonly file: QueueFile;
      readonly dataAt: number | undefined;
    };

const WALK_BLOCK_BYTES = 3_200 * UNIT_SIZE_BYTES;

/** All units of a queue in order. A file that ends early is followed by an 'end'; what comes behind one is still walked. */
export function* walkQueue(fileSystem: FileSystem, queue: QueueDirectory): Generator<UnitItem, void, undefined> {
  for (const file of queue.files) yield* walkFile(fileSystem, file);
}

function* walkFile(fileSystem: FileSystem, file: QueueFile): Generator<UnitItem, void, undefined> {
  const end = file.sizeBytes - (file.sizeBytes % UNIT_SIZE_BYTES);
  for (let start = 0; start < end; start += WALK_BLOCK_BYTES) {
    const bytes = fileSystem.readFileAtSync(file.path, start, Math.min(WALK_BLOCK_BYTES, end - start));
    const view = dataViewOf(bytes);
    for (let at = 0; at + UNIT_SIZE_BYTES <= bytes.length; at += UNIT_SIZE_BYTES) {
      const physicalOffset = physicalOffsetAt(view, at);
      const sizeBytes = sizeBytesAt(view, at);
      const queueOffset = (file.startBytes + start + at) / UNIT_SIZE_BYTES;
      if (isPreBlank(physicalOffset, sizeBytes)) {
        yield { kind: 'pre-blank', queueOffset, file };
        continue;
      }
      const unit = unitAtPosition(view, at);
      if (isWritten(unit)) {
        yield { kind: isValidUnit(physicalOffset, sizeBytes) ? 'unit' : 'bad', queueOffset, unit, file };
        continue;
      }
      const dataAt = firstDataAt(fileSystem, file.path, start + at, file.sizeBytes);
      yield { kind: 'end', queueOffset, file, dataAt };
      if (dataAt === undefined) return;
      const skipped = Math.floor((dataAt - start - at) / UNIT_SIZE_BYTES) - 1;
      if (skipped > 0) {
        // On with the unit that holds the data, in a new block.
        start = dataAt - (dataAt % UNIT_SIZE_BYTES) - WALK_BLOCK_BYTES;
        break;
      }
    }
  }
}

export interface QueueRange {
  /** The first unit that stands for a record. */
  readonly minOffset: number;
  /** Behind the last one. */
  readonly maxOffset: number;
  readonly firstUnit: Unit | undefined;
  readonly lastUnit: Unit | undefined;
}

/** By halving, as at open: for totals, where a damaged queue may give wrong numbers. */
export function rangeOf(reader: UnitReader, queue: QueueDirectory): QueueRange {
  const first = queue.files[0];
  const last = queue.files.at(-1);
  if (first === undefined || last === undefined) {
    return { minOffset: 0, maxOffset: 0, firstUnit: undefined, lastUnit: undefined };
  }
  const low = first.startBytes / UNIT_SIZE_BYTES;
  const high = Math.floor((last.startBytes + last.sizeBytes) / UNIT_SIZE_BYTES);
  const maxOffset = firstNot(
    (unit) => unit !== undefined,
    low,
    high,
    (offset) => reader.unitAt(queue, offset),
  );
  const isBlank = (unit: Unit | undefined): boolean =>
    unit !== undefined && isPreBlank(unit.physicalOffset, unit.sizeBytes);
  const minOffset = firstNot(isBlank, low, maxOffset, (offset) => reader.unitAt(queue, offset));
  return {
    minOffset,
    maxOffset,
    firstUnit: minOffset < maxOffset ? reader.unitAt(queue, minOffset) : undefined,
    lastUnit: minOffset < maxOffset ? reader.unitAt(queue, maxOffset - 1) : undefined,
  };
}

function firstNot<Value>(
  wanted: (value: Value) => boolean,
  low: number,
  high: number,
  valueAt: (offset: number) => Value,
): number {
  let from = low;
  let to = high;
  while (from < to) {
    const middle = from + Math.floor((to - from) / 2);
    if (wanted(valueAt(middle))) from = middle + 1;
    else to = middle;
  }
  return from;
}
