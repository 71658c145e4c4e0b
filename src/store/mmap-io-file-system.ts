// Regions over the npm package mmap-io instead of our own addon (docs/adr/0005). Everything that is not a mapping (batches,
// directories, locks) is the native provider's. What mmap-io can't do is done another way or said in `limitations`.

import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  read,
  readSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getSystemErrorName, promisify } from 'node:util';
import { assert } from '../base/assert.ts';
import { describeError } from '../base/errors.ts';
import type { MappedRegion, OpenRegionOptions, RegionAdvice } from './file-system.ts';
import { closedProblem, wrongSizeProblem } from './file-system-problems.ts';
import { NodeFileSystem, asProblem } from './node-file-system.ts';
import { FileSystemError, StoreError } from './store-errors.ts';

export const MMAP_IO_PACKAGE = '@riaskov/mmap-io';

/** What we use of the package. */
interface MmapIo {
  map(sizeBytes: number, protection: number, flags: number, descriptor: number, offset: number): Buffer;
  advise(buffer: Buffer, offset: number, lengthBytes: number, advice: number): void;
  /** Pages that are not in memory, pages that are. */
  incore(buffer: Buffer): [absent: number, present: number];
  readonly PROT_READ: number;
  readonly PROT_WRITE: number;
  readonly MAP_SHARED: number;
  readonly MADV_NORMAL: number;
  readonly MADV_RANDOM: number;
  readonly MADV_SEQUENTIAL: number;
  readonly MADV_WILLNEED: number;
  readonly MADV_DONTNEED: number;
  readonly PAGESIZE: number;
}

export interface MmapIoOptions {
  /** A folder with `node_modules` in which the package is. Default: the environment's COMETMQ_MMAP_IO, else beside CometMQ. */
  readonly installedIn?: string;
}

/** The package keeps sizes in a C int. */
const REGION_SIZE_MAX_BYTES = 2 ** 31 - 1;
const CHUNK_BYTES = 1 << 20;
const noBytes = Buffer.alloc(0);
const readChunk = promisify(read);
const writeChunk = promisify(write);
const syncData = promisify(fdatasync);

export class MmapIoFileSystem extends NodeFileSystem {
  override readonly name = 'mmap-io';
  override readonly limitations = [
    'mmap-io can not reserve disk blocks: a new segment is written full of zeros instead, which takes as long as the disk needs for its size.',
    'mmap-io can not unmap: memory and the disk space of a deleted segment come back when the garbage collector gets there, and views of a closed segment stay readable until then.',
    'mmap-io can not make pages writable ahead: the first write to a page of the log costs a page fault on the event loop.',
    'mmap-io syncs and reads on the four threads that Node shares with everything else; raise UV_THREADPOOL_SIZE when syncs have to wait.',
    'mmap-io maps no file of 2 GiB or more.',
  ];
  readonly #mmap: MmapIo;

  private constructor(mmap: MmapIo) {
    super();
    this.#mmap = mmap;
  }

  /** Rejects with 'ERR_STORE_BAD_CONFIG' when the package is not there or was not built for this Node. */
  static async load(options: MmapIoOptions = {}): Promise<MmapIoFileSystem> {
    const installedIn = options.installedIn ?? process.env['COMETMQ_MMAP_IO'];
    try {
      const imported: unknown = await import(locate(installedIn));
      return new MmapIoFileSystem((imported as { default: MmapIo }).default);
    } catch (error) {
      const where = installedIn === undefined ? '' : ` from ${installedIn}`;
      throw new StoreError(
        'ERR_STORE_BAD_CONFIG',
        `the package ${MMAP_IO_PACKAGE} can't be loaded${where} (${firstLine(describeError(error))}); install it with scripts/install-mmap-io.mjs, or use the native provider`,
        { package: MMAP_IO_PACKAGE, installedIn },
        { cause: error },
      );
    }
  }

