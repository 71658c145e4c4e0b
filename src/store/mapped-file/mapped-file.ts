// One segment of the log: a file of fixed size, its place in the log, and three positions in it. Mapped lazily; whoever reads
// holds a pin, and only then does a close wait. Owned by the MappedFileQueue.

import { assert } from '../../base/assert.ts';
import type { FileSystem, MappedRegion } from '../file-system.ts';
import { closedProblem } from '../file-system-problems.ts';

export class MappedFile {
  readonly path: string;
  /** Physical offset of the file's first byte. */
  readonly startOffset: number;
  readonly sizeBytes: number;
  /** When it was used last, as a count of uses of the whole queue. */
  lastUse = 0;
  readonly #fileSystem: FileSystem;
  #region: MappedRegion | undefined;
  #mapping: Promise<MappedRegion> | undefined;
  #flushedPosition = 0;
  #readPosition = 0;
  #wrotePosition = 0;
  #isDeleted = false;

  constructor(options: {
    fileSystem: FileSystem;
    path: string;
    startOffset: number;
    sizeBytes: number;
    region?: MappedRegion;
  }) {
    this.#fileSystem = options.fileSystem;
    this.path = options.path;
    this.startOffset = options.startOffset;
    this.sizeBytes = options.sizeBytes;
    this.#region = options.region;
  }

  /** Physical offset behind the file's last byte. */
  get endOffset(): number {
    return this.startOffset + this.sizeBytes;
  }

  /** The mapping when there is one. Pin it before anything is awaited. */
  get region(): MappedRegion | undefined {
    return this.#region;
  }

  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** Below this every byte is on disk. */
  get flushedPosition(): number {
    return this.#flushedPosition;
  }

  /** Below this readers may look. In a mapped log that is the wrote position. */
  get readPosition(): number {
    return this.#readPosition;
  }

  /** The next byte to be written. */
  get wrotePosition(): number {
    return this.#wrotePosition;
  }

  /** The only setter: the order flushed ≤ read ≤ wrote ≤ size holds always. */
  setPositions(flushed: number, read: number, wrote: number): void {
    assert(flushed >= 0 && flushed <= read, 'flushed position is at or below the read position');
    assert(read <= wrote, 'read position is at or below the wrote position');
    assert(wrote <= this.sizeBytes, 'wrote position is inside the file');
    this.#flushedPosition = flushed;
    this.#readPosition = read;
    this.#wrotePosition = wrote;
  }

  /** Maps the file, off the loop. */
  map(): Promise<MappedRegion> {
    if (this.#region !== undefined) return Promise.resolve(this.#region);
    this.#mapping ??= this.#fileSystem
      .openRegion(this.path, { sizeBytes: this.sizeBytes, mode: 'open' })
      .then((region) => this.#adopt(region))
      .finally(() => (this.#mapping = undefined));
    return this.#mapping;
  }

  async #adopt(region: MappedRegion): Promise<MappedRegion> {
    if (this.#region === undefined && !this.#isDeleted) this.#region = region;
    // Mapped at once by somebody else meanwhile, or removed: this mapping is of no use.
    if (this.#region !== region) await region.close();
    if (this.#region !== undefined) return this.#region;
    throw closedProblem(this.path);
  }

  /**
   * Maps the file anew with every block reserved: a write to a hole on a full disk would kill the process, and somebody else may
   * have made the file sparse. Rejects with 'ERR_FS_NO_SPACE'; for opening a store, when nobody holds a pin.
   */
  async reserve(): Promise<void> {
    await this.unmap();
    const options = { sizeBytes: this.sizeBytes, mode: 'open', preallocate: true } as const;
    await this.#adopt(await this.#fileSystem.openRegion(this.path, options));
  }

  /** For opening a store, when nothing else waits. */
  mapSync(): MappedRegion {
    assert(!this.#isDeleted, 'a deleted file is not mapped again');
    this.#region ??= this.#fileSystem.openRegionSync(this.path, { sizeBytes: this.sizeBytes, mode: 'open' });
    return this.#region;
  }

  /** Lets the mapping go once nobody holds a pin. The file stays and can be mapped again at once. */
  async unmap(): Promise<void> {
    const region = this.#region;
    this.#region = undefined;
    await region?.close();
  }

  /** Nobody finds the file any more; holders of pins keep their bytes. The caller removes it from the disk. */
  markDeleted(): void {
    this.#isDeleted = true;
  }
}
