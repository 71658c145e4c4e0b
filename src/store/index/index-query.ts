// Looks a key hash up in one index file: from the slot along the chain, the newest entry first. The bytes may be torn or hostile:
// an index that does not fall from step to step ends the walk, so it always ends.

import type { Clock } from '../../base/clock.ts';
import {
  ENTRY_SIZE_BYTES,
  entryPosition,
  FIRST_INDEX,
  type IndexGeometry,
  type IndexHeader,
  readEntry,
  SLOT_SIZE_BYTES,
  slotPosition,
} from './index-layout.ts';

/** Steps along a chain before others get their turn. */
const STEPS_PER_TURN = 1_000;

/** Bytes of one file: at once when they are in memory, else read off the loop. */
export interface IndexBytes {
  peek(position: number, lengthBytes: number): DataView | undefined;
  load(position: number, lengthBytes: number): Promise<DataView>;
}

export interface IndexLookup {
  readonly keyHash: number;
  readonly countMax: number;
  /** Both included, in the whole seconds that an entry knows. */
  readonly beginMs: number;
  readonly endMs: number;
}

/** Adds the physical offsets of matching entries to `found` until there are `countMax`. Rejects with a FileSystemError. */
export async function findInFile(options: {
  bytes: IndexBytes;
  header: IndexHeader;
  geometry: IndexGeometry;
  lookup: IndexLookup;
  found: number[];
  clock: Clock;
}): Promise<void> {
  const { bytes, header, geometry, lookup, found, clock } = options;
  const atSlot = slotPosition(lookup.keyHash % geometry.hashSlotCount);
  const slot = bytes.peek(atSlot, SLOT_SIZE_BYTES) ?? (await bytes.load(atSlot, SLOT_SIZE_BYTES));
  let index = slot.getInt32(0);
  let limit = Math.min(header.indexCount, geometry.entryCountMax);
  for (let step = 1; index >= FIRST_INDEX && index < limit && found.length < lookup.countMax; step++) {
    const atEntry = entryPosition(geometry, index);
    const entry = readEntry(bytes.peek(atEntry, ENTRY_SIZE_BYTES) ?? (await bytes.load(atEntry, ENTRY_SIZE_BYTES)), 0);
    if (entry.timeDiffSeconds < 0) return;
    const timeMs = header.beginTimestampMs + entry.timeDiffSeconds * 1_000;
    if (entry.keyHash === lookup.keyHash && timeMs >= lookup.beginMs && timeMs <= lookup.endMs) {
      found.push(entry.physicalOffset);
    }
    if (timeMs < lookup.beginMs) return;
    limit = index;
    index = entry.previousIndex;
    if (step % STEPS_PER_TURN === 0) await new Promise<void>((resolve) => clock.defer(resolve));
  }
}
