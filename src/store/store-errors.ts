// What can go wrong in the store, as a closed list of codes.

import { CometError } from '../base/errors.ts';

export type FileSystemErrorCode =
  | 'ERR_FS_NO_SPACE'
  | 'ERR_FS_LOCKED'
  | 'ERR_FS_WRONG_SIZE'
  | 'ERR_FS_EXISTS'
  | 'ERR_FS_NOT_FOUND'
  | 'ERR_FS_CLOSED'
  | 'ERR_FS_CANNOT_PREALLOCATE'
  | 'ERR_FS_IO';

/** A file operation failed. `details` has `path` and, where the kernel said one, `errno` (such as 'EIO'). */
export class FileSystemError extends CometError<FileSystemErrorCode> {
  override readonly name = 'FileSystemError';
}

export type StoreErrorCode =
  | 'ERR_STORE_LOCKED'
  | 'ERR_STORE_CLOSED'
  | 'ERR_STORE_FENCED'
  | 'ERR_STORE_NO_SPACE'
  | 'ERR_STORE_BAD_FILE'
  | 'ERR_STORE_BAD_CONFIG'
  | 'ERR_STORE_INVALID_ARGUMENT'
  | 'ERR_STORE_OVERLOADED';

/** The store can't do what was asked, and trying again unchanged will not help. */
export class StoreError extends CometError<StoreErrorCode> {
  override readonly name = 'StoreError';
}

/**
 * Bytes that were known to be durable are not what was written. The store does not open until an operator decides
 * (`cometmq store repair`). `details`: path, position (bytes in the file), physicalOffset where there is one, reason.
 */
export class CorruptionError extends CometError<'ERR_STORE_CORRUPT'> {
  override readonly name = 'CorruptionError';

  constructor(message: string, details: Record<string, unknown>, options?: ErrorOptions) {
    super('ERR_STORE_CORRUPT', message, details, options);
  }
}
