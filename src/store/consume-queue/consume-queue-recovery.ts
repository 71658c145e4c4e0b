// What a queue's files hold: found by halving, because valid units are a prefix and the rest of the last file is zeros. A file
// that can't be right (its size, its place, a gap before it) is removed with everything behind it: the queue is a view, and the
// answer names the log offset from which records have to be dispatched again.

import { assert } from '../../base/assert.ts';
import type { Logger } from '../../base/logger.ts';
import type { FileSystem } from '../file-system.ts';
import { EMPTY_EXTENT, type QueueExtent } from './consume-queue.ts';
import {
  dataViewOf,
  fileNameOf,
  isPreBlank,
  isValidUnit,
  parseFileName,
  UNIT_SIZE_BYTES,
  unitAtPosition,
  type Unit,
} from './consume-queue-layout.ts';

/** Units read at a time: nearly a page. */
const BLOCK_UNITS = 204;

export interface QueueOnDisk {
  readonly extent: QueueExtent;
  /** Records that begin at or above have to be dispatched again; undefined when nothing is missing. */
  readonly rebuildFrom: number | undefined;
}

/** One queue's files, for opening and trimming. `fileUnits` is the number of units in a file. */
export class QueueFiles {
  readonly #fileSystem: FileSystem;
  readonly directory: string;
  readonly #fileUnits: number;

  constructor(fileSystem: FileSystem, directory: string, fileUnits: number) {
    this.#fileSystem = fileSystem;
    this.directory = directory;
    this.#fileUnits = fileUnits;
  }

  path(startOffset: number): string {
    return `${this.directory}/${fileNameOf(startOffset * UNIT_SIZE_BYTES)}`;
  }

