// What a crash left of an index file, put right without reading the log. Entries are written once, in the order of the log, so those
// of trusted records are an intact prefix; slots and header are changed all the time and can be any mixture of old and new pages,
// and both follow from the entries.

import { assert } from '../../base/assert.ts';
import type { MappedRegion } from '../file-system.ts';
import {
  ENTRY_SIZE_BYTES,
  entryPosition,
  FIRST_INDEX,
  fileSizeOf,
  type IndexEntry,
  type IndexGeometry,
  type IndexHeader,
  NO_INDEX,
  readEntry,
  readHeader,
  SLOT_SIZE_BYTES,
  slotPosition,
  writeHeader,
} from './index-layout.ts';

const BLOCK_SIZE_BYTES = 1024 * 1000;
assert(BLOCK_SIZE_BYTES % ENTRY_SIZE_BYTES === 0, 'a block holds whole entries');
assert(BLOCK_SIZE_BYTES % SLOT_SIZE_BYTES === 0, 'a block holds whole slots');

/** What is known of a file after {@link trimIndexFile}. */
export interface TrimmedIndexFile {
  readonly header: IndexHeader;
  /** Entries of records that begin at or above this physical offset are not in the file. */
  readonly completeUpTo: number;
  readonly wasChanged: boolean;
}

/**
 * Keeps the entries of records that begin below `trustedOffset`, and rebuilds slots and header when they could say anything else.
 * Reads off the loop. Not durable; doing it again changes nothing.
 */
export async function trimIndexFile(
  region: MappedRegion,
  geometry: IndexGeometry,
  trustedOffset: number,
): Promise<TrimmedIndexFile> {
  assert(region.sizeBytes === fileSizeOf(geometry), 'an index file has the size that its settings give');
  const header = readHeader(viewOf(await region.readAt(0, slotPosition(0))));
  if (
    isPlausible(header, geometry) &&
    header.endPhyOffset < trustedOffset &&
    (await slotsAgree(region, geometry, header))
  ) {
    return { header, completeUpTo: trustedOffset, wasChanged: false };
  }
  const rebuilt = await rebuild(region, geometry, trustedOffset, header);
  return { ...rebuilt, wasChanged: true };
}

function isPlausible(header: IndexHeader, geometry: IndexGeometry): boolean {
  return (
    header.indexCount >= FIRST_INDEX &&
    header.indexCount <= geometry.entryCountMax &&
    header.hashSlotCount >= 0 &&
    header.hashSlotCount < header.indexCount &&
    header.beginPhyOffset <= header.endPhyOffset
  );
}

/** A slot that was changed after the header was last saved names an entry that the header does not count. */
async function slotsAgree(region: MappedRegion, geometry: IndexGeometry, header: IndexHeader): Promise<boolean> {
  const end = entryPosition(geometry, 0);
  let usedCount = 0;
  for (let position = slotPosition(0); position < end; position += BLOCK_SIZE_BYTES) {
    const slots = viewOf(await region.readAt(position, Math.min(BLOCK_SIZE_BYTES, end - position)));
    for (let at = 0; at < slots.byteLength; at += SLOT_SIZE_BYTES) {
      const head = slots.getInt32(at);
      if (head === NO_INDEX) continue;
      if (head < NO_INDEX || head >= header.indexCount) return false;
      usedCount++;
    }
  }
  // A page of slots that did not reach the disk has fewer; only a file that was never synced can have that.
  return usedCount === header.hashSlotCount;
}

interface TrustedPrefix {
  readonly indexCount: number;
  readonly completeUpTo: number;
  readonly first: IndexEntry | undefined;
  readonly last: IndexEntry | undefined;
  /** Index of the newest entry of each slot. */
  readonly heads: Int32Array;
}

