// Files of one size that are mapped for reading, the least recently used given up first: consume queues and sealed index files.
// They are written with FileSystem.writeFiles or were finished long ago, never written through these mappings; both ways see the
// same pages, so a mapping stays true while its file is extended.

import { assert } from '../../base/assert.ts';
import type { FileSystem, MappedRegion } from '../file-system.ts';

interface CachedFile {
  readonly region: MappedRegion;
  readonly view: DataView;
}

/** Owner: the room whose files these are. */
export class MappedFileCache {
  readonly #fileSystem: FileSystem;
  readonly #fileSizeBytes: number;
  readonly #filesMax: number;
  /** In order of use, the oldest first. */
  readonly #files = new Map<string, CachedFile>();
  readonly #opening = new Map<string, Promise<CachedFile>>();
  readonly #closing = new Set<Promise<void>>();
  #closeFailure: Error | undefined;
  #isClosed = false;

  constructor(options: { fileSystem: FileSystem; fileSizeBytes: number; filesMax: number }) {
    assert(options.filesMax >= 1, 'at least one file must be allowed to be mapped');
    this.#fileSystem = options.fileSystem;
    this.#fileSizeBytes = options.fileSizeBytes;
    this.#filesMax = options.filesMax;
  }

  get mappedCount(): number {
    return this.#files.size + this.#opening.size;
  }

  /**
   * A view of exactly the range when that is mapped and in memory, borrowed until the end of this turn of the loop; undefined
   * when only {@link load} can get it.
   */
  peek(path: string, position: number, lengthBytes: number): DataView | undefined {
    const file = this.#files.get(path);
    if (file?.region.isResident(position, lengthBytes) !== true) return undefined;
    this.#files.delete(path);
    this.#files.set(path, file);
    return slice(file.view, position, lengthBytes);
  }

  /**
   * A view of exactly the range, mapped first if need be, and read off the loop if it is not in memory. Borrowed until the end
   * of the turn in which it resolves. Rejects with a FileSystemError.
   */
  async load(path: string, position: number, lengthBytes: number): Promise<DataView> {
    const file = this.#files.get(path) ?? (await this.#open(path));
    if (file.region.isClosed) {
      // Given up between two steps: others needed the room.
      return viewOf(await this.#fileSystem.readFileAt(path, position, lengthBytes));
    }
    if (file.region.isResident(position, lengthBytes)) return slice(file.view, position, lengthBytes);
    file.region.pin();
    try {
      return viewOf(await file.region.readAt(position, lengthBytes));
    } finally {
      file.region.unpin();
    }
  }

  #open(path: string): Promise<CachedFile> {
    assert(!this.#isClosed, 'the files are closed');
    const known = this.#opening.get(path);
    if (known !== undefined) return known;
    const opening = this.#openNow(path).finally(() => this.#opening.delete(path));
    this.#opening.set(path, opening);
    return opening;
  }

  async #openNow(path: string): Promise<CachedFile> {
    const region = await this.#fileSystem.openRegion(path, { sizeBytes: this.#fileSizeBytes, mode: 'open' });
    const file = { region, view: viewOf(region.buffer) };
    this.#files.set(path, file);
    for (const [oldest, other] of this.#files) {
      if (this.#files.size <= this.#filesMax) break;
      this.#files.delete(oldest);
      this.#close(other);
    }
    return file;
  }

  #close(file: CachedFile): void {
    const closing = file.region
      .close()
      .catch((error: unknown) => {
        this.#closeFailure ??= error as Error;
      })
      .finally(() => this.#closing.delete(closing));
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

  /** Waits for what is being opened, then unmaps everything. Rejects when any file could not be unmapped. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#opening.values());
    for (const file of this.#files.values()) this.#close(file);
    this.#files.clear();
    await Promise.all(this.#closing);
    if (this.#closeFailure !== undefined) throw this.#closeFailure;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function slice(view: DataView, position: number, lengthBytes: number): DataView {
  return new DataView(view.buffer, view.byteOffset + position, lengthBytes);
}
