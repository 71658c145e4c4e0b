// A file mapped into memory, over the addon's handle. Knows nothing of what the bytes mean.
// Lifecycle: open → (pin, unpin, ...) → close. Owner: whoever opened it. One environment (main thread or worker) only: a
// region can't be sent to another thread, which must map the file itself.
import { nativeAddon, type RegionHandle } from './load-addon.ts';
import { nativeError } from './native-error.ts';

export interface OpenMappedFileOptions {
  /** 'create' fails when there is a file, 'open' when there is none. */
  readonly mode: 'create' | 'open' | 'open-or-create';
  /** Must be the size of an existing file (unless `grow`); may be left out to take it as it is. */
  readonly sizeBytes?: number;
  /** Default 'read-write'. Writing into the buffer of a 'read-only' region ends the process (SIGSEGV). */
  readonly access?: 'read-write' | 'read-only';
  /** Gives every byte a place on the disk, so that a full disk is an error here and never a SIGBUS later. */
  readonly preallocate?: boolean;
  /** Extends a smaller existing file to `sizeBytes`. */
  readonly grow?: boolean;
}

export type MemoryAdvice = 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed';

// The numbers of native/mapped_region.h and native/region_calls.cc.
const FLAGS = { create: 1, exclusive: 2, writable: 4, preallocate: 8, grow: 16 } as const;
const JOBS = { sync: 0, populate: 1, lock: 2, unlock: 3, zero: 4, prepare: 5 } as const;
const ADVICE: Readonly<Record<MemoryAdvice, number>> = {
  normal: 0,
  random: 1,
  sequential: 2,
  willneed: 3,
  dontneed: 4,
};

/**
 * Opens (or makes) a file and maps it, off the event loop. When it fails no file of its making stays behind.
 * Rejects with a NativeError: an errno name (ENOSPC, ENOTSUP, EEXIST, ELOOP for a symbolic link, ...) or
 * 'ERR_NATIVE_FILE_SIZE'.
 */
export async function openMappedFile(path: string, options: OpenMappedFileOptions): Promise<MappedFileRegion> {
  try {
    return new MappedFileRegion(path, await nativeAddon.openRegion(path, options.sizeBytes ?? 0, flagsOf(options)));
  } catch (error) {
    throw nativeError(error, 'map', path);
  }
}

/** The same at once, for start-up and tools. Blocks the event loop. */
export function openMappedFileSync(path: string, options: OpenMappedFileOptions): MappedFileRegion {
  try {
    return new MappedFileRegion(path, nativeAddon.openRegionSync(path, options.sizeBytes ?? 0, flagsOf(options)));
  } catch (error) {
    throw nativeError(error, 'map', path);
  }
}

function flagsOf(options: OpenMappedFileOptions): number {
  return (
    (options.mode === 'open' ? 0 : FLAGS.create) |
    (options.mode === 'create' ? FLAGS.exclusive : 0) |
    (options.access === 'read-only' ? 0 : FLAGS.writable) |
    (options.preallocate === true ? FLAGS.preallocate : 0) |
    (options.grow === true ? FLAGS.grow : 0)
  );
}

/** Made by {@link openMappedFile}. Every method but `unpin` and `close` fails with 'ERR_NATIVE_CLOSED' after `close()`. */
export class MappedFileRegion {
  readonly path: string;
  readonly sizeBytes: number;
  /** The mapping itself. Becomes length 0, as do all Buffers made from it, when the region is unmapped. */
  readonly buffer: Buffer;
  readonly #handle: RegionHandle;
  #closing: Promise<void> | undefined;

  constructor(path: string, handle: RegionHandle) {
    this.path = path;
    this.#handle = handle;
    this.buffer = Buffer.from(nativeAddon.regionBuffer(handle));
    this.sizeBytes = this.buffer.length;
  }

