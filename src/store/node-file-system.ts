// The file system of a real machine: regions, batches, syncs and locks through src/native, plain things through node:fs.
// With mmap-io-file-system.ts the only file of the store that touches either.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { readdir, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Crc32 } from '../base/crc32.ts';
import { errorCode } from '../base/errors.ts';
import { crc32OfRange } from '../native/crc32.ts';
import * as native from '../native/file-tasks.ts';
import { type MappedFileRegion, openMappedFile, openMappedFileSync } from '../native/mapped-file-region.ts';
import { NativeError } from '../native/native-error.ts';
import type {
  FileLock,
  FileStatus,
  FileSystem,
  FileWrite,
  MappedRegion,
  OpenRegionOptions,
  RegionAdvice,
  SpaceInfo,
} from './file-system.ts';
import {
  closedProblem,
  type FileOperation,
  fileSystemProblem,
  lockedProblem,
  wrongSizeProblem,
} from './file-system-problems.ts';

const WRITE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const TEMPORARY_SUFFIX = '.tmp';

export class NodeFileSystem implements FileSystem {
  readonly name: string = 'native';
  readonly crc32: Crc32 = (bytes, position = 0, lengthBytes = bytes.length - position) =>
    crc32OfRange(bytes, position, lengthBytes);
  readonly limitations: readonly string[] = [];
  /** Directories that were made here and whose own entry, in the directory above, may not be on disk yet. */
  readonly #freshDirectories = new Set<string>();
  /** The last replacement of each path that is under way: two at once would share the temporary file. */
  readonly #replacements = new Map<string, Promise<void>>();

  async openRegion(path: string, options: OpenRegionOptions): Promise<MappedRegion> {
    try {
      return new NodeRegion(await openMappedFile(path, nativeOptions(options)));
    } catch (error) {
      throw openProblem(error, path, options);
    }
  }

  openRegionSync(path: string, options: OpenRegionOptions): MappedRegion {
    try {
      return new NodeRegion(openMappedFileSync(path, nativeOptions(options)));
    } catch (error) {
      throw openProblem(error, path, options);
    }
  }

