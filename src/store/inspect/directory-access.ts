// How the tools get at a data directory: the lock that keeps a running server out, and reading without changing anything.

import { errorCode } from '../../base/errors.ts';
import type { FileLock, FileSystem } from '../file-system.ts';
import { isAllZero } from '../mapped-file/zero-check.ts';
import { StoreError } from '../store-errors.ts';
import type { StorePaths } from '../store-paths.ts';

const CHUNK_SIZE_BYTES = 256 * 1024;

/** Throws ERR_STORE_BAD_FILE when there is no store. */
export function requireStore(fileSystem: FileSystem, paths: StorePaths): void {
  const isStore = [paths.commitLog, paths.consumeQueue, paths.checkpoint, paths.config].some(
    (path) => fileSystem.statusSync(path) !== undefined,
  );
  if (isStore) return;
  throw new StoreError(
    'ERR_STORE_BAD_FILE',
    `${paths.root} is not a data directory: it has neither commitlog nor consumequeue, checkpoint or config; name the directory ` +
      'that was given as --data or storePathRootDir.',
    { directory: paths.root },
  );
}

/** Throws ERR_STORE_LOCKED, naming the owner. */
export function lockDirectory(fileSystem: FileSystem, paths: StorePaths, ownerText: string): FileLock {
  try {
    return fileSystem.lockFile(paths.lock, ownerText);
  } catch (error) {
    if (errorCode(error) !== 'ERR_FS_LOCKED') throw error;
    const told = (error as StoreError).details['owner'];
    const owner = typeof told === 'string' ? told.trim() : '';
    const who = /^\d+$/.test(owner) ? `process ${owner}` : 'another process';
    throw new StoreError(
      'ERR_STORE_LOCKED',
      `The data directory ${paths.root} is in use by ${who}; stop it first, or look at a copy of the directory.`,
      { directory: paths.root, owner },
      { cause: error },
    );
  }
}

/** Position of the first byte that is not zero in [from, end of the file); undefined when there is none. Skips holes. */
export function firstDataAt(fileSystem: FileSystem, path: string, from: number, end: number): number | undefined {
  for (let position = from; position < end;) {
    const dataAt = fileSystem.nextDataSync === undefined ? position : fileSystem.nextDataSync(path, position);
    if (dataAt === undefined || dataAt >= end) return undefined;
    position = Math.max(position, dataAt);
    const bytes = fileSystem.readFileAtSync(path, position, Math.min(CHUNK_SIZE_BYTES, end - position));
    if (bytes.length === 0) return undefined;
    if (!isAllZero(bytes, 0, bytes.length)) return position + bytes.findIndex((byte) => byte !== 0);
    position += bytes.length;
  }
  return undefined;
}

export interface SizedFile {
  readonly startBytes: number;
  readonly sizeBytes: number;
}

/**
 * The size that the files of a directory were made with, as most of them and the steps between their names say: a directory of
 * Apache's has its own settings. undefined when there are no files.
 */
export function commonFileSize(groups: Iterable<readonly SizedFile[]>): number | undefined {
  const votes = new Map<number, number>();
  const vote = (sizeBytes: number): void => void votes.set(sizeBytes, (votes.get(sizeBytes) ?? 0) + 1);
  for (const files of groups) {
    for (const [index, file] of files.entries()) {
      if (file.sizeBytes > 0) vote(file.sizeBytes);
      const before = files[index - 1];
      if (before !== undefined) vote(file.startBytes - before.startBytes);
    }
  }
  let best: number | undefined;
  for (const [sizeBytes, count] of votes) {
    const bestCount = best === undefined ? 0 : (votes.get(best) ?? 0);
    if (best === undefined || count > bestCount || (count === bestCount && sizeBytes > best)) best = sizeBytes;
  }
  return best;
}
