// The index files of a directory, read in blocks: headers, entries in the order of the log, slots. Nothing is mapped or changed.

import type { FileSystem } from '../file-system.ts';
import {
  ENTRY_SIZE_BYTES,
  entryPosition,
  fileSizeOf,
  FIRST_INDEX,
  HEADER_SIZE_BYTES,
  type IndexEntry,
  type IndexGeometry,
  type IndexHeader,
  isIndexFileName,
  readEntry,
  readHeader,
  SLOT_SIZE_BYTES,
  slotPosition,
} from '../index/index-layout.ts';

export interface InspectedIndexFile {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** undefined when the file is too short for one. */
  readonly header: IndexHeader | undefined;
}

export interface IndexListing {
  readonly files: readonly InspectedIndexFile[];
  readonly strangers: readonly string[];
  readonly geometry: IndexGeometry;
}

/** Files of other sizes than these settings give can't be read; see {@link detectGeometry}. */
export function listIndex(
  fileSystem: FileSystem,
  directory: string,
  geometry: IndexGeometry | undefined,
): IndexListing {
  const files: InspectedIndexFile[] = [];
  const strangers: string[] = [];
  for (const name of fileSystem.listSync(directory)) {
    const path = `${directory}/${name}`;
    if (!isIndexFileName(name)) {
      strangers.push(path);
      continue;
    }
    const sizeBytes = fileSystem.statusSync(path)?.sizeBytes ?? 0;
    const head = fileSystem.readFileAtSync(path, 0, HEADER_SIZE_BYTES);
    const header = head.length === HEADER_SIZE_BYTES ? readHeader(viewOf(head)) : undefined;
    files.push({ name, path, sizeBytes, header });
  }
  return { files, strangers, geometry: geometry ?? detectGeometry(fileSystem, files) };
}

/** An entry takes the place of so many slots. */
const SLOTS_PER_ENTRY = ENTRY_SIZE_BYTES / SLOT_SIZE_BYTES;
const APACHE_SLOT_COUNT = 5_000_000;
const APACHE_ENTRY_COUNT_MAX = 20_000_000;
/** Slots looked through at most when the settings have to be found from a file. */
const SEARCHED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A file does not say how many slots it has. Apache's default when the size is that of it; else the first entry gives it away: it
 * stands behind the slots, and its physical offset is the header's beginPhyOffset. Without an entry any split of the size will do.
 */
function detectGeometry(fileSystem: FileSystem, files: readonly InspectedIndexFile[]): IndexGeometry {
  const apache = { hashSlotCount: APACHE_SLOT_COUNT, entryCountMax: APACHE_ENTRY_COUNT_MAX };
  if (files.length === 0 || files.some(({ sizeBytes }) => sizeBytes === fileSizeOf(apache))) return apache;
  for (const file of files) {
    const { header } = file;
    if (header === undefined || header.indexCount <= FIRST_INDEX) continue;
    const found = searchGeometry(fileSystem, file, header);
    if (found !== undefined) return found;
  }
  // Nobody can tell, and nothing has to: without entries only the size counts, else every file is reported.
  const [first] = files;
  const isEmpty = files.every(({ header }) => header?.indexCount === FIRST_INDEX);
  return isEmpty && first !== undefined ? smallestGeometry(first.sizeBytes) : apache;
}

function smallestGeometry(fileSizeBytes: number): IndexGeometry {
  const roomBytes = fileSizeBytes - HEADER_SIZE_BYTES;
  const hashSlotCount = (roomBytes / SLOT_SIZE_BYTES) % SLOTS_PER_ENTRY || SLOTS_PER_ENTRY;
  return { hashSlotCount, entryCountMax: (roomBytes - hashSlotCount * SLOT_SIZE_BYTES) / ENTRY_SIZE_BYTES };
}

