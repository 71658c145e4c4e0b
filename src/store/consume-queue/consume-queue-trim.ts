// Takes back what a crash left of a queue above the point up to which everything is known to be on disk. Any subset of the pages
// beyond it may have survived. A unit left behind there would be taken for a real one as soon as the queue has grown up to it,
// by Apache for good; so the rest of the last file is made zeros, and files behind it are removed.

import type { FileSystem, FileWrite } from '../file-system.ts';
import type { MappedFileCache } from '../mapped-file/mapped-file-cache.ts';
import { EMPTY_EXTENT, type ConsumeQueue, type QueueExtent } from './consume-queue.ts';
import { isPreBlank, isValidUnit, UNIT_SIZE_BYTES, type Unit } from './consume-queue-layout.ts';
import { QueueFiles } from './consume-queue-recovery.ts';

const PAGE_SIZE_BYTES = 4 * 1024;
const BLOCK_SIZE_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(BLOCK_SIZE_BYTES);

export interface TrimSurroundings {
  readonly fileSystem: FileSystem;
  readonly files: MappedFileCache;
  readonly fileUnits: number;
}

/** Physical offsets: units are kept of records that begin at `from` or above and end at `to` or below. */
export interface TrustedRange {
  readonly from: number;
  readonly to: number;
}

/** Keeps the units whose records are in the range. Nothing of the queue may be pending. Not durable. */
export async function trimQueue(shared: TrimSurroundings, queue: ConsumeQueue, trusted: TrustedRange): Promise<void> {
  const { firstFileOffset, filesEndOffset, minOffset } = queue.extent;
  if (firstFileOffset === undefined) return;
  const files = new QueueFiles(shared.fileSystem, queue.directory, shared.fileUnits);
  // The wanted units are a prefix even when the pages behind them are a mixture: whatever is there ends above the trusted range.
  // And so they are when the removal of an old file was lost: its units lie below the range, and the new file before it is full.
  const isTrusted = (unit: Unit): boolean =>
    isPreBlank(unit.physicalOffset, unit.sizeBytes) ||
    (isValidUnit(unit.physicalOffset, unit.sizeBytes) &&
      unit.physicalOffset >= trusted.from &&
      unit.physicalOffset + unit.sizeBytes <= trusted.to);
  const maxOffset = files.firstNotInOrder(isTrusted, firstFileOffset, filesEndOffset);
  const extent = files.extentOf(firstFileOffset, filesEndOffset, maxOffset);
  if (extent.minOffset === extent.maxOffset) {
    await removeFiles(shared, files, firstFileOffset, filesEndOffset);
    queue.reset(EMPTY_EXTENT);
    return;
  }
  const lastFileStart = queue.fileStartOf(maxOffset - 1);
  const keptEndOffset = lastFileStart + shared.fileUnits;
  await removeFiles(shared, files, keptEndOffset, filesEndOffset);
  await clearFrom(shared, files.path(lastFileStart), (maxOffset - lastFileStart) * UNIT_SIZE_BYTES);
  queue.reset({ ...withMinimum(extent, minOffset, files), filesEndOffset: keptEndOffset });
}

/** Retention may have raised the minimum above the first unit that is still in a file. */
function withMinimum(extent: QueueExtent, minOffset: number, files: QueueFiles): QueueExtent {
  if (minOffset <= extent.minOffset) return extent;
  if (minOffset >= extent.maxOffset) return { ...extent, minOffset: extent.maxOffset, minPhysicalOffset: -1 };
  return { ...extent, minOffset, minPhysicalOffset: files.unitAt(minOffset).physicalOffset };
}

async function removeFiles(shared: TrimSurroundings, files: QueueFiles, from: number, end: number): Promise<void> {
  for (let startOffset = end - shared.fileUnits; startOffset >= from; startOffset -= shared.fileUnits) {
    await shared.files.forget(files.path(startOffset));
    await shared.fileSystem.remove(files.path(startOffset));
  }
}

/**
 * Makes every byte of a file from a position on zero; writes only where something else is. Mostly that is nothing, or less than a
 * page, so it begins with the rest of a page, at once, and reads more and more, off the loop, while there is something.
 */
async function clearFrom(shared: TrimSurroundings, path: string, position: number): Promise<void> {
  const { fileSystem, fileUnits } = shared;
  const fileSizeBytes = fileUnits * UNIT_SIZE_BYTES;
  const writes: FileWrite[] = [];
  let blockSizeBytes = PAGE_SIZE_BYTES;
  for (let at = position; at < fileSizeBytes; blockSizeBytes = Math.min(BLOCK_SIZE_BYTES, blockSizeBytes * 2)) {
    const dataAt = fileSystem.nextDataSync === undefined ? at : fileSystem.nextDataSync(path, at);
    if (dataAt === undefined) break;
    const lengthBytes = Math.min(blockSizeBytes - (dataAt % PAGE_SIZE_BYTES), fileSizeBytes - dataAt);
    const bytes =
      lengthBytes <= PAGE_SIZE_BYTES
        ? fileSystem.readFileAtSync(path, dataAt, lengthBytes)
        : await fileSystem.readFileAt(path, dataAt, lengthBytes);
    const zeros = ZEROS.subarray(0, lengthBytes);
    if (!zeros.equals(bytes)) writes.push({ path, fileSizeBytes, position: dataAt, bytes: zeros });
    at = dataAt + lengthBytes;
  }
  if (writes.length > 0) await fileSystem.writeFiles(writes);
}