  readFileSync(path: string): Buffer | undefined {
    try {
      return readFileSync(path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw asProblem(error, { doing: 'read', path });
    }
  }

  async readFileAt(path: string, position: number, lengthBytes: number): Promise<Buffer> {
    try {
      return await native.readFileAt(path, position, lengthBytes);
    } catch (error) {
      throw asProblem(error, { doing: 'read', path });
    }
  }

  readFileAtSync(path: string, position: number, lengthBytes: number): Buffer {
    return doing({ doing: 'read', path }, () =>
      withDescriptor(path, constants.O_RDONLY, (descriptor) => {
        const target = Buffer.allocUnsafeSlow(lengthBytes);
        let doneBytes = 0;
        for (let count = -1; count !== 0 && doneBytes < lengthBytes; doneBytes += count) {
          count = readSync(descriptor, target, doneBytes, lengthBytes - doneBytes, position + doneBytes);
        }
        return target.subarray(0, doneBytes);
      }),
    );
  }

  nextDataSync(path: string, position: number): number | undefined {
    return doing({ doing: 'read', path }, () => native.nextDataOf(path, position));
  }

  async writeFiles(writes: readonly FileWrite[]): Promise<void> {
    try {
      await native.writeFiles(writes);
    } catch (error) {
      const index = error instanceof NativeError ? Number(error.details['index'] ?? 0) : 0;
      const write = writes[index];
      const facts = { doing: 'write', path: write?.path ?? '', index };
      throw asProblem(error, write === undefined ? facts : { ...facts, neededBytes: write.bytes.length });
    }
  }

  replaceFile(path: string, bytes: Uint8Array): Promise<void> {
    const content = Buffer.from(bytes);
    const before = this.#replacements.get(path) ?? Promise.resolve();
    const start = (): Promise<void> => this.#replace(path, content);
    // Whether the one before failed is for its own caller to know.
    const replaced = before.then(start, start);
    this.#replacements.set(path, replaced);
    const forget = (): void => {
      if (this.#replacements.get(path) === replaced) this.#replacements.delete(path);
    };
    replaced.then(forget, forget);
    return replaced;
  }

  replaceFileSync(path: string, bytes: Uint8Array): void {
    assert(!this.#replacements.has(path), 'a file is replaced at once while it is being replaced off the loop');
    const temporary = path + TEMPORARY_SUFFIX;
    doing({ doing: 'replace', path, neededBytes: bytes.length }, () => {
      unlinkIfThere(temporary);
      withDescriptor(temporary, WRITE_NEW, (descriptor) => {
        const mode = modeOf(path);
        if (mode !== undefined) fchmodSync(descriptor, mode);
        try {
          writeWhole(descriptor, bytes);
          fsyncSync(descriptor);
        } catch (error) {
          unlinkSync(temporary);
          throw error;
        }
      });
      renameSync(temporary, path);
      for (const directory of this.#directoriesToSync(dirname(path))) syncDirectoryNow(directory);
    });
    this.#areDurable(dirname(path));
  }

  listSync(directory: string): string[] {
    try {
      return readdirSync(directory).sort();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw asProblem(error, { doing: 'list', path: directory });
    }
  }

  statusSync(path: string): FileStatus | undefined {
    try {
      const status = statSync(path);
      return { sizeBytes: status.size, modifiedMs: status.mtimeMs, isDirectory: status.isDirectory() };
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
      throw asProblem(error, { doing: 'look at', path });
    }
  }

  makeDirectorySync(directory: string): void {
    const wanted = resolve(directory);
    const first = doing({ doing: 'make the directory', path: directory }, () => mkdirSync(wanted, { recursive: true }));
    if (first === undefined) return;
    for (let made = wanted; made !== dirname(first); made = dirname(made)) this.#freshDirectories.add(made);
  }

  async remove(path: string): Promise<void> {
    try {
      await unlink(path);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw asProblem(error, { doing: 'remove', path });
    }
  }

  removeSync(path: string): void {
    doing({ doing: 'remove', path }, () => unlinkIfThere(path));
  }

  async removeTree(directory: string): Promise<void> {
    try {
      await rm(directory, { recursive: true, force: true });
    } catch (error) {
      throw asProblem(error, { doing: 'remove the tree', path: directory });
    }
  }

  renameSync(from: string, to: string): void {
    doing({ doing: `rename to ${to}`, path: from }, () => renameSync(from, to));
  }

  async syncDirectory(directory: string): Promise<void> {
    try {
      for (const each of this.#directoriesToSync(directory)) await native.syncDirectory(each);
    } catch (error) {
      throw asProblem(error, { doing: 'sync the directory', path: directory });
    }
    this.#areDurable(directory);
  }

  async syncAll(directory: string): Promise<void> {
    const covered = [...this.#freshDirectories];
    try {
      await syncEverythingBelow(directory);
    } catch (error) {
      throw asProblem(error, { doing: 'sync the file system of', path: directory });
    }
    for (const each of covered) this.#freshDirectories.delete(each);
  }

  spaceOf(directory: string): SpaceInfo {
    return doing({ doing: 'measure', path: directory }, () => {
      const { totalBytes, availableBytes } = native.fileSystemInfo(directory);
      return { totalBytes, availableBytes };
    });
  }

  lockFile(path: string, contents: string): FileLock {
    try {
      return native.lockFile(path, contents);
    } catch (error) {
      if (errorCode(error) !== 'ERR_NATIVE_LOCKED') throw asProblem(error, { doing: 'lock', path });
      throw lockedProblem(path, String((error as NativeError).details['owner']));
    }
  }

  async #replace(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = path + TEMPORARY_SUFFIX;
    try {
      await rm(temporary, { force: true });
      await writeSynced(temporary, bytes);
      const mode = modeOf(path);
      if (mode !== undefined) chmodSync(temporary, mode);
      await rename(temporary, path);
    } catch (error) {
      throw asProblem(error, { doing: 'replace', path, neededBytes: bytes.length });
    }
    await this.syncDirectory(dirname(path));
  }

  /** The directory itself, and those above it that must be synced for it to be found again. */
  #directoriesToSync(directory: string): string[] {
    const wanted = resolve(directory);
    const directories = [wanted];
    for (let at = wanted; this.#freshDirectories.has(at); at = dirname(at)) directories.push(dirname(at));
    return directories;
  }

  #areDurable(directory: string): void {
    for (let at = resolve(directory); this.#freshDirectories.delete(at); at = dirname(at));
  }
}

/** Words the addon's failures as the port wants them; misuse is an assertion. */
class NodeRegion implements MappedRegion {
  readonly path: string;
  readonly sizeBytes: number;
  readonly buffer: Buffer;
  readonly #region: MappedFileRegion;

  constructor(region: MappedFileRegion) {
    this.#region = region;
    this.path = region.path;
    this.sizeBytes = region.sizeBytes;
    this.buffer = region.buffer;
    // Read-ahead would bring in folios of up to 2 MiB, and a write of one byte makes its whole folio be written at the next sync.
    this.advise(0, region.sizeBytes, 'random');
  }

  get isClosed(): boolean {
    return this.#region.isClosed;
  }

  pin(): void {
    this.#requireOpen();
    this.#region.pin();
  }

  unpin(): void {
    try {
      this.#region.unpin();
    } catch (error) {
      assert(errorCode(error) !== 'ERR_NATIVE_NOT_PINNED', 'unpin without pin');
      throw asProblem(error, { doing: 'unpin', path: this.path });
    }
  }

  sync(position: number, lengthBytes: number): Promise<void> {
    return this.#use('sync', position, lengthBytes, () => this.#region.sync(position, lengthBytes));
  }

  populate(position: number, lengthBytes: number): Promise<void> {
    return this.#use('populate', position, lengthBytes, () => this.#region.populate(position, lengthBytes));
  }

  prepare(position: number, lengthBytes: number): Promise<void> {
    return this.#use('prepare', position, lengthBytes, () => this.#region.prepare(position, lengthBytes));
  }

  isResident(position: number, lengthBytes: number): boolean {
    this.#requireOpen();
    this.#requireRange(position, lengthBytes);
    return this.#region.isResident(position, lengthBytes);
  }

  advise(position: number, lengthBytes: number, advice: RegionAdvice): void {
    this.#requireOpen();
    this.#requireRange(position, lengthBytes);
    doing({ doing: 'advise on', path: this.path }, () => this.#region.advise(position, lengthBytes, advice));
  }

  readAt(position: number, lengthBytes: number): Promise<Buffer> {
    return this.#use('read', position, lengthBytes, () => this.#region.readAt(position, lengthBytes));
  }

  zeroRange(position: number, lengthBytes: number): Promise<void> {
    return this.#use('zero', position, lengthBytes, () => this.#region.zeroRange(position, lengthBytes));
  }

  async close(): Promise<void> {
    try {
      await this.#region.close();
    } catch (error) {
      throw asProblem(error, { doing: 'close', path: this.path });
    }
  }

  async #use<Result>(
    verb: string,
    position: number,
    lengthBytes: number,
    work: () => Promise<Result>,
  ): Promise<Result> {
    this.#requireOpen();
    this.#requireRange(position, lengthBytes);
    try {
      return await work();
    } catch (error) {
      throw asProblem(error, { doing: verb, path: this.path });
    }
  }

  #requireOpen(): void {
    if (this.#region.isClosed) throw closedProblem(this.path);
  }

  #requireRange(position: number, lengthBytes: number): void {
    assert(position >= 0 && lengthBytes >= 0, 'a range of a region must not be negative');
    assert(position + lengthBytes <= this.sizeBytes, 'a range of a region must lie inside it');
  }
}

function nativeOptions(options: OpenRegionOptions): {
  mode: 'create' | 'open';
  sizeBytes: number;
  preallocate: boolean;
} {
  const { mode, sizeBytes } = options;
  assert(sizeBytes > 0, 'a mapped file has at least one byte');
  return { mode, sizeBytes, preallocate: options.preallocate ?? mode === 'create' };
}

function openProblem(error: unknown, path: string, options: OpenRegionOptions): unknown {
  if (errorCode(error) === 'ERR_NATIVE_FILE_SIZE') {
    return wrongSizeProblem(path, options.sizeBytes, Number((error as NativeError).details['fileSizeBytes']));
  }
  return asProblem(error, { doing: options.mode, path, neededBytes: options.sizeBytes });
}

/** A kernel's error becomes a FileSystemError; anything else is a bug and stays what it is. */
export function asProblem(error: unknown, operation: FileOperation): unknown {
  const errno = errorCode(error);
  if (errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error;
  if (errno !== 'ENOSPC') return fileSystemProblem(errno, operation, error);
  return fileSystemProblem(errno, { ...operation, ...availableAt(operation.path) }, error);
}

/** For the sentence about a full disk; when even that can't be found out the sentence goes without the number. */
function availableAt(path: string): { availableBytes?: number } {
  try {
    return { availableBytes: native.fileSystemInfo(dirname(path)).availableBytes };
  } catch {
    return {};
  }
}

function doing<Result>(operation: FileOperation, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw asProblem(error, operation);
  }
}

function withDescriptor<Result>(path: string, flags: number, work: (descriptor: number) => Result): Result {
  const descriptor = openSync(path, flags, 0o644);
  try {
    return work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function writeWhole(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done, done);
}

/** Leaves nothing behind when the disk is full. */
async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await native.writeFiles([{ path, fileSizeBytes: bytes.length, position: 0, bytes }], { sync: true });
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

function syncDirectoryNow(directory: string): void {
  withDescriptor(directory, constants.O_RDONLY, (descriptor) => fsyncSync(descriptor));
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** Permission bits of a file that is to be replaced, so that its replacement has the same. */
function modeOf(path: string): number | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? undefined : status.mode & 0o777;
}

/** One call where the kernel has one (Linux); elsewhere file by file. */
async function syncEverythingBelow(directory: string): Promise<void> {
  try {
    await native.syncFileSystem(directory);
  } catch (error) {
    if (errorCode(error) !== 'ENOTSUP') throw error;
    await syncEachBelow(directory);
  }
}

async function syncEachBelow(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncEachBelow(path);
    else if (entry.isFile()) await native.syncDirectory(path);
  }
  await native.syncDirectory(directory);
}
