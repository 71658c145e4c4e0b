// Compares the index with the log: both are in the order of the log, so one walk over the records and one over the entries, side
// by side, finds entries without a record and keys without an entry.

import { MessageSysFlag } from '../../model/sys-flag.ts';
import { getProperty, PropertyName } from '../../model/message-properties.ts';
import type { DispatchRequest } from '../dispatch/dispatch-request.ts';
import type { FileSystem } from '../file-system.ts';
import { MessageKeyHashes } from '../index/index-key-hash.ts';
import { FIRST_INDEX, type IndexGeometry, timeDiffSecondsOf } from '../index/index-layout.ts';
import { IndexFileCheck } from './check-index-file.ts';
import type { Findings } from './finding.ts';
import { type IndexItem, type IndexListing, type InspectedIndexFile, listIndex, walkIndexFile } from './index-files.ts';

export interface IndexCheckOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly geometry: IndexGeometry | undefined;
  readonly findings: Findings;
  readonly strict: boolean;
  readonly logMinOffset: number;
}

export class IndexCheck {
  readonly listing: IndexListing;
  entryCount = 0;
  readonly #options: IndexCheckOptions;
  readonly #findings: Findings;
  readonly #keys = new MessageKeyHashes();
  readonly #items: Iterator<IndexItem>;
  /** The next two entries that have not been compared with a record. */
  #next: IndexItem | undefined;
  #afterNext: IndexItem | undefined;
  #lastOffset = -1;
  /** The file of the last entry, where the files before it ended, and its last entry. */
  #file: InspectedIndexFile | undefined;
  #endOfFilesBefore = -1;
  #lastOffsetInFile = -1;
  #keyedCount = 0;
  #missing: { from: number; to: number; count: number } | undefined;
  #tagMissing = { firstOffset: -1, count: 0 };

  constructor(options: IndexCheckOptions) {
    this.#options = options;
    this.#findings = options.findings;
    this.listing = listIndex(options.fileSystem, options.directory, options.geometry);
    for (const path of this.listing.strangers) {
      this.#findings.violation('index-file-name', `${path} does not have the name of an index file.`, { path });
    }
    this.#items = this.#walk();
    this.#afterNext = this.#take();
    this.#advance();
  }

