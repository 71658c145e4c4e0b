// Takes back what a crash left of a queue above the point up to which everything is known to be on disk. Any subset of the pages
// beyond it may have survived. A unit left behind there would be taken for a real one as soon as the queue has grown up to it,
// by Apache for good; so the rest of the last file is made zeros, and files behind it are removed.

import type { FileSystem, FileWrite } from '../file-system.ts';
import type { MappedFileCache } from '../mapped-file/mapped-file-cache.ts';
import { EMPTY_EXTENT, type ConsumeQueue, type QueueExtent } from './consume-queue.ts';
import { isPreBlank, isValidUnit, UNIT_SIZE_BYTES, type Unit } from './consume-queue-layout.ts';
import { QueueFiles } from './consume-queue-recovery.ts';

const BLOCK_SIZE_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(BLOCK_SIZE_BYTES);

export interface TrimSurroundings {
  readonly fileSystem: FileSystem;
  readonly files: MappedFileCache;
  readonly fileUnits: number;
}

/** Keeps the units whose records end at or below `trustedOffset`. Nothing of the queue may be pending. Not durable. */
export async function trimQueue(shared: TrimSurroundings, queue: ConsumeQueue, trustedOffset: number): Promise<void> {
  const { firstFileOffset, filesEndOffset, minOffset } = queue.extent;
  if (firstFileOffset === undefined) return;
  const files = new QueueFiles(shared.fileSystem, queue.directory, shared.fileUnits);
  // The wanted units are a prefix even when the pages behind them are a mixture: whatever is there ends above the trusted offset.
  const isTrusted = (unit: Unit): boolean =>
    isPreBlank(unit.physicalOffset, unit.sizeBytes) ||
    (isValidUnit(unit.physicalOffset, unit.sizeBytes) && unit.physicalOffset + unit.sizeBytes <= trustedOffset);
  const maxOffset = files.firstNot(isTrusted, firstFileOffset, filesEndOffset);
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

/** Makes every byte of a file from a position on zero; writes only where something else is. */
async function clearFrom(shared: TrimSurroundings, path: string, position: number): Promise<void> {
  const { fileSystem, fileUnits } = shared;
  const fileSizeBytes = fileUnits * UNIT_SIZE_BYTES;
  const writes: FileWrite[] = [];
  for (let at = position; at < fileSizeBytes;) {
    const dataAt = fileSystem.nextDataSync === undefined ? at : fileSystem.nextDataSync(path, at);
    if (dataAt === undefined) break;
    const lengthBytes = Math.min(BLOCK_SIZE_BYTES, fileSizeBytes - dataAt);
    const bytes = await fileSystem.readFileAt(path, dataAt, lengthBytes);
    const zeros = ZEROS.subarray(0, lengthBytes);
    if (!bytes.equals(zeros.subarray(0, bytes.length)))
      writes.push({ path, fileSizeBytes, position: dataAt, bytes: zeros });
    at = dataAt + lengthBytes;
  }
  if (writes.length > 0) await fileSystem.writeFiles(writes);
}
