// The index file that is being written: mapped, with every block reserved, so that a store into it can't meet a full disk. The
// header is kept in memory and written after the entries of a batch.

import { assert } from '../../base/assert.ts';
import type { Logger } from '../../base/logger.ts';
import { describeError } from '../../base/errors.ts';
import type { MappedRegion } from '../file-system.ts';
import {
  ENTRY_SIZE_BYTES,
  entryPosition,
  fileSizeOf,
  HEADER_SIZE_BYTES,
  type IndexGeometry,
  type IndexHeader,
  NO_INDEX,
  readHeader,
  slotPosition,
  timeDiffSecondsOf,
  writeEntryFields,
  writeHeader,
} from './index-layout.ts';

/** Entries are made present and writable this far ahead of the next one. */
const POPULATE_SIZE_BYTES = 1024 * 1024;

/** Owner: IndexService. */
export class IndexFile {
  readonly name: string;
  readonly region: MappedRegion;
  readonly #geometry: IndexGeometry;
  readonly #logger: Logger;
  readonly #view: DataView;
  #beginTimestampMs: number;
  #endTimestampMs: number;
  #beginPhyOffset: number;
  #endPhyOffset: number;
  #hashSlotCount: number;
  #indexCount: number;
  #populatedPosition: number;
  #isPopulating = false;

  constructor(options: { name: string; region: MappedRegion; geometry: IndexGeometry; logger: Logger }) {
    const { name, region, geometry } = options;
    assert(region.sizeBytes === fileSizeOf(geometry), 'an index file has the size that its settings give');
    this.name = name;
    this.region = region;
    this.#geometry = geometry;
    this.#logger = options.logger;
    this.#view = new DataView(region.buffer.buffer, region.buffer.byteOffset, region.buffer.byteLength);
    const header = readHeader(this.#view);
    this.#beginTimestampMs = header.beginTimestampMs;
    this.#endTimestampMs = header.endTimestampMs;
    this.#beginPhyOffset = header.beginPhyOffset;
    this.#endPhyOffset = header.endPhyOffset;
    this.#hashSlotCount = header.hashSlotCount;
    this.#indexCount = header.indexCount;
    this.#populatedPosition = entryPosition(geometry, header.indexCount);
  }

  get header(): IndexHeader {
    return {
      beginTimestampMs: this.#beginTimestampMs,
      endTimestampMs: this.#endTimestampMs,
      beginPhyOffset: this.#beginPhyOffset,
      endPhyOffset: this.#endPhyOffset,
      hashSlotCount: this.#hashSlotCount,
      indexCount: this.#indexCount,
    };
  }

  get isFull(): boolean {
    return this.#indexCount >= this.#geometry.entryCountMax;
  }

  /** Entries that still fit. */
  get roomCount(): number {
    return Math.max(0, this.#geometry.entryCountMax - this.#indexCount);
  }

  /** A new file begins where the one before ended, until its first entry corrects that (Apache does the same). */
  continueAfter(previous: IndexHeader): void {
    assert(this.#indexCount === 1, 'only a file without entries can be continued into');
    this.#beginTimestampMs = previous.endTimestampMs;
    this.#endTimestampMs = previous.endTimestampMs;
    this.#beginPhyOffset = previous.endPhyOffset;
    this.#endPhyOffset = previous.endPhyOffset;
  }

  /** Adds one entry. {@link writeHeader} must follow in the same turn of the loop. */
  put(keyHash: number, physicalOffset: number, storeTimestampMs: number): void {
    const index = this.#indexCount;
    assert(index < this.#geometry.entryCountMax, 'a full index file takes no entry');
    const view = this.#view;
    const atSlot = slotPosition(keyHash % this.#geometry.hashSlotCount);
    const head = view.getInt32(atSlot);
    const previousIndex = head > NO_INDEX && head <= index ? head : NO_INDEX;
    const timeDiffSeconds = timeDiffSecondsOf(storeTimestampMs, this.#beginTimestampMs);
    const atEntry = entryPosition(this.#geometry, index);
    writeEntryFields(view, atEntry, keyHash, physicalOffset, timeDiffSeconds, previousIndex);
    view.setInt32(atSlot, index);
    if (index === 1) {
      this.#beginPhyOffset = physicalOffset;
      this.#beginTimestampMs = storeTimestampMs;
    }
    if (previousIndex === NO_INDEX) this.#hashSlotCount++;
    this.#indexCount = index + 1;
    this.#endPhyOffset = physicalOffset;
    this.#endTimestampMs = storeTimestampMs;
  }

  writeHeader(): void {
    writeHeader(this.#view, this.header);
    const nextPosition = entryPosition(this.#geometry, this.#indexCount);
    if (nextPosition + POPULATE_SIZE_BYTES / 2 > this.#populatedPosition) this.#populateMore();
  }

  /** Brings header, slots and the next entries into memory, off the loop, so that writing meets no page fault. */
  async prepare(): Promise<void> {
    await this.region.populate(0, entryPosition(this.#geometry, 0));
    await this.#populateNext();
  }

  async #populateNext(): Promise<void> {
    const position = Math.max(this.#populatedPosition, entryPosition(this.#geometry, this.#indexCount));
    const lengthBytes = Math.min(POPULATE_SIZE_BYTES, this.region.sizeBytes - position);
    if (lengthBytes <= 0) return;
    await this.region.populate(position, lengthBytes);
    this.#populatedPosition = position + lengthBytes;
  }

  #populateMore(): void {
    if (this.#isPopulating || this.#populatedPosition >= this.region.sizeBytes || this.region.isClosed) return;
    this.#isPopulating = true;
    this.#populateNext().then(
      () => (this.#isPopulating = false),
      (error: unknown) => {
        // Writing goes on, only slower: each new page faults. The flag stays set, so this is tried and told once a file.
        if (this.region.isClosed) return;
        this.#logger.warn('store.index.populate-failed', { file: this.name, reason: describeError(error) });
      },
    );
  }

  /** Makes everything written so far durable. */
  async sync(): Promise<void> {
    const end = Math.min(this.region.sizeBytes, entryPosition(this.#geometry, this.#indexCount));
    assert(end >= HEADER_SIZE_BYTES + ENTRY_SIZE_BYTES, 'an index file has room for its header');
    await this.region.sync(0, end);
  }
}