  override async openRegion(path: string, options: OpenRegionOptions): Promise<MappedRegion> {
    const descriptor = openFile(path, options);
    try {
      for (const position of chunksToWrite(options)) {
        const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, options.sizeBytes - position));
        await readChunk(descriptor, chunk, 0, chunk.length, position);
        await writeAt(descriptor, chunk, position);
      }
      return this.#map(path, descriptor, options);
    } catch (error) {
      throw abandon(error, path, descriptor, options);
    }
  }

  override openRegionSync(path: string, options: OpenRegionOptions): MappedRegion {
    const descriptor = openFile(path, options);
    try {
      for (const position of chunksToWrite(options)) {
        const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, options.sizeBytes - position));
        readSync(descriptor, chunk, 0, chunk.length, position);
        for (let done = 0; done < chunk.length;) done += writeSync(descriptor, chunk, done, undefined, position + done);
      }
      return this.#map(path, descriptor, options);
    } catch (error) {
      throw abandon(error, path, descriptor, options);
    }
  }

  #map(path: string, descriptor: number, options: OpenRegionOptions): MappedRegion {
    const { sizeBytes } = options;
    if (options.mode === 'create' && options.preallocate === false) ftruncateSync(descriptor, sizeBytes);
    const { PROT_READ, PROT_WRITE, MAP_SHARED } = this.#mmap;
    const buffer = this.#mmap.map(sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return new MmapIoRegion(path, descriptor, buffer, this.#mmap);
  }
}

class MmapIoRegion implements MappedRegion {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #descriptor: number;
  readonly #mmap: MmapIo;
  #buffer: Buffer;
  #pinCount = 0;
  #closed: Promise<void> | undefined;
  #unpinned: (() => void) | undefined;

  constructor(path: string, descriptor: number, buffer: Buffer, mmap: MmapIo) {
    this.path = path;
    this.sizeBytes = buffer.length;
    this.#descriptor = descriptor;
    this.#buffer = buffer;
    this.#mmap = mmap;
    // As in node-file-system.ts: no large folios, which would be written whole.
    this.advise(0, this.sizeBytes, 'random');
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  pin(): void {
    this.#requireOpen();
    this.#pinCount++;
  }

  unpin(): void {
    assert(this.#pinCount > 0, 'unpin without pin');
    this.#pinCount--;
    if (this.#pinCount === 0) this.#unpinned?.();
  }

  /** fdatasync of the file, whose dirty pages are those of the mapping. */
  sync(position: number, lengthBytes: number): Promise<void> {
    return this.#use('sync', position, lengthBytes, () => syncData(this.#descriptor));
  }

  /** Brings the pages into memory; the first write to each still costs a short fault. */
  populate(position: number, lengthBytes: number): Promise<void> {
    return this.#use('populate', position, lengthBytes, async () => {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, lengthBytes));
      for (let done = 0; done < lengthBytes; done += chunk.length) {
        const partBytes = Math.min(chunk.length, lengthBytes - done);
        await readChunk(this.#descriptor, chunk, 0, partBytes, position + done);
      }
    });
  }

  prepare(position: number, lengthBytes: number): Promise<void> {
    return this.#use('prepare', position, lengthBytes, () => this.#writeZeros(position, lengthBytes));
  }

  isResident(position: number, lengthBytes: number): boolean {
    this.#requireOpen();
    this.#requireRange(position, lengthBytes);
    if (lengthBytes === 0) return true;
    const start = this.#pageStart(position);
    return this.#mmap.incore(this.#buffer.subarray(start, position + lengthBytes))[0] === 0;
  }

  advise(position: number, lengthBytes: number, advice: RegionAdvice): void {
    this.#requireOpen();
    this.#requireRange(position, lengthBytes);
    if (lengthBytes === 0) return;
    const start = this.#pageStart(position);
    try {
      this.#mmap.advise(this.#buffer, start, position + lengthBytes - start, adviceNumber(this.#mmap, advice));
    } catch (error) {
      throw asProblem(withErrno(error), { doing: 'advise on', path: this.path });
    }
  }

  readAt(position: number, lengthBytes: number): Promise<Buffer> {
    return this.#use('read', position, lengthBytes, async () => {
      const target = Buffer.allocUnsafeSlow(lengthBytes);
      let doneBytes = 0;
      for (let count = -1; count !== 0 && doneBytes < lengthBytes; doneBytes += count) {
        const wantedBytes = lengthBytes - doneBytes;
        count = (await readChunk(this.#descriptor, target, doneBytes, wantedBytes, position + doneBytes)).bytesRead;
      }
      return target.subarray(0, doneBytes);
    });
  }

  zeroRange(position: number, lengthBytes: number): Promise<void> {
    return this.#use('zero', position, lengthBytes, async () => {
      await this.#writeZeros(position, lengthBytes);
      await syncData(this.#descriptor);
    });
  }

  async #writeZeros(position: number, lengthBytes: number): Promise<void> {
    const zeros = Buffer.alloc(Math.min(CHUNK_BYTES, lengthBytes));
    for (let done = 0; done < lengthBytes; done += zeros.length) {
      await writeAt(this.#descriptor, zeros.subarray(0, lengthBytes - done), position + done);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** The mapping itself goes when the garbage collector finds the last view of it. */
  async #close(): Promise<void> {
    if (this.#pinCount > 0) await new Promise<void>((resolve) => (this.#unpinned = resolve));
    this.#buffer = noBytes;
    closeSync(this.#descriptor);
  }

  /** Work in flight counts as a pin. */
  async #use<Result>(
    verb: string,
    position: number,
    lengthBytes: number,
    work: () => Promise<Result>,
  ): Promise<Result> {
    this.pin();
    try {
      this.#requireRange(position, lengthBytes);
      return await work();
    } catch (error) {
      throw asProblem(error, { doing: verb, path: this.path });
    } finally {
      this.unpin();
    }
  }

  #requireOpen(): void {
    if (this.isClosed) throw closedProblem(this.path);
  }

  #requireRange(position: number, lengthBytes: number): void {
    assert(position >= 0 && lengthBytes >= 0, 'a range of a region must not be negative');
    assert(position + lengthBytes <= this.sizeBytes, 'a range of a region must lie inside it');
  }

  #pageStart(position: number): number {
    return position - (position % this.#mmap.PAGESIZE);
  }
}

/** What `import()` takes: the package's name, or the address of its file in the given folder. */
function locate(installedIn: string | undefined): string {
  if (installedIn === undefined) return MMAP_IO_PACKAGE;
  return pathToFileURL(createRequire(join(installedIn, 'package.json')).resolve(MMAP_IO_PACKAGE)).href;
}

function openFile(path: string, options: OpenRegionOptions): number {
  const { mode, sizeBytes } = options;
  assert(sizeBytes > 0, 'a mapped file has at least one byte');
  if (sizeBytes > REGION_SIZE_MAX_BYTES) {
    throw new FileSystemError(
      'ERR_FS_IO',
      `can't ${mode} ${path}: mmap-io maps at most ${REGION_SIZE_MAX_BYTES} bytes and ${sizeBytes} are wanted; use the native provider`,
      { path, sizeBytes },
    );
  }
  const creation = mode === 'create' ? constants.O_CREAT | constants.O_EXCL : 0;
  try {
    const descriptor = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | creation, 0o644);
    return mode === 'create' ? descriptor : checked(path, descriptor, sizeBytes);
  } catch (error) {
    throw asProblem(error, { doing: mode, path });
  }
}