  /** The unit at an offset of the existing files, whatever its bytes are. */
  unitAt(queueOffset: number): Unit {
    const startOffset = queueOffset - (queueOffset % this.#fileUnits);
    const position = (queueOffset - startOffset) * UNIT_SIZE_BYTES;
    const bytes = this.#fileSystem.readFileAtSync(this.path(startOffset), position, UNIT_SIZE_BYTES);
    assert(bytes.length === UNIT_SIZE_BYTES, 'a queue file became shorter while it was read');
    return unitAtPosition(dataViewOf(bytes), 0);
  }

  /** The first offset in [low, high) whose unit is not `wanted`, or `high`. Wanted units must come before all others. */
  firstNot(wanted: (unit: Unit) => boolean, low: number, high: number): number {
    // A queue of few units is answered by one read.
    const head = this.#countInBlock(wanted, low, Math.min(BLOCK_UNITS, high - low));
    if (head < Math.min(BLOCK_UNITS, high - low)) return low + head;
    let from = low + head;
    let to = high;
    while (to - from > BLOCK_UNITS) {
      const middle = from + Math.floor((to - from) / 2);
      if (wanted(this.unitAt(middle))) from = middle + 1;
      else to = middle;
    }
    return from + this.#countInBlock(wanted, from, to - from);
  }

  /**
   * The same for units that a crash may have torn: a unit that lies on two pages, of which only the second reached the disk, looks
   * like one of a record near the beginning of the log. It shows by coming after units of later records, or after none at all.
   */
  firstNotInOrder(wanted: (unit: Unit) => boolean, low: number, high: number): number {
    const found = this.firstNot(wanted, low, high);
    if (found - low < 2) return found;
    const last = inOrder(wanted);
    if (last(this.unitAt(found - 2)) && last(this.unitAt(found - 1))) return found;
    const next = inOrder(wanted);
    for (let offset = low; offset < high;) {
      const unitCount = Math.min(BLOCK_UNITS, high - offset);
      const count = this.#countInBlock(next, offset, unitCount);
      offset += count;
      if (count < unitCount) return offset;
    }
    return high;
  }

  /** How many of the next units are wanted, up to the first that is not. */
  #countInBlock(wanted: (unit: Unit) => boolean, fromOffset: number, unitCount: number): number {
    let count = 0;
    while (count < unitCount) {
      const offset = fromOffset + count;
      const startOffset = offset - (offset % this.#fileUnits);
      const inFile = Math.min(unitCount - count, startOffset + this.#fileUnits - offset);
      const position = (offset - startOffset) * UNIT_SIZE_BYTES;
      const bytes = this.#fileSystem.readFileAtSync(this.path(startOffset), position, inFile * UNIT_SIZE_BYTES);
      assert(bytes.length === inFile * UNIT_SIZE_BYTES, 'a queue file became shorter while it was read');
      const view = dataViewOf(bytes);
      for (let index = 0; index < inFile; index++) {
        if (!wanted(unitAtPosition(view, index * UNIT_SIZE_BYTES))) return count + index;
      }
      count += inFile;
    }
    return count;
  }

  /** What units in [firstFileOffset, maxOffset) make of the queue. */
  extentOf(firstFileOffset: number, filesEndOffset: number, maxOffset: number): QueueExtent {
    const blankEnd = Math.min(maxOffset, firstFileOffset + this.#fileUnits);
    const isBlank = (unit: Unit): boolean => isPreBlank(unit.physicalOffset, unit.sizeBytes);
    const minOffset = this.firstNot(isBlank, firstFileOffset, blankEnd);
    if (minOffset >= maxOffset) {
      return { ...EMPTY_EXTENT, firstFileOffset, filesEndOffset, minOffset: maxOffset, maxOffset };
    }
    const last = this.unitAt(maxOffset - 1);
    return {
      firstFileOffset,
      filesEndOffset,
      minOffset,
      maxOffset,
      minPhysicalOffset: this.unitAt(minOffset).physicalOffset,
      lastRecordEnd: last.physicalOffset + last.sizeBytes,
    };
  }
}

/** Asked for unit after unit: is it wanted, and of a record behind the ones before? */
function inOrder(wanted: (unit: Unit) => boolean): (unit: Unit) => boolean {
  let endOffset = 0;
  return (unit) => {
    if (!wanted(unit)) return false;
    if (isPreBlank(unit.physicalOffset, unit.sizeBytes)) return true;
    if (unit.physicalOffset < endOffset) return false;
    endOffset = unit.physicalOffset + unit.sizeBytes;
    return true;
  };
}

const isUnit = (unit: Unit): boolean => isValidUnit(unit.physicalOffset, unit.sizeBytes);

/** Reads a few blocks of one queue's directory. Files that can't be right are removed. Throws FileSystemErrors. */
export function openQueue(options: {
  fileSystem: FileSystem;
  directory: string;
  fileUnits: number;
  logger: Logger;
  /** Where the log begins: units below are of no use. */
  minPhysicalOffset: number;
}): QueueOnDisk {
  const { fileSystem, directory, fileUnits, logger } = options;
  const found = withoutExpired(options, listFiles(options));
  const damage = firstDamage(options, found);
  const first = found[0];
  if (damage !== undefined || first === undefined) {
    logger.warn('store.consume-queue.damaged', { directory, ...(damage ?? { reason: 'it has no files' }) });
    return removeAll(fileSystem, directory, found);
  }
  const files = new QueueFiles(fileSystem, directory, fileUnits);
  let filesEndOffset = first.startOffset + found.length * fileUnits;
  let rebuild = false;
  // A file is begun only when the one before is full.
  if (found.length > 1 && !isUnit(files.unitAt(filesEndOffset - fileUnits - 1))) {
    filesEndOffset -= fileUnits;
    const file = files.path(filesEndOffset);
    logger.warn('store.consume-queue.damaged', { directory, file, reason: 'the file before it is not full' });
    fileSystem.removeSync(file);
    rebuild = true;
  }
  const maxOffset = files.firstNot(isUnit, filesEndOffset - fileUnits, filesEndOffset);
  if (maxOffset === first.startOffset) {
    logger.warn('store.consume-queue.damaged', { directory, file: first.name, reason: 'it has no units' });
    return removeAll(fileSystem, directory, found);
  }
  const extent = files.extentOf(first.startOffset, filesEndOffset, maxOffset);
  return { extent, rebuildFrom: rebuild ? extent.lastRecordEnd : undefined };
}

/** The whole queue is built again: what is left of it could not be continued when the log begins above it. */
function removeAll(fileSystem: FileSystem, directory: string, found: readonly FoundFile[]): QueueOnDisk {
  for (const { name } of found) fileSystem.removeSync(`${directory}/${name}`);
  return { extent: EMPTY_EXTENT, rebuildFrom: 0 };
}

interface FoundFile {
  readonly name: string;
  readonly startOffset: number;
}

function listFiles(options: { fileSystem: FileSystem; directory: string; logger: Logger }): FoundFile[] {
  const { fileSystem, directory, logger } = options;
  const files: FoundFile[] = [];
  for (const name of fileSystem.listSync(directory)) {
    const startBytes = parseFileName(name);
    if (startBytes === undefined) logger.warn('store.consume-queue.unknown-file', { directory, name });
    else files.push({ name, startOffset: startBytes / UNIT_SIZE_BYTES });
  }
  return files.sort((a, b) => a.startOffset - b.startOffset);
}

/**
 * A power cut may take back the removal of an expired file and not that of the next one: of files with a gap the last run is the
 * queue when the log does not begin before it. It knows the queue's maximum, so it must not go with what is before.
 */
function withoutExpired(
  options: { fileSystem: FileSystem; directory: string; fileUnits: number; logger: Logger; minPhysicalOffset: number },
  found: readonly FoundFile[],
): readonly FoundFile[] {
  const { fileSystem, directory, fileUnits, logger, minPhysicalOffset } = options;
  const start = found.findLastIndex((file, index) => {
    const before = found[index - 1];
    return before === undefined || before.startOffset + fileUnits !== file.startOffset;
  });
  if (start <= 0) return found;
  const run = found.slice(start);
  const first = run[0] as FoundFile;
  if (firstDamage(options, run) !== undefined) return found;
  const unit = new QueueFiles(fileSystem, directory, fileUnits).unitAt(first.startOffset);
  if (!isUnit(unit) || unit.physicalOffset > minPhysicalOffset) return found;
  for (const { name } of found.slice(0, start)) {
    logger.warn('store.consume-queue.expired-file', { directory, file: name });
    fileSystem.removeSync(`${directory}/${name}`);
  }
  return run;
}

interface Damage {
  readonly file: string;
  readonly reason: string;
}

/** The first file that can't be right, with the reason. */
function firstDamage(
  options: { fileSystem: FileSystem; directory: string; fileUnits: number },
  found: readonly FoundFile[],
): Damage | undefined {
  const { fileSystem, directory, fileUnits } = options;
  for (const [index, { name, startOffset }] of found.entries()) {
    const damage = (reason: string): Damage => ({ file: name, reason });
    if (startOffset % fileUnits !== 0) return damage('its name is not a multiple of the file size');
    const before = found[index - 1];
    if (before !== undefined && before.startOffset + fileUnits !== startOffset)
      return damage('the file before it is missing');
    const sizeBytes = fileSystem.statusSync(`${directory}/${name}`)?.sizeBytes;
    if (sizeBytes !== fileUnits * UNIT_SIZE_BYTES) return damage(`it has ${String(sizeBytes)} bytes`);
  }
  return undefined;
}