/** Tries every number of slots for which whole entries fill the rest and the first entry fits header and slots. */
function searchGeometry(
  fileSystem: FileSystem,
  file: InspectedIndexFile,
  header: IndexHeader,
): IndexGeometry | undefined {
  const bytes = fileSystem.readFileAtSync(file.path, 0, Math.min(file.sizeBytes, SEARCHED_BYTES_MAX));
  const view = viewOf(bytes);
  const roomBytes = file.sizeBytes - HEADER_SIZE_BYTES;
  if (roomBytes % SLOT_SIZE_BYTES !== 0) return undefined;
  // Slots and entries fill the file exactly: the number of slots is known up to multiples of what an entry takes.
  for (let slots = smallestGeometry(file.sizeBytes).hashSlotCount; ; slots += SLOTS_PER_ENTRY) {
    const geometry = { hashSlotCount: slots, entryCountMax: (roomBytes - slots * SLOT_SIZE_BYTES) / ENTRY_SIZE_BYTES };
    if (geometry.entryCountMax < header.indexCount) return undefined;
    const first = entryPosition(geometry, FIRST_INDEX);
    const last = entryPosition(geometry, header.indexCount - 1);
    if (first + ENTRY_SIZE_BYTES > bytes.length) return undefined;
    const entry = readEntry(view, first);
    if (entry.physicalOffset !== header.beginPhyOffset || entry.previousIndex !== 0) continue;
    if (!bytes.subarray(first - ENTRY_SIZE_BYTES, first).every((byte) => byte === 0)) continue;
    const lastEntry =
      last + ENTRY_SIZE_BYTES <= bytes.length
        ? readEntry(view, last)
        : readEntry(viewOf(fileSystem.readFileAtSync(file.path, last, ENTRY_SIZE_BYTES)), 0);
    const head = view.getInt32(slotPosition(lastEntry.keyHash % slots));
    if (lastEntry.physicalOffset === header.endPhyOffset && head === header.indexCount - 1) return geometry;
  }
}

export interface IndexItem {
  readonly file: InspectedIndexFile;
  readonly index: number;
  readonly entry: IndexEntry;
}

const BLOCK_ENTRIES = 3_200;

/** The entries of one file that its header counts, as far as the file reaches. */
export function* walkIndexFile(
  fileSystem: FileSystem,
  file: InspectedIndexFile,
  geometry: IndexGeometry,
): Generator<IndexItem, void, undefined> {
  const indexCount = Math.min(file.header?.indexCount ?? 0, geometry.entryCountMax);
  for (let start = FIRST_INDEX; start < indexCount; start += BLOCK_ENTRIES) {
    const lengthBytes = Math.min(BLOCK_ENTRIES, indexCount - start) * ENTRY_SIZE_BYTES;
    const bytes = fileSystem.readFileAtSync(file.path, entryPosition(geometry, start), lengthBytes);
    const view = viewOf(bytes);
    for (let at = 0; at + ENTRY_SIZE_BYTES <= bytes.length; at += ENTRY_SIZE_BYTES) {
      yield { file, index: start + at / ENTRY_SIZE_BYTES, entry: readEntry(view, at) };
    }
  }
}

const SLOT_BLOCK_BYTES = 256 * 1024;

/** Calls back for each slot. */
export function walkSlots(
  fileSystem: FileSystem,
  file: InspectedIndexFile,
  geometry: IndexGeometry,
  visit: (slot: number, head: number) => void,
): void {
  const end = entryPosition(geometry, 0);
  for (let position = slotPosition(0); position < end; position += SLOT_BLOCK_BYTES) {
    const bytes = fileSystem.readFileAtSync(file.path, position, Math.min(SLOT_BLOCK_BYTES, end - position));
    const view = viewOf(bytes);
    const firstSlot = (position - slotPosition(0)) / SLOT_SIZE_BYTES;
    for (let at = 0; at + SLOT_SIZE_BYTES <= bytes.length; at += SLOT_SIZE_BYTES) {
      visit(firstSlot + at / SLOT_SIZE_BYTES, view.getInt32(at));
    }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