function checked(path: string, descriptor: number, sizeBytes: number): number {
  const actualBytes = fstatSync(descriptor).size;
  if (actualBytes === sizeBytes) return descriptor;
  closeSync(descriptor);
  throw wrongSizeProblem(path, sizeBytes, actualBytes);
}

/** Writing is how blocks are reserved here: zeros into a new file, what is there into an old one. */
function* chunksToWrite(options: OpenRegionOptions): Generator<number> {
  if (!(options.preallocate ?? options.mode === 'create')) return;
  for (let position = 0; position < options.sizeBytes; position += CHUNK_BYTES) yield position;
}

async function writeAt(descriptor: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await writeChunk(descriptor, bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** A creation that failed leaves no file. */
function abandon(error: unknown, path: string, descriptor: number, options: OpenRegionOptions): unknown {
  closeSync(descriptor);
  if (options.mode === 'create') unlinkSync(path);
  return asProblem(withErrno(error), { doing: options.mode, path, neededBytes: options.sizeBytes });
}

/** mmap-io throws `mmap failed, 12`: the number is the errno. */
function withErrno(error: unknown): unknown {
  const number = /failed, (\d+)$/.exec(describeError(error))?.[1];
  if (number === undefined) return error;
  const errno = getSystemErrorName(-Number(number));
  return Object.assign(new Error(errno, { cause: error }), { code: errno });
}

function adviceNumber(mmap: MmapIo, advice: RegionAdvice): number {
  switch (advice) {
    case 'normal':
      return mmap.MADV_NORMAL;
    case 'random':
      return mmap.MADV_RANDOM;
    case 'sequential':
      return mmap.MADV_SEQUENTIAL;
    case 'willneed':
      return mmap.MADV_WILLNEED;
    case 'dontneed':
      return mmap.MADV_DONTNEED;
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
