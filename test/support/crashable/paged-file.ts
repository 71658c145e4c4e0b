// One file of the crashable file system: what readers see, what is certainly on disk, and what may be on disk page by page.

import { assert } from '../../../src/base/assert.ts';
import type { Prng } from '../../../src/base/prng.ts';

/** A content that one page had at some moment since its last sync and that the kernel may have written out then. */
interface PageVersion {
  readonly sequence: number;
  readonly bytes: Buffer;
}

/** What a sync promised when it was called. */
export interface SyncStage {
  readonly sequence: number;
  readonly sizeBytes: number;
  readonly pages: ReadonlyMap<number, Buffer>;
}

const EARLIER_VERSIONS_MAX = 2;
const EARLIER_VERSION_CHANCE = 0.35;

export class PagedFile {
  readonly pageSizeBytes: number;
  /** What readers see. Replaced when the file grows or when its last region is unmapped. */
  bytes = Buffer.from(new ArrayBuffer(0));
  modifiedMs = 0;
  isResident = true;
  mappedCount = 0;
  preallocated = false;
  #sequence = 0;
  #durableSizeBytes = 0;
  /** Absent means zeros. The buffers never change once they are in here. */
  #durablePages = new Map<number, Buffer>();
  #durableSequences = new Map<number, number>();
  #earlier = new Map<number, PageVersion[]>();
  /** Contents that a failed sync left marked as clean: a later sync of an unchanged page succeeds and writes nothing. */
  #abandoned = new Map<number, Buffer>();
  #touchedPages = new Set<number>();

  constructor(pageSizeBytes: number) {
    this.pageSizeBytes = pageSizeBytes;
  }

