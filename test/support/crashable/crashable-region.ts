// A mapped file of the crashable file system.

import { assert } from '../../../src/base/assert.ts';
import type { MappedRegion, RegionAdvice } from '../../../src/store/file-system.ts';
import { closedProblem } from '../../../src/store/file-system-problems.ts';
import type { PagedFile } from './paged-file.ts';

/** How a region does things through its file system, so that they are counted, delayed, failed and cut. */
export interface RegionHost {
  /** Steps off the loop. `failed` runs instead of them when a failure was injected. */
  start(kind: string, path: string, steps: readonly (() => void)[], failed?: () => void): Promise<void>;
  throwIfDead(): void;
  isCold(): boolean;
  unmap(file: PagedFile): void;
  nowMs(): number;
}

const noBytes = Buffer.alloc(0);

export class CrashableRegion implements MappedRegion {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #file: PagedFile;
  readonly #host: RegionHost;
  #pinCount = 0;
  #isClosing = false;
  #isUnmapped = false;
  #closed: Promise<void> | undefined;
  #unpinned: (() => void) | undefined;

  constructor(path: string, file: PagedFile, host: RegionHost) {
    this.path = path;
    this.sizeBytes = file.bytes.length;
    this.#file = file;
    this.#host = host;
    file.mappedCount++;
  }

  get buffer(): Buffer {
    return this.#isUnmapped ? noBytes : this.#file.bytes;
  }

  get isClosed(): boolean {
    return this.#isClosing;
  }

  pin(): void {
    this.#requireOpen();
    this.#pinCount++;
  }

  unpin(): void {
    this.#host.throwIfDead();
    this.#unpin();
  }

  sync(position: number, lengthBytes: number): Promise<void> {
    return this.#use('region.sync', position, lengthBytes, () => {
      const stage = this.#file.stage(position, lengthBytes);
      // A real kernel moves the time when a clean page is first written; here the sync is the first to notice.
      if (stage.pages.size > 0) this.#file.modifiedMs = this.#host.nowMs();
      const settle = (): void => this.#file.settle(stage);
      return { steps: [settle], failed: () => this.#file.abandon(stage) };
    });
  }

  populate(position: number, lengthBytes: number): Promise<void> {
    return this.#use('region.populate', position, lengthBytes, () => ({
      steps: [() => (this.#file.isResident = true)],
    }));
  }

  /** The zeros come last of all, so bytes that somebody wrote there meanwhile are gone: nobody may. */
  prepare(position: number, lengthBytes: number): Promise<void> {
    return this.#use('region.prepare', position, lengthBytes, () => ({
      steps: [() => this.#file.bytes.fill(0, position, position + lengthBytes), () => (this.#file.isResident = true)],
    }));
  }

  isResident(position: number, lengthBytes: number): boolean {
    this.#requireOpen();
    this.#requireRange(position, lengthBytes);
    return this.#file.isResident && !this.#host.isCold();
  }

  advise(position: number, lengthBytes: number, advice: RegionAdvice): void {
    this.#requireOpen();
    this.#requireRange(position, lengthBytes);
    if (advice === 'willneed') this.#file.isResident = true;
  }

  async readAt(position: number, lengthBytes: number): Promise<Buffer> {
    let copy = noBytes;
    await this.#use('region.readAt', position, lengthBytes, () => ({
      steps: [() => (copy = Buffer.from(this.#file.bytes.subarray(position, position + lengthBytes)))],
    }));
    return copy;
  }

  zeroRange(position: number, lengthBytes: number): Promise<void> {
    return this.#use('region.zeroRange', position, lengthBytes, () => {
      const middle = position + Math.floor(lengthBytes / 2);
      let stage = this.#file.stage(position, 0);
      return {
        steps: [
          () => this.#file.bytes.fill(0, position, middle),
          () => this.#file.bytes.fill(0, middle, position + lengthBytes),
          () => (stage = this.#file.stage(position, lengthBytes)),
          () => this.#file.settle(stage),
        ],
        failed: () => {
          this.#file.bytes.fill(0, position, position + lengthBytes);
          this.#file.abandon(this.#file.stage(position, lengthBytes));
        },
      };
    });
  }

  close(): Promise<void> {
    this.#host.throwIfDead();
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    if (this.#pinCount > 0) await new Promise<void>((resolve) => (this.#unpinned = resolve));
    await this.#host.start('region.close', this.path, []);
    this.#isUnmapped = true;
    this.#host.unmap(this.#file);
  }

  /** Work in flight counts as a pin. */
  async #use(
    kind: string,
    position: number,
    lengthBytes: number,
    prepare: () => { steps: readonly (() => void)[]; failed?: () => void },
  ): Promise<void> {
    this.pin();
    try {
      this.#requireRange(position, lengthBytes);
      const { steps, failed } = prepare();
      await this.#host.start(kind, this.path, steps, failed);
    } finally {
      this.#unpin();
    }
  }

  #unpin(): void {
    assert(this.#pinCount > 0, 'unpin without pin');
    this.#pinCount--;
    if (this.#pinCount === 0) this.#unpinned?.();
  }

  #requireOpen(): void {
    this.#host.throwIfDead();
    if (this.#isClosing) throw closedProblem(this.path);
  }

  #requireRange(position: number, lengthBytes: number): void {
    assert(position >= 0 && lengthBytes >= 0, 'a range of a region must not be negative');
    assert(position + lengthBytes <= this.sizeBytes, 'a range of a region must lie inside it');
  }
}