  *#walk(): Generator<IndexItem, void, undefined> {
    const { fileSystem } = this.#options;
    const { files, geometry } = this.listing;
    const last = files.findLastIndex(({ header }) => header !== undefined && header.indexCount > FIRST_INDEX);
    for (const [position, file] of files.entries()) {
      const findings = this.#findings;
      // Behind the file that was being written there may be one that was made ahead.
      const check = new IndexFileCheck({ fileSystem, file, geometry, findings, isLast: position >= last });
      if (!check.begin()) continue;
      for (const item of walkIndexFile(fileSystem, file, geometry)) {
        this.entryCount++;
        if (check.onEntry(item)) yield item;
      }
      check.finish();
    }
  }

  #take(): IndexItem | undefined {
    const taken = this.#items.next();
    return taken.done === true ? undefined : taken.value;
  }

  /** Moves on by one entry; one that is out of order is told and left out. */
  #advance(): void {
    for (;;) {
      this.#next = this.#afterNext;
      this.#afterNext = this.#take();
      if (this.#next === undefined || this.#isInOrder(this.#next)) return;
    }
  }

  #isInOrder(item: IndexItem): boolean {
    const { file, entry } = item;
    const { physicalOffset } = entry;
    if (file !== this.#file) {
      this.#file = file;
      this.#endOfFilesBefore = this.#lastOffset;
      this.#lastOffsetInFile = -1;
    }
    const following = this.#afterNext?.file === file ? this.#afterNext.entry.physicalOffset : Infinity;
    const isRising = physicalOffset >= this.#lastOffsetInFile;
    if (!isRising || (physicalOffset > following && following >= this.#lastOffsetInFile)) {
      this.#tellEntry('index-entry', item, 'is out of the log’s order');
      return false;
    }
    this.#lastOffsetInFile = physicalOffset;
    this.#lastOffset = Math.max(this.#lastOffset, physicalOffset);
    if (physicalOffset >= this.#endOfFilesBefore) return true;
    // Apache, when it was killed while it made a file, fills that file from a segment's begin on, whatever older files have. Each
    // file is searched by itself, so nothing is found less.
    this.#tellEntry('index-entry-repeated', item, 'begins before the end of the files before this one');
    return false;
  }

  #tellEntry(
    kind: 'index-entry' | 'index-entry-without-record' | 'index-entry-of-other-key' | 'index-entry-repeated',
    { file, index, entry }: IndexItem,
    problem: string,
  ): void {
    const { physicalOffset } = entry;
    const message = `Entry ${index} of ${file.path} (physical offset ${physicalOffset}) ${problem}.`;
    const details = { path: file.path, index, physicalOffset };
    if (kind === 'index-entry-repeated' && !this.#options.strict) this.#findings.note(kind, message, details);
    else this.#findings.view(kind, physicalOffset, message, details);
  }

  onRecord(request: DispatchRequest): void {
    const { physicalOffset, sysFlag, storeTimestampMs } = request;
    const keys = this.#keys;
    keys.take(request.topic, request.properties);
    const isIndexed = (sysFlag & MessageSysFlag.TRANSACTION_MASK) !== MessageSysFlag.TRANSACTION_ROLLBACK;
    const expected = isIndexed ? [...keys.hashes.subarray(0, keys.count)] : [];
    this.#keyedCount += expected.length > 0 ? 1 : 0;
    this.#skipBefore(physicalOffset);
    const left = [...expected];
    for (; this.#next?.entry.physicalOffset === physicalOffset; this.#advance()) {
      this.#compare(this.#next, expected, left, storeTimestampMs);
    }
    if (left.length > 0) this.#isMissing(request, left, expected);
  }

  #compare(item: IndexItem, expected: readonly number[], left: number[], storeTimestampMs: number): void {
    const { keyHash, timeDiffSeconds } = item.entry;
    const at = left.indexOf(keyHash);
    if (at >= 0) left.splice(at, 1);
    else if (expected.includes(keyHash)) this.#tellEntry('index-entry-repeated', item, 'is there more than once');
    else this.#tellEntry('index-entry-of-other-key', item, 'has a hash that is of none of its record’s keys');
    // Apache counts the first entry of a file from the end of the file before.
    if (item.index === FIRST_INDEX || at < 0) return;
    const seconds = timeDiffSecondsOf(storeTimestampMs, item.file.header?.beginTimestampMs ?? 0);
    if (timeDiffSeconds !== seconds) {
      this.#tellEntry(
        'index-entry',
        item,
        `says ${timeDiffSeconds} s since the file's begin where its record says ${seconds} s`,
      );
    }
  }

  /** Entries before a record that no record asked for. */
  #skipBefore(physicalOffset: number): void {
    for (; this.#next !== undefined && this.#next.entry.physicalOffset < physicalOffset; this.#advance()) {
      if (this.#next.entry.physicalOffset < this.#options.logMinOffset) continue;
      this.#tellEntry('index-entry-without-record', this.#next, 'names a place where no record begins');
    }
  }

  #isMissing(request: DispatchRequest, left: readonly number[], expected: readonly number[]): void {
    if (this.listing.files.length === 0) return;
    const { physicalOffset, properties } = request;
    // The tag's hash comes last; versions before 5.x did not index tags.
    const isTagOnly =
      left.length === 1 && left[0] === expected.at(-1) && getProperty(properties, PropertyName.TAGS) !== undefined;
    if (isTagOnly) {
      if (this.#tagMissing.count++ === 0) this.#tagMissing.firstOffset = physicalOffset;
      return;
    }
    const missing = this.#missing;
    if (
      missing?.to === physicalOffset &&
      this.#findings.isTrusted(missing.from) === this.#findings.isTrusted(physicalOffset)
    ) {
      missing.to = physicalOffset + request.sizeBytes;
      missing.count++;
      return;
    }
    this.#tellMissing();
    this.#missing = { from: physicalOffset, to: physicalOffset + request.sizeBytes, count: 1 };
  }

  #tellMissing(): void {
    if (this.#missing === undefined) return;
    const { from, to, count } = this.#missing;
    const message =
      count === 1
        ? `The index lacks keys of the record at physical offset ${from}.`
        : `The index lacks keys of ${count} records from physical offset ${from} to ${to}.`;
    this.#findings.view('key-missing-in-index', from, message, { physicalOffset: from, endOffset: to, count });
    this.#missing = undefined;
  }

  /** After the log. */
  finish(): void {
    this.#tellMissing();
    for (; this.#next !== undefined; this.#advance()) {
      if (this.#next.entry.physicalOffset < this.#options.logMinOffset) continue;
      this.#tellEntry('index-entry-without-record', this.#next, 'names a place where no record begins');
    }
    const { firstOffset, count } = this.#tagMissing;
    if (count > 0) {
      const message = `The index lacks the tags of ${count} records, the first at physical offset ${firstOffset}.`;
      const details = { physicalOffset: firstOffset, count };
      if (this.#options.strict) this.#findings.view('tag-missing-in-index', firstOffset, message, details);
      else this.#findings.note('tag-missing-in-index', `${message} Apache before 5.5 does not index tags.`, details);
    }
    if (this.listing.files.length === 0 && this.#keyedCount > 0) {
      const message = `There are no index files: the ${this.#keyedCount} messages with keys are not found by them.`;
      this.#findings.note('no-index', message, { count: this.#keyedCount });
    }
  }
}