  get allocatedBytes(): number {
    return (this.preallocated ? this.#pageCount(this.bytes.length) : this.#touchedPages.size) * this.pageSizeBytes;
  }

  /** How many bytes of disk a write there takes beyond what the file has. */
  newlyAllocatedBytes(position: number, lengthBytes: number): number {
    if (lengthBytes === 0) return 0;
    let pages = 0;
    const last = Math.floor((position + lengthBytes - 1) / this.pageSizeBytes);
    for (let page = Math.floor(position / this.pageSizeBytes); page <= last; page++) {
      const covered = this.preallocated && page < this.#pageCount(this.bytes.length);
      if (!covered && !this.#touchedPages.has(page)) pages++;
    }
    return pages * this.pageSizeBytes;
  }

  /** The first byte at or after the position that is not in a hole. */
  nextData(position: number): number | undefined {
    const count = this.#pageCount(this.bytes.length);
    for (let page = Math.floor(position / this.pageSizeBytes); page < count; page++) {
      const isHole =
        !this.preallocated && !this.#touchedPages.has(page) && this.#holds(page, zeroPage(this.pageSizeBytes));
      if (!isHole) return Math.max(position, page * this.pageSizeBytes);
    }
    return undefined;
  }

  grow(sizeBytes: number): void {
    if (sizeBytes <= this.bytes.length) return;
    assert(this.mappedCount === 0, 'a mapped file must not change its size');
    const grown = Buffer.from(new ArrayBuffer(sizeBytes));
    this.bytes.copy(grown);
    this.bytes = grown;
  }

  write(position: number, bytes: Uint8Array): void {
    this.grow(position + bytes.length);
    this.bytes.set(bytes, position);
    if (bytes.length === 0) return;
    const last = Math.floor((position + bytes.length - 1) / this.pageSizeBytes);
    for (let page = Math.floor(position / this.pageSizeBytes); page <= last; page++) this.#touchedPages.add(page);
  }

  /** Takes the memory away from every view of it; the contents move on. */
  unmap(): void {
    assert(this.mappedCount > 0, 'unmap without map');
    this.mappedCount--;
    if (this.mappedCount > 0) return;
    const memory = this.bytes.buffer;
    this.bytes = Buffer.from(structuredClone(memory, { transfer: [memory] }));
  }

  /** What a sync that is called now must make durable. */
  stage(position = 0, lengthBytes = this.bytes.length): SyncStage {
    const sequence = ++this.#sequence;
    const pages = new Map<number, Buffer>();
    const end = Math.min(this.#pageCount(position + lengthBytes), this.#pageCount(this.bytes.length));
    for (let page = Math.floor(position / this.pageSizeBytes); page < end; page++) {
      if (!this.#isDirty(page) && !this.#earlier.has(page)) continue;
      const abandoned = this.#abandoned.get(page);
      if (abandoned !== undefined && this.#holds(page, abandoned)) continue;
      this.#abandoned.delete(page);
      const bytes = this.#copyOf(page);
      pages.set(page, bytes);
      this.#remember(page, { sequence, bytes });
    }
    return { sequence, sizeBytes: this.bytes.length, pages };
  }

  /** The sync succeeded. */
  settle(stage: SyncStage): void {
    for (const [page, bytes] of stage.pages) {
      if ((this.#durableSequences.get(page) ?? 0) > stage.sequence) continue;
      this.#durablePages.set(page, bytes);
      this.#durableSequences.set(page, stage.sequence);
      const later = (this.#earlier.get(page) ?? []).filter((version) => version.sequence > stage.sequence);
      if (later.length === 0) this.#earlier.delete(page);
      else this.#earlier.set(page, later);
    }
    this.#durableSizeBytes = Math.max(this.#durableSizeBytes, stage.sizeBytes);
  }

  /** The sync failed: as on Linux, the pages count as clean from now on although they may never have reached the disk. */
  abandon(stage: SyncStage): void {
    for (const [page, bytes] of stage.pages) this.#abandoned.set(page, bytes);
  }

  /** The kernel writes some dirty pages of a window out, on its own account. */
  writeBack(prng: Prng, windowPages: number): void {
    const count = this.#pageCount(this.bytes.length);
    if (count === 0) return;
    const first = prng.below(count);
    for (let page = first; page < Math.min(count, first + windowPages); page++) {
      if (prng.chance(0.5) && this.#isDirty(page)) {
        this.#remember(page, { sequence: ++this.#sequence, bytes: this.#copyOf(page) }, prng);
      }
    }
  }

  /** The file as it may be after power was lost now. `survival` is the chance of an unsynced page. */
  afterPowerLoss(prng: Prng, survival: number): PagedFile {
    const grew = this.bytes.length !== this.#durableSizeBytes;
    const sizeBytes = grew && !prng.chance(Math.max(survival, 0.5)) ? this.#durableSizeBytes : this.bytes.length;
    const content = Buffer.from(new ArrayBuffer(sizeBytes));
    for (let page = 0; page < this.#pageCount(sizeBytes); page++) {
      this.#survivorOf(page, prng, survival).copy(content, page * this.pageSizeBytes);
    }
    return this.#successor(content);
  }

  /** The same file for the next process after a kill: nothing is lost, nothing is more durable than before. */
  clone(): PagedFile {
    const copy = this.#successor(Buffer.from(this.bytes), false);
    copy.#sequence = this.#sequence;
    copy.#durableSizeBytes = this.#durableSizeBytes;
    copy.#durablePages = new Map(this.#durablePages);
    copy.#durableSequences = new Map(this.#durableSequences);
    copy.#earlier = new Map([...this.#earlier].map(([page, versions]) => [page, [...versions]]));
    copy.#abandoned = new Map(this.#abandoned);
    return copy;
  }

  /** Damages both what readers see and what is on disk. */
  flipBit(position: number, bit: number): void {
    assert(position < this.bytes.length, 'the flipped bit must be inside the file');
    this.bytes.writeUInt8(this.bytes.readUInt8(position) ^ (1 << bit), position);
    const page = Math.floor(position / this.pageSizeBytes);
    const damaged = Buffer.from(this.#durableOf(page));
    const inPage = position % this.pageSizeBytes;
    damaged.writeUInt8(damaged.readUInt8(inPage) ^ (1 << bit), inPage);
    this.#durablePages.set(page, damaged);
  }

  /** Cuts or grows the file, durably, behind everybody's back. */
  truncate(sizeBytes: number): void {
    assert(this.mappedCount === 0, 'a mapped file must not change its size');
    const content = Buffer.from(new ArrayBuffer(sizeBytes));
    this.bytes.copy(content);
    const after = this.#successor(content);
    this.bytes = after.bytes;
    this.#durableSizeBytes = sizeBytes;
    this.#durablePages = after.#durablePages;
    this.#durableSequences.clear();
    this.#earlier.clear();
    this.#abandoned.clear();
  }

  #successor(content: Buffer, durable = true): PagedFile {
    const file = new PagedFile(this.pageSizeBytes);
    file.grow(content.length);
    content.copy(file.bytes);
    file.modifiedMs = this.modifiedMs;
    file.preallocated = this.preallocated;
    file.#touchedPages = new Set(this.#touchedPages);
    if (durable) file.settle(file.stage());
    return file;
  }

  #survivorOf(page: number, prng: Prng, survival: number): Buffer {
    const earlier = this.#earlier.get(page);
    if (earlier === undefined && !this.#isDirty(page)) return this.#durableOf(page);
    if (!prng.chance(survival)) return this.#durableOf(page);
    if (earlier !== undefined && prng.chance(EARLIER_VERSION_CHANCE)) return prng.pick(earlier).bytes;
    return this.#copyOf(page);
  }

  #remember(page: number, version: PageVersion, prng?: Prng): void {
    const versions = this.#earlier.get(page);
    if (versions === undefined) this.#earlier.set(page, [version]);
    else if (versions.length < EARLIER_VERSIONS_MAX) versions.push(version);
    else versions[prng?.below(EARLIER_VERSIONS_MAX) ?? 0] = version;
  }

  #isDirty(page: number): boolean {
    return !this.#holds(page, this.#durableOf(page));
  }

  #holds(page: number, content: Buffer): boolean {
    const live = this.bytes.subarray(page * this.pageSizeBytes, (page + 1) * this.pageSizeBytes);
    return live.equals(content.subarray(0, live.length));
  }

  #durableOf(page: number): Buffer {
    return this.#durablePages.get(page) ?? zeroPage(this.pageSizeBytes);
  }

  /** Padded with zeros to a whole page. */
  #copyOf(page: number): Buffer {
    const copy = Buffer.alloc(this.pageSizeBytes);
    this.bytes.copy(copy, 0, page * this.pageSizeBytes, (page + 1) * this.pageSizeBytes);
    return copy;
  }

  #pageCount(sizeBytes: number): number {
    return Math.ceil(sizeBytes / this.pageSizeBytes);
  }
}

const zeroPages = new Map<number, Buffer>();

function zeroPage(sizeBytes: number): Buffer {
  let page = zeroPages.get(sizeBytes);
  if (page === undefined) zeroPages.set(sizeBytes, (page = Buffer.alloc(sizeBytes)));
  return page;
}
