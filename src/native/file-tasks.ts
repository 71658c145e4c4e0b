// Work on files that are not mapped, off the event loop and off libuv's pool; and the lock that says who owns a directory.
import { statfsSync } from 'node:fs';

import { nativeAddon } from './load-addon.ts';
import { NativeError, nativeError } from './native-error.ts';

/** One write of a batch. */
export interface FileWriteEntry {
  readonly path: string;
  /** The file is made when missing, and extended (sparse) when it is smaller than this. */
  readonly fileSizeBytes: number;
  readonly position: number;
  /** Copied before the call returns. */
  readonly bytes: Uint8Array;
}

/** A write of a batch that failed. */
export interface FileWriteFailure {
  readonly index: number;
  readonly error: NativeError;
}

export interface WriteFilesOptions {
  /** Sync each file too. Default false. */
  readonly sync?: boolean;
}

/**
 * Writes many small pieces in one visit to a thread, in order. Symbolic links are refused (ELOOP).
 * All entries are tried. When some failed it rejects with the error of the first of them, `details.index` naming it and
 * `details.failures` listing all ({@link FileWriteFailure}).
 */
export async function writeFiles(entries: readonly FileWriteEntry[], options: WriteFilesOptions = {}): Promise<void> {
  if (entries.length === 0) return;
  const numbers = new Float64Array(entries.length * 3);
  let paths = '';
  let totalBytes = 0;
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index] as FileWriteEntry;
    numbers[index * 3] = entry.fileSizeBytes;
    numbers[index * 3 + 1] = entry.position;
    numbers[index * 3 + 2] = entry.bytes.length;
    if (entry.path === '' || entry.path.includes('\0')) throw badEntry(index, entry.path);
    paths += `${entry.path}\0`;
    totalBytes += entry.bytes.length;
  }
  const bytes = Buffer.allocUnsafeSlow(totalBytes);
  let offset = 0;
  for (const entry of entries) {
    bytes.set(entry.bytes, offset);
    offset += entry.bytes.length;
  }
  try {
    const failed = await nativeAddon.writeFiles(paths, numbers, bytes, options.sync === true ? 1 : 0);
    if (failed !== null) throw batchError(entries, failed);
  } catch (error) {
    throw error instanceof NativeError ? error : nativeError(error, 'write', `${entries.length} files`);
  }
}

function badEntry(index: number, path: string): NativeError {
  return new NativeError('ERR_NATIVE_ARGUMENT', `can't write ${JSON.stringify(path)}: it is no path`, { path, index });
}

// `failed` holds index and error of each failure in turn.
function batchError(entries: readonly FileWriteEntry[], failed: readonly (number | Error)[]): NativeError {
  const failures: FileWriteFailure[] = [];
  for (let place = 0; place < failed.length; place += 2) {
    const index = failed[place] as number;
    failures.push({ index, error: nativeError(failed[place + 1], 'write', entries[index]?.path ?? '') });
  }
  const first = failures[0] as FileWriteFailure;
  return new NativeError(first.error.code, first.error.message, {
    ...first.error.details,
    index: first.index,
    failures,
  });
}

/** Reads off the event loop. Fewer bytes when the file ends earlier; rejects with 'ENOENT' when there is none. */
export async function readFileAt(path: string, position: number, lengthBytes: number): Promise<Buffer> {
  if (!Number.isSafeInteger(position) || position < 0 || !Number.isSafeInteger(lengthBytes) || lengthBytes < 0) {
    const message = `can't read ${path}: position ${position} and length ${lengthBytes} must be whole and not negative`;
    throw new NativeError('ERR_NATIVE_RANGE', message, { path, position, lengthBytes });
  }
  try {
    const target = Buffer.allocUnsafeSlow(lengthBytes);
    const count = await nativeAddon.readFileAt(path, position, lengthBytes, target);
    return count === lengthBytes ? target : target.subarray(0, count);
  } catch (error) {
    throw nativeError(error, 'read', path);
  }
}

/** Where the next byte that is not in a hole is, at or after a position; undefined when only a hole is left. At once. */
export function nextDataOf(path: string, position: number): number | undefined {
  try {
    const found = nativeAddon.nextData(path, position);
    return found < 0 ? undefined : found;
  } catch (error) {
    throw nativeError(error, 'read', path);
  }
}

/** Makes creations, renames and removals in the directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await nativeAddon.syncPath(path, 0);
  } catch (error) {
    throw nativeError(error, 'sync', path);
  }
}

/**
 * Makes everything written to the file system that holds `path` durable (syncfs). Rejects with 'ENOTSUP' on macOS, where
 * the caller has to sync file by file.
 */
export async function syncFileSystem(path: string): Promise<void> {
  try {
    await nativeAddon.syncPath(path, 1);
  } catch (error) {
    throw nativeError(error, 'sync the file system of', path);
  }
}

export interface FileSystemInfo {
  readonly totalBytes: number;
  /** What an ordinary user may still take. */
  readonly availableBytes: number;
  /** `f_type` of statfs, such as 0xef53 for ext4. */
  readonly typeNumber: number;
}

/** Node's own statfs: one quick call that needs nothing native. Throws a NativeError with the errno name. */
export function fileSystemInfo(path: string): FileSystemInfo {
  try {
    const status = statfsSync(path);
    return {
      totalBytes: status.blocks * status.bsize,
      availableBytes: status.bavail * status.bsize,
      typeNumber: status.type,
    };
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : Number.NaN;
    throw nativeError(Object.assign(new Error('statfs'), { errno: -errno, syscall: 'statfs' }), 'look at', path);
  }
}

/** Held until released, or until the environment or the process ends. */
export interface FileLock {
  readonly path: string;
  /** Twice is the same as once. The file stays. */
  release(): void;
}

/**
 * Takes the lock of `path` (made when missing) without waiting and writes `contents` into it. Keeps out others that use
 * flock and, on Linux, others that use record locks (Java's FileChannel). Throws 'ERR_NATIVE_LOCKED' when somebody has
 * it, with what they wrote in `details.owner`.
 */
export function lockFile(path: string, contents: string): FileLock {
  const lock = tryLock(path, contents);
  if (typeof lock === 'string') {
    const message = `${path} is locked by another owner (${lock === '' ? 'which left no name' : lock.trim()}); stop that one first`;
    throw new NativeError('ERR_NATIVE_LOCKED', message, { path, owner: lock });
  }
  let held = true;
  return {
    path,
    release() {
      if (!held) return;
      held = false;
      nativeAddon.unlockFile(lock);
    },
  };
}

function tryLock(path: string, contents: string): number | string {
  try {
    return nativeAddon.lockFile(path, contents);
  } catch (error) {
    throw nativeError(error, 'lock', path);
  }
}
