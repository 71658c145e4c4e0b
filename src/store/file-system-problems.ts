// From the kernel's error names to FileSystemErrors with sentences that say what to do next. Every provider of the
// FileSystem port words its failures here, so that an operator reads the same sentence whichever one is in use.

import { FileSystemError, type FileSystemErrorCode } from './store-errors.ts';

/** What was being done when it failed. */
export interface FileOperation {
  /** A verb phrase: 'read', 'create', 'sync', 'rename'. */
  readonly doing: string;
  readonly path: string;
  /** Bytes that were asked for, where that matters. */
  readonly neededBytes?: number;
  /** Bytes that are free, where they are known. */
  readonly availableBytes?: number;
  /** Place in a batch. */
  readonly index?: number;
}

/** The error for an errno such as 'ENOSPC'. `cause` is kept. */
export function fileSystemProblem(errno: string, operation: FileOperation, cause?: unknown): FileSystemError {
  const details = { ...operation, errno };
  return new FileSystemError(
    codeOf(errno),
    sentenceOf(errno, operation),
    details,
    cause === undefined ? {} : { cause },
  );
}

function codeOf(errno: string): FileSystemErrorCode {
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return 'ERR_FS_NO_SPACE';
    case 'EEXIST':
      return 'ERR_FS_EXISTS';
    case 'ENOENT':
      return 'ERR_FS_NOT_FOUND';
    case 'EOPNOTSUPP':
    case 'ENOTSUP':
      return 'ERR_FS_CANNOT_PREALLOCATE';
    default:
      return 'ERR_FS_IO';
  }
}

function sentenceOf(errno: string, operation: FileOperation): string {
  const { doing, path } = operation;
  switch (errno) {
    case 'ENOSPC':
      return `can't ${doing} ${path}: the disk is full (${spaceFacts(operation)}); free some space there`;
    case 'EDQUOT':
      return `can't ${doing} ${path}: the disk quota is used up (${spaceFacts(operation)}); free some space or raise the quota`;
    case 'EFBIG':
      return `can't ${doing} ${path}: the file system or the process limit (ulimit -f) allows no file of that size (${spaceFacts(operation)})`;
    case 'EEXIST':
      return `can't ${doing} ${path}: it exists already; choose another name or remove it`;
    case 'ENOENT':
      return `can't ${doing} ${path}: it does not exist, or a directory above it does not`;
    case 'EOPNOTSUPP':
    case 'ENOTSUP':
      return `can't ${doing} ${path}: this file system can't reserve disk blocks ahead; put the data directory on ext4 or xfs`;
    case 'EACCES':
    case 'EPERM':
      return `can't ${doing} ${path}: permission denied; run as the owner of the data directory or correct its mode`;
    case 'EROFS':
      return `can't ${doing} ${path}: the file system is read-only; mount it writable`;
    case 'ELOOP':
      return `can't ${doing} ${path}: it is a symbolic link, which is refused; put the real file there`;
    case 'EISDIR':
      return `can't ${doing} ${path}: it is a directory, a file was expected`;
    case 'ENOTDIR':
      return `can't ${doing} ${path}: a file stands where a directory was expected`;
    case 'ENOTEMPTY':
      return `can't ${doing} ${path}: the directory is not empty`;
    case 'EMFILE':
    case 'ENFILE':
      return `can't ${doing} ${path}: no more file descriptors; raise the limit (ulimit -n)`;
    case 'ENOMEM':
      return `can't ${doing} ${path}: no memory or no more mappings; raise vm.max_map_count or lower the number of mapped files`;
    case 'EFAULT':
      return `can't ${doing} ${path}: a page of it can't be had (EFAULT): it has holes and the disk is full, or it was cut while in use`;
    case 'ENODEV':
      return `can't ${doing} ${path}: it is no ordinary file; remove it or choose another path`;
    case 'EIO':
      return `can't ${doing} ${path}: the disk reported an error (EIO); check the kernel log and the disk before starting again`;
    default:
      return `can't ${doing} ${path}: the system answered ${errno}`;
  }
}

function spaceFacts(operation: FileOperation): string {
  const needed = operation.neededBytes === undefined ? 'more bytes' : `${operation.neededBytes} bytes`;
  const available = operation.availableBytes === undefined ? '' : `, ${operation.availableBytes} available`;
  return `${needed} needed${available}`;
}

/** A file that must have one size has another. */
export function wrongSizeProblem(path: string, expectedBytes: number, actualBytes: number): FileSystemError {
  return new FileSystemError(
    'ERR_FS_WRONG_SIZE',
    `${path} has ${actualBytes} bytes where exactly ${expectedBytes} are expected; it was cut, or it was written with another file size setting`,
    { path, expectedBytes, actualBytes },
  );
}

/** Another owner holds the lock; `owner` is what it wrote into the lock file. */
export function lockedProblem(path: string, owner: string): FileSystemError {
  const who = owner.trim() === '' ? 'another process' : `another process (${owner.trim()})`;
  return new FileSystemError('ERR_FS_LOCKED', `${path} is held by ${who}; stop it or choose another data directory`, {
    path,
    owner,
  });
}

/** A region was used after its close began. */
export function closedProblem(path: string): FileSystemError {
  return new FileSystemError('ERR_FS_CLOSED', `${path} is closed; open it again before using it`, { path });
}