async function rebuild(
  region: MappedRegion,
  geometry: IndexGeometry,
  trustedOffset: number,
  found: IndexHeader,
): Promise<{ header: IndexHeader; completeUpTo: number }> {
  // The header's begin was saved with the first entry and does not change: above the trusted offset nothing of the file counts,
  // and a page of entries that did not reach the disk is not taken for entries of the log's first record.
  const hasTrusted = isPlausible(found, geometry) && found.beginPhyOffset < trustedOffset;
  const indexCount = hasTrusted ? found.indexCount : FIRST_INDEX;
  const prefix = await readPrefix(region, geometry, trustedOffset, { ...found, indexCount });
  const header = headerOf(prefix, found);
  await region.populate(0, entryPosition(geometry, 0));
  const view = viewOf(region.buffer);
  for (let slot = 0; slot < geometry.hashSlotCount; slot++)
    view.setInt32(slotPosition(slot), prefix.heads[slot] as number);
  writeHeader(view, header);
  return { header, completeUpTo: prefix.completeUpTo };
}

/** Entries of trusted records, up to the first that can't be one. */
async function readPrefix(
  region: MappedRegion,
  geometry: IndexGeometry,
  trustedOffset: number,
  found: IndexHeader,
): Promise<TrustedPrefix> {
  const heads = new Int32Array(geometry.hashSlotCount);
  let index = FIRST_INDEX;
  let first: IndexEntry | undefined;
  let last: IndexEntry | undefined;
  while (index < found.indexCount) {
    const blockStart = index;
    const position = entryPosition(geometry, blockStart);
    const end = Math.min(position + BLOCK_SIZE_BYTES, entryPosition(geometry, found.indexCount));
    const block = viewOf(await region.readAt(position, end - position));
    for (; index - blockStart < block.byteLength / ENTRY_SIZE_BYTES; index++) {
      const entry = readEntry(block, (index - blockStart) * ENTRY_SIZE_BYTES);
      if (!isPossible(entry, index, last?.physicalOffset ?? found.beginPhyOffset)) {
        // Entries break off where the first one behind the trusted ones is torn; nothing that is known to be durable may be given
        // up for that, or a second crash would lose it. A caller that does not know what is durable begins at the last record.
        return { heads, indexCount: index, first, last, completeUpTo: last?.physicalOffset ?? 0 };
      }
      if (entry.physicalOffset >= trustedOffset) {
        return { heads, indexCount: index, first, last, completeUpTo: trustedOffset };
      }
      heads[entry.keyHash % geometry.hashSlotCount] = index;
      first ??= entry;
      last = entry;
    }
  }
  return { heads, indexCount: index, first, last, completeUpTo: trustedOffset };
}

function isPossible(entry: IndexEntry, index: number, physicalOffsetMin: number): boolean {
  return (
    entry.keyHash >= 0 &&
    Number.isSafeInteger(entry.physicalOffset) &&
    entry.physicalOffset >= physicalOffsetMin &&
    entry.timeDiffSeconds >= 0 &&
    entry.previousIndex >= NO_INDEX &&
    entry.previousIndex < index
  );
}

function headerOf(prefix: TrustedPrefix, found: IndexHeader): IndexHeader {
  const { first, last, heads, indexCount } = prefix;
  if (first === undefined || last === undefined) {
    const nothing = { beginTimestampMs: 0, endTimestampMs: 0, beginPhyOffset: 0, endPhyOffset: 0, hashSlotCount: 0 };
    return { ...nothing, indexCount: FIRST_INDEX };
  }
  // The file's begin was saved with its first entry and does not change. An entry knows whole seconds from there, but for the
  // first, which Apache counts from the end of the file before.
  const { beginTimestampMs } = found;
  const endSeconds = indexCount === FIRST_INDEX + 1 ? 0 : last.timeDiffSeconds;
  const endTimestampMs = Math.min(
    beginTimestampMs + endSeconds * 1_000 + 999,
    Math.max(found.endTimestampMs, beginTimestampMs),
  );
  return {
    beginTimestampMs,
    endTimestampMs,
    beginPhyOffset: first.physicalOffset,
    endPhyOffset: last.physicalOffset,
    hashSlotCount: heads.reduce((count, head) => (head === NO_INDEX ? count : count + 1), 0),
    indexCount,
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
