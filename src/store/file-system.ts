// The port through which the store reaches files and memory. The store knows nothing else of the machine: a test plugs in a
// file system that crashes on purpose, an operator may plug in mmap-io.

import type { Crc32 } from '../base/crc32.ts';

/** What the kernel should expect of a range. */
export type RegionAdvice = 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed';

/**
 * One file, mapped whole, readable and writable. Its size never changes while it is mapped.
 * Owner: whoever opened it. A view handed to somebody else is covered by a pin.
 */
export interface MappedRegion {
  readonly path: string;
  readonly sizeBytes: number;
  /** The mapping. Writes are visible to readers at once and durable only after {@link sync}. Length 0 after close. */
  readonly buffer: Buffer;
  readonly isClosed: boolean;
  /** Keeps the mapping alive until the matching {@link unpin}; a close waits. */
  pin(): void;
  unpin(): void;
  /**
   * Resolves when every byte of the range that was written before the call is on disk. Runs off the event loop.
   * A rejection is final: the kernel may have dropped the pages, so the caller must not sync again and trust it.
   */
  sync(position: number, lengthBytes: number): Promise<void>;
  /** Makes the pages of the range present and writable off the event loop, so that a write there meets no page fault. */
  populate(position: number, lengthBytes: number): Promise<void>;
  /**
   * The same, three times cheaper, for a range that holds nothing but zeros: they are written again. Whoever writes to the range
   * before it has resolved may lose those bytes.
   */
  prepare(position: number, lengthBytes: number): Promise<void>;
  /** True when touching the range can't wait for the disk. Costs about a microsecond. */
  isResident(position: number, lengthBytes: number): boolean;
  advise(position: number, lengthBytes: number, advice: RegionAdvice): void;
  /** A copy of the range, read off the event loop. */
  readAt(position: number, lengthBytes: number): Promise<Buffer>;
  /** Fills the range with zeros and makes that durable. */
  zeroRange(position: number, lengthBytes: number): Promise<void>;
  /** Stops new use at once, waits for the pins, then unmaps. Twice is the same as once. */
  close(): Promise<void>;
}

export interface OpenRegionOptions {
  /** An existing file must have exactly this size; a new one gets it. */
  readonly sizeBytes: number;
  /** 'create' fails when the file exists; 'open' fails when it does not. */
  readonly mode: 'create' | 'open';
  /**
   * Reserve every block, so that a full disk is an error here and never a SIGBUS later. Default: true for 'create', false for
   * 'open', where it makes sense for a file that is to be written further and that somebody else (Apache) may have made sparse.
   */
  readonly preallocate?: boolean;
}

/** One write of a batch; see {@link FileSystem.writeFiles}. */
export interface FileWrite {
  readonly path: string;
  /** The file is created when missing, and grown (sparse) to at least this size. */
  readonly fileSizeBytes: number;
  readonly position: number;
  /** Must not change until the batch has settled. */
  readonly bytes: Uint8Array;
}

export interface FileStatus {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly isDirectory: boolean;
}

export interface SpaceInfo {
  readonly totalBytes: number;
  /** What an ordinary user may still take. */
  readonly availableBytes: number;
}

/** Held until released or until the process dies. */
export interface FileLock {
  release(): void;
}

/**
 * Files under one machine. Errors are {@link FileSystemError}s. Methods that return a promise work off the event loop; the
 * others are for opening, closing and tools, where nothing else waits.
 */
export interface FileSystem {
  /** 'native', 'mmap-io' or 'memory'. */
  readonly name: string;
  /** CRC-32 in native code, for a provider that brings it; zlib's otherwise. */
  readonly crc32?: Crc32;
  /** What this provider can't do, one sentence each, told to the operator at start. Empty for the native one. */
  readonly limitations: readonly string[];

  openRegion(path: string, options: OpenRegionOptions): Promise<MappedRegion>;
  openRegionSync(path: string, options: OpenRegionOptions): MappedRegion;

  /** undefined when there is no such file. */
  readFileSync(path: string): Buffer | undefined;
  /** Fewer bytes than asked for when the file ends earlier. Rejects with 'ENOENT' when it does not exist. */
  readFileAt(path: string, position: number, lengthBytes: number): Promise<Buffer>;
  readFileAtSync(path: string, position: number, lengthBytes: number): Buffer;
  /**
   * Where the next byte that may be other than zero is, at or after a position; undefined when the rest of the file is a hole.
   * Only some providers know; without it the bytes have to be read.
   */
  nextDataSync?(path: string, position: number): number | undefined;
  /** Writes in one hop off the loop, in order; rejects at the first failure with its index in `details.index`. Not durable. */
  writeFiles(writes: readonly FileWrite[]): Promise<void>;
  /**
   * Replaces the file as a whole: temporary file (`<path>.tmp`), sync, rename, directory sync. A reader sees the old or the new
   * bytes. Several for one path happen in the order of the calls.
   */
  replaceFile(path: string, bytes: Uint8Array): Promise<void>;
  replaceFileSync(path: string, bytes: Uint8Array): void;

  /** Names in the directory, sorted; empty when it does not exist. */
  listSync(directory: string): string[];
  statusSync(path: string): FileStatus | undefined;
  makeDirectorySync(directory: string): void;
  /** Nothing happens when the file is not there. */
  remove(path: string): Promise<void>;
  removeSync(path: string): void;
  /** Removes a directory with everything in it. */
  removeTree(directory: string): Promise<void>;
  renameSync(from: string, to: string): void;

  /** Makes creations, renames and removals in the directory durable, and the directory itself if it was made here. */
  syncDirectory(directory: string): Promise<void>;
  /** Makes everything written to the file system that holds `directory` durable. One call for any number of files. */
  syncAll(directory: string): Promise<void>;
  spaceOf(directory: string): SpaceInfo;
  /** Takes the lock or throws 'ERR_FS_LOCKED' with the other owner's contents in `details.owner`. Never waits. */
  lockFile(path: string, contents: string): FileLock;
}
