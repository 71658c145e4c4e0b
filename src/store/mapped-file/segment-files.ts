// Looks a log's directory over before anything is mapped: names, sizes, gaps.

import { join } from 'node:path';
import type { Logger } from '../../base/logger.ts';
import type { FileSystem } from '../file-system.ts';
import { CorruptionError, StoreError } from '../store-errors.ts';
import { startOffsetOf } from './segment-names.ts';
import { isAllZero } from './zero-check.ts';

const CHECKED_CHUNK_BYTES = 1024 * 1024;

export interface FoundSegment {
  readonly path: string;
  readonly startOffset: number;
}

interface Candidate extends FoundSegment {
  readonly sizeBytes: number;
}

export interface SegmentDirectory {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly segmentSizeBytes: number;
  readonly logger: Logger;
}

/** The segments in their order; makes the directory when it is missing. Errors: see MappedFileQueue.open. */
export async function findSegments(options: SegmentDirectory): Promise<FoundSegment[]> {
  const { fileSystem, directory } = options;
  fileSystem.makeDirectorySync(directory);
  const candidates = listCandidates(options);
  const last = candidates.at(-1);
  if (last !== undefined && last.sizeBytes < options.segmentSizeBytes && isEmptyFile(fileSystem, last)) {
    // The process died while it made this file: nothing can be in it yet.
    options.logger.warn('store.mapped-file.removed-unfinished', { path: last.path, sizeBytes: last.sizeBytes });
    await fileSystem.remove(last.path);
    await fileSystem.syncDirectory(directory);
    candidates.pop();
  }
  for (const candidate of candidates) checkSize(candidate, options.segmentSizeBytes);
  checkContiguous(candidates, options.segmentSizeBytes);
  return candidates;
}

function listCandidates({ fileSystem, directory, logger }: SegmentDirectory): Candidate[] {
  const candidates: Candidate[] = [];
  for (const name of fileSystem.listSync(directory)) {
    const path = join(directory, name);
    const startOffset = startOffsetOf(name);
    const status = fileSystem.statusSync(path);
    if (startOffset === undefined || status === undefined || status.isDirectory) {
      logger.warn('store.mapped-file.ignored', { path, reason: 'this is not the name of a segment (20 digits)' });
      continue;
    }
    candidates.push({ path, startOffset, sizeBytes: status.sizeBytes });
  }
  return candidates.sort((a, b) => a.startOffset - b.startOffset);
}

function isEmptyFile(fileSystem: FileSystem, file: Candidate): boolean {
  for (let position = 0; position < file.sizeBytes; position += CHECKED_CHUNK_BYTES) {
    const bytes = fileSystem.readFileAtSync(file.path, position, CHECKED_CHUNK_BYTES);
    if (!isAllZero(bytes, 0, bytes.length)) return false;
  }
  return true;
}

function checkSize({ path, sizeBytes }: Candidate, expectedBytes: number): void {
  if (sizeBytes === expectedBytes) return;
  throw new StoreError(
    'ERR_STORE_BAD_FILE',
    `${path} has ${sizeBytes} bytes where a log segment of ${expectedBytes} is expected; ` +
      'set mappedFileSizeCommitLog to the size with which the directory was made, or restore the file.',
    { path, sizeBytes, expectedBytes },
  );
}

function checkContiguous(files: readonly Candidate[], segmentSizeBytes: number): void {
  for (let index = 1; index < files.length; index++) {
    const before = files[index - 1] as Candidate;
    const file = files[index] as Candidate;
    const expectedOffset = before.startOffset + segmentSizeBytes;
    if (file.startOffset === expectedOffset) continue;
    throw new CorruptionError(
      `the log has a gap: behind ${before.path} comes ${file.path} instead of the segment at ${expectedOffset}; ` +
        'restore the missing file, or let `cometmq store repair` decide',
      { path: file.path, position: 0, physicalOffset: expectedOffset, reason: 'a segment is missing' },
    );
  }
}
