// The errors of src/native: what the addon throws, worded, with the facts as fields.
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

import { CometError } from '../base/errors.ts';

/** Codes of our own. Everything else that can be met here is an errno name ('ENOSPC', 'EIO', ...). */
export type NativeErrorCode =
  | 'ERR_NATIVE_ADDON'
  | 'ERR_NATIVE_ARGUMENT'
  | 'ERR_NATIVE_CLOSED'
  | 'ERR_NATIVE_FILE_SIZE'
  | 'ERR_NATIVE_LOCKED'
  | 'ERR_NATIVE_NOT_PINNED'
  | 'ERR_NATIVE_RANGE'
  | 'ERR_NATIVE_READ_ONLY'
  | 'ERR_NATIVE_UNEXPECTED';

/** `code` is a {@link NativeErrorCode} or the name of an errno. */
export class NativeError extends CometError {
  override readonly name = 'NativeError';
}

/** What C++ puts on its errors (native/napi_check.cc). */
interface RawError extends Error {
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly fileSizeBytes?: number;
}

// What an operator can do about the errors that are his to solve.
const advice: Readonly<Record<string, string>> = {
  ENOSPC: 'free space on that file system',
  EDQUOT: 'raise the quota or free space',
  EACCES: 'check the permissions of the file and its directory',
  EPERM: 'check the permissions of the file and its directory',
  EROFS: 'the file system is mounted read-only',
  EMFILE: 'raise the limit of open files (ulimit -n)',
  ENFILE: 'raise the limit of open files (fs.file-max)',
  ENOMEM: 'raise vm.max_map_count, the limit of locked memory (ulimit -l), or the memory of the machine',
  EAGAIN: 'raise the limit of threads or of locked memory (ulimit -u, -l)',
  EIO: 'check the disk and the kernel log; what was not yet synced may be lost',
  ENOENT: 'check the path',
  EEXIST: 'remove the file or choose another path',
  ELOOP: 'replace the symbolic link with a file',
  ENOTSUP: 'this file system can not do that; use ext4 or XFS',
};

// libuv's names, in which EOPNOTSUPP and ENOTSUP are one; the system's own for what libuv doesn't know (EDQUOT).
function describeErrno(errno: number): [code: string, text: string] {
  const known = getSystemErrorMap().get(-errno);
  if (known !== undefined) return known;
  const named = Object.entries(constants.errno).find(([, number]) => number === errno);
  return [named?.[0] ?? `ERRNO_${errno}`, 'system error'];
}

/** Turns what the addon threw about `path` into a {@link NativeError}; `action` reads like "map" or "sync". */
export function nativeError(thrown: unknown, action: string, path: string): NativeError {
  if (!(thrown instanceof Error)) throw thrown;
  const raw: RawError = thrown;
  if (raw.fileSizeBytes !== undefined) {
    const message = `can't ${action} ${path}: it has ${raw.fileSizeBytes} bytes, which is not the size asked for`;
    return new NativeError('ERR_NATIVE_FILE_SIZE', message, { path, fileSizeBytes: raw.fileSizeBytes });
  }
  if (raw.errno !== undefined) {
    const [code, text] = describeErrno(raw.errno);
    const hint = advice[code];
    const message = `can't ${action} ${path}: ${text} (${code} from ${raw.syscall})${hint === undefined ? '' : `; ${hint}`}`;
    return new NativeError(code, message, { path, errno: raw.errno, syscall: raw.syscall });
  }
  if (raw.code?.startsWith('ERR_NATIVE_') === true) {
    return new NativeError(raw.code, `can't ${action} ${path}: ${raw.message}`, { path });
  }
  throw thrown;
}
