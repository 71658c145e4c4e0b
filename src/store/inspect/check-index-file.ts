// What must be true of one index file by itself: its size, its header, the chains of its entries and its slots.

import type { FileSystem } from '../file-system.ts';
import { fileSizeOf, FIRST_INDEX, type IndexGeometry, NO_INDEX } from '../index/index-layout.ts';
import type { Findings } from './finding.ts';
import { type IndexItem, type InspectedIndexFile, walkSlots } from './index-files.ts';

export interface IndexFileCheckOptions {
  readonly fileSystem: FileSystem;
  readonly file: InspectedIndexFile;
  readonly geometry: IndexGeometry;
  readonly findings: Findings;
  /** A crash may leave slots and header of the last file in any state. */
  readonly isLast: boolean;
}

export class IndexFileCheck {
  readonly #options: IndexFileCheckOptions;
  #heads = new Int32Array(0);
  #first: IndexItem | undefined;
  #last: IndexItem | undefined;
  /** Entries that can't be right make a wrong slot likely; it would be told twice. */
  readonly #doubtfulSlots = new Set<number>();

  constructor(options: IndexFileCheckOptions) {
    this.#options = options;
  }

  /** False when the file can't be read at all. */
  begin(): boolean {
    const { file, geometry } = this.#options;
    const { path, sizeBytes, header } = file;
    const expectedBytes = fileSizeOf(geometry);
    if (sizeBytes !== expectedBytes || header === undefined) {
      this.#tell('index-file-size', `${path} has ${sizeBytes} bytes where ${expectedBytes} are expected.`);
      return false;
    }
    if (header.indexCount > geometry.entryCountMax) {
      this.#tell('index-header', `The header of ${path} counts ${header.indexCount} entries, more than fit.`);
    }
    this.#heads = new Int32Array(geometry.hashSlotCount);
    return true;
  }

  #tell(
    kind: 'index-file-size' | 'index-header' | 'index-slot',
    message: string,
    details: Record<string, number> = {},
  ): void {
    const { findings, file, isLast } = this.#options;
    findings.view(kind, isLast ? Number.MAX_SAFE_INTEGER : 0, message, { path: file.path, ...details });
  }

  /** False when the entry means nothing. */
  onEntry(item: IndexItem): boolean {
    const { findings, file, geometry } = this.#options;
    const { index, entry } = item;
    const { keyHash, physicalOffset, previousIndex, timeDiffSeconds } = entry;
    const details = { path: file.path, index, physicalOffset };
    if (keyHash < 0 || !Number.isSafeInteger(physicalOffset) || physicalOffset < 0 || timeDiffSeconds < 0) {
      findings.view('index-entry', physicalOffset, `Entry ${index} of ${file.path} can't be one.`, details);
      if (keyHash >= 0) this.#heads[keyHash % geometry.hashSlotCount] = index;
      return false;
    }
    const slot = keyHash % geometry.hashSlotCount;
    const expected = this.#heads[slot] as number;
    if (previousIndex !== expected) {
      const message = `Entry ${index} of ${file.path} is chained to entry ${previousIndex} instead of ${expected}.`;
      findings.view('index-entry', physicalOffset, message, { ...details, previousIndex, expectedIndex: expected });
      this.#doubtfulSlots.add(slot);
    }
    this.#heads[slot] = index;
    this.#first ??= item;
    this.#last = item;
    return true;
  }

  /** After the last entry. */
  finish(): void {
    this.#checkHeader();
    this.#checkSlots();
  }

  #checkHeader(): void {
    const { file } = this.#options;
    const { header, path } = file;
    const first = this.#first?.entry.physicalOffset;
    const last = this.#last?.entry.physicalOffset;
    if (header === undefined || first === undefined || last === undefined) return;
    if (header.beginPhyOffset !== first || header.endPhyOffset !== last) {
      this.#tell(
        'index-header',
        `The header of ${path} says physical offsets ${header.beginPhyOffset} to ${header.endPhyOffset}, but its entries say ` +
          `${first} to ${last}.`,
      );
    }
    if (header.endTimestampMs < header.beginTimestampMs) {
      this.#tell('index-header', `The header of ${path} ends before it begins.`);
    }
    const usedCount = this.#heads.reduce((count, head) => (head === NO_INDEX ? count : count + 1), 0);
    if (header.hashSlotCount !== usedCount && this.#doubtfulSlots.size === 0) {
      this.#tell(
        'index-header',
        `The header of ${path} counts ${header.hashSlotCount} slots, but ${usedCount} are in use.`,
      );
    }
  }

  #checkSlots(): void {
    const { fileSystem, file, geometry } = this.#options;
    const indexCount = file.header?.indexCount ?? FIRST_INDEX;
    walkSlots(fileSystem, file, geometry, (slot, head) => {
      const expected = this.#heads[slot] as number;
      if (head === expected || this.#doubtfulSlots.has(slot)) return;
      const why = head >= indexCount || head < 0 ? 'no entry of the file' : `entry ${head}`;
      this.#tell('index-slot', `Slot ${slot} of ${file.path} names ${why} instead of ${expected}.`, {
        slot,
        head,
        expected,
      });
    });
  }
}