  /** True from the call of `close()` on; the memory may still be there for those who pinned it before. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Keeps the memory mapped until the matching {@link unpin}: while a socket or another thread has a view of it. */
  pin(): void {
    try {
      nativeAddon.pinRegion(this.#handle);
    } catch (error) {
      throw nativeError(error, 'pin', this.path);
    }
  }

  unpin(): void {
    try {
      nativeAddon.unpinRegion(this.#handle);
    } catch (error) {
      throw nativeError(error, 'unpin', this.path);
    }
  }

  /**
   * Resolves when all that was written to the file before the call is on the disk (the range included; the rest comes
   * with it). Runs on threads of the addon, with the region pinned. A rejection is final: the kernel may have dropped
   * the pages, and a second sync may wrongly succeed.
   */
  sync(position: number, lengthBytes: number): Promise<void> {
    return this.#run('sync', position, lengthBytes);
  }

  /** Brings the pages in and makes them writable off the loop, so that a write there meets no page fault. */
  populate(position: number, lengthBytes: number): Promise<void> {
    return this.#run('populate', position, lengthBytes);
  }

  /**
   * Makes a range that holds zeros ready to be written: writes the zeros again, in pieces of 64 KiB, and makes the pages
   * writable. Nobody may write to the range before it resolves: those bytes would be lost. Not durable.
   */
  prepare(position: number, lengthBytes: number): Promise<void> {
    return this.#run('prepare', position, lengthBytes);
  }

  /** Keeps the pages in memory (mlock; whole pages around the range) until {@link unlockMemory} or the close. */
  lockMemory(position: number, lengthBytes: number): Promise<void> {
    return this.#run('lock', position, lengthBytes);
  }

  unlockMemory(position: number, lengthBytes: number): Promise<void> {
    return this.#run('unlock', position, lengthBytes);
  }

  /** Fills the range with zeros; they are durable when it resolves. */
  zeroRange(position: number, lengthBytes: number): Promise<void> {
    return this.#run('zero', position, lengthBytes);
  }

  /** True when every page of the range is in the page cache. About a microsecond for a few pages. */
  isResident(position: number, lengthBytes: number): boolean {
    try {
      return nativeAddon.isRegionResident(this.#handle, position, lengthBytes);
    } catch (error) {
      throw nativeError(error, 'look at', this.path);
    }
  }

  /** 'dontneed' drops clean pages from the page cache too; dirty ones stay. */
  advise(position: number, lengthBytes: number, advice: MemoryAdvice): void {
    try {
      nativeAddon.adviseRegion(this.#handle, position, lengthBytes, ADVICE[advice]);
    } catch (error) {
      throw nativeError(error, 'advise on', this.path);
    }
  }

  /** A copy of the range, read off the event loop: a page that is not in memory makes a thread wait, not the caller. */
  async readAt(position: number, lengthBytes: number): Promise<Buffer> {
    try {
      const target = this.#allocate(lengthBytes);
      const count = await nativeAddon.readRegion(this.#handle, position, lengthBytes, target);
      return count === lengthBytes ? target : target.subarray(0, count);
    } catch (error) {
      throw nativeError(error, 'read', this.path);
    }
  }

  /** Refuses new use at once, waits for pins and work in flight, then unmaps. The same promise at every call. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await nativeAddon.closeRegion(this.#handle);
    } catch (error) {
      throw nativeError(error, 'close', this.path);
    }
  }

  async #run(job: keyof typeof JOBS, position: number, lengthBytes: number): Promise<void> {
    try {
      await nativeAddon.runOnRegion(this.#handle, position, lengthBytes, JOBS[job]);
    } catch (error) {
      throw nativeError(error, job, this.path);
    }
  }

  // Not from Node's shared pool: the memory is a thread's until the read is done. A length that makes no sense is
  // refused by the addon, so no memory is taken for it.
  #allocate(lengthBytes: number): Buffer {
    return Buffer.allocUnsafeSlow(lengthBytes > 0 && lengthBytes <= this.sizeBytes ? lengthBytes : 0);
  }
}
