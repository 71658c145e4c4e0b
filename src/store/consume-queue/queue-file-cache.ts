// The consume queue files that are mapped for reading, the least recently used given up first. They are written with
// FileSystem.writeFiles, never through the mapping; both see the same pages, so a mapping stays true while its file is extended.

import { assert } from '../../base/assert.ts';
import type { FileSystem, MappedRegion } from '../file-system.ts';
import { dataViewOf } from './consume-queue-layout.ts';

interface CachedFile {
  readonly region: MappedRegion;
  readonly view: DataView;
}

/** Bytes of a file: borrowed until the end of this turn of the loop, or an owned copy. */
export type FileBytes = DataView;

/** Owner: one ConsumeQueueStore. */
export class QueueFileCache {
  readonly #fileSystem: FileSystem;
  readonly #fileSizeBytes: number;
  readonly #filesMax: number;
  /** In order of use, the oldest first. */
  readonly #files = new Map<string, CachedFile>();
  readonly #opening = new Map<string, Promise<CachedFile>>();
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: { fileSystem: FileSystem; fileSizeBytes: number; filesMax: number }) {
    assert(options.filesMax >= 1, 'at least one queue file must be allowed to be mapped');
    this.#fileSystem = options.fileSystem;
    this.#fileSizeBytes = options.fileSizeBytes;
    this.#filesMax = options.filesMax;
  }

  get mappedCount(): number {
    return this.#files.size + this.#opening.size;
  }

  /** A view of exactly the range, when it is mapped and in memory; undefined when only {@link load} can get it. */
  peek(path: string, position: number, lengthBytes: number): FileBytes | undefined {
    const file = this.#files.get(path);
    if (file === undefined || !file.region.isResident(position, lengthBytes)) return undefined;
    this.#touch(path, file);
    return slice(file.view, position, lengthBytes);
  }

  /** The range, mapped first if need be, and read off the loop if it is not in memory. Rejects with a FileSystemError. */
  async load(path: string, position: number, lengthBytes: number): Promise<FileBytes> {
    const file = this.#files.get(path) ?? (await this.#open(path));
    if (file.region.isClosed) return this.#readUnmapped(path, position, lengthBytes);
    if (file.region.isResident(position, lengthBytes)) return slice(file.view, position, lengthBytes);
    file.region.pin();
    try {
      return dataViewOf(await file.region.readAt(position, lengthBytes));
    } finally {
      file.region.unpin();
    }
  }

  /** For a file that was given up between two steps of a load. */
  async #readUnmapped(path: string, position: number, lengthBytes: number): Promise<FileBytes> {
    return dataViewOf(await this.#fileSystem.readFileAt(path, position, lengthBytes));
  }

  #touch(path: string, file: CachedFile): void {
    this.#files.delete(path);
    this.#files.set(path, file);
  }

  #open(path: string): Promise<CachedFile> {
    assert(!this.#isClosed, 'the queue files are closed');
    const known = this.#opening.get(path);
    if (known !== undefined) return known;
    const opening = this.#openNow(path).finally(() => this.#opening.delete(path));
    this.#opening.set(path, opening);
    return opening;
  }

  async #openNow(path: string): Promise<CachedFile> {
    const region = await this.#fileSystem.openRegion(path, { sizeBytes: this.#fileSizeBytes, mode: 'open' });
    const file = { region, view: dataViewOf(region.buffer) };
    if (this.#isClosed) {
      this.#close(file);
      return file;
    }
    this.#files.set(path, file);
    for (const [oldest, other] of this.#files) {
      if (this.#files.size <= this.#filesMax) break;
      this.#files.delete(oldest);
      this.#close(other);
    }
    return file;
  }

  #close(file: CachedFile): void {
    const closing = file.region.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Before a file is removed: nobody reads the old one through a mapping any more. */
  async forget(path: string): Promise<void> {
    await this.#opening.get(path)?.catch(() => undefined);
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    await file.region.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#opening.values());
    for (const file of this.#files.values()) this.#close(file);
    this.#files.clear();
    await Promise.all(this.#closing);
  }
}

function slice(view: DataView, position: number, lengthBytes: number): DataView {
  return new DataView(view.buffer, view.byteOffset + position, lengthBytes);
}
