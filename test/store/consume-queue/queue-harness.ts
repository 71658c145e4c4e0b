// Opens consume queue stores over a file system in memory, with small files so that a test rolls them often.

import type { Logger } from '../../../src/base/logger.ts';
import { ConsumeQueueStore } from '../../../src/store/consume-queue/consume-queue-store.ts';
import type { ConsumeQueue, Unit, UnitBatch } from '../../../src/store/consume-queue/consume-queue.ts';
import type { FileSystem } from '../../../src/store/file-system.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';

export const DIRECTORY = '/store/consumequeue';
/** Units in one file. */
export const FILE_UNITS = 10;
export const SEGMENT_SIZE_BYTES = FILE_UNITS * 20;
export const NO_LIMIT = Number.MAX_SAFE_INTEGER;

export interface LoggedEvent {
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function memoryFileSystem(seed = 1): CrashableFileSystem {
  const fileSystem = new CrashableFileSystem({ seed });
  fileSystem.makeDirectorySync('/store');
  return fileSystem;
}

export function recordingLogger(events: LoggedEvent[]): Logger {
  const record = (event: string, fields = {}): void => void events.push({ event, fields });
  return { debug: record, info: record, warn: record, error: record };
}

export function openQueues(
  fileSystem: FileSystem,
  options: { segmentSizeBytes?: number; mappedFilesMax?: number; queueCountMax?: number; logger?: Logger } = {},
): Promise<ConsumeQueueStore> {
  return ConsumeQueueStore.open({
    fileSystem,
    directory: DIRECTORY,
    segmentSizeBytes: SEGMENT_SIZE_BYTES,
    mappedFilesMax: 3,
    queueCountMax: 1_000,
    logger: recordingLogger([]),
    ...options,
  });
}

/** The unit that the tests write at an offset of a queue: records of 100 bytes, one behind the other, from `base` on. */
export function unitFor(queueOffset: number, base = 0): Unit {
  return { physicalOffset: base + queueOffset * 100, sizeBytes: 100, tagsCode: (queueOffset % 7) - 3 };
}

export function appendUnits(queue: ConsumeQueue, from: number, end: number, base = 0): void {
  for (let offset = from; offset < end; offset++) {
    const { physicalOffset, sizeBytes, tagsCode } = unitFor(offset, base);
    queue.append(offset, physicalOffset, sizeBytes, tagsCode);
  }
}

export function unitsOf(batch: UnitBatch): Unit[] {
  return batch.physicalOffsets.map((physicalOffset, index) => ({
    physicalOffset,
    sizeBytes: batch.sizes[index] as number,
    tagsCode: batch.tagsCodes[index] as number,
  }));
}

/** Everything from an offset to the end that a reader with this limit gets, over as many reads as it takes. */
export async function readAll(queue: ConsumeQueue, from = queue.minOffset, readableLimit = NO_LIMIT): Promise<Unit[]> {
  const units: Unit[] = [];
  for (;;) {
    const batch = await queue.read(from + units.length, 64, readableLimit);
    if (batch.count === 0) return units;
    units.push(...unitsOf(batch));
  }
}
