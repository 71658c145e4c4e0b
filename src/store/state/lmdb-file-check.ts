// Reads an LMDB data file page by page before LMDB maps it: LMDB trusts its pages, so a file that was cut or whose pages were
// damaged would end the process (a fault in native code) instead of being an error. What the rows hold is checked elsewhere.
//
// Layout of format version 2 on a 64-bit little-endian machine (LMDB's own; nothing of it is written here):
//
// | page header      | offset | size | meta page (0 and 1) | offset | size | tree record | offset | size |
// |------------------|--------|------|---------------------|--------|------|-------------|--------|------|
// | page number      | 0      | 8    | magic               | 24     | 4    | page size   | 0      | 4    |
// | transaction      | 8      | 8    | version             | 28     | 4    | flags       | 4      | 2    |
// | pad              | 16     | 2    | address, map size   | 32     | 16   | depth       | 6      | 2    |
// | flags            | 18     | 2    | free tree           | 48     | 48   | page counts | 8      | 24   |
// | lower, upper     | 20     | 4    | main tree           | 96     | 48   | entries     | 32     | 8    |
// | (or: page count) | 20     | 4    | last page           | 144    | 8    | root page   | 40     | 8    |
// |                  |        |      | transaction         | 152    | 8    |             |        |      |
//
// A page's entries are found through 2-byte pointers after its header, relative to it; an entry is 8 bytes (size or page
// number in 6, flags in 2 of them, key size 2), then the key, then the data or, when flag 1 is set, the overflow page's number.
// The free tree's data are lists of 8-byte numbers, the first of which counts the others: a page number, a negative run length
// before the first page of a run, or 0 for nothing.

import type { FileSystem } from '../file-system.ts';

const HEADER_SIZE_BYTES = 24;
const MAGIC = 0xbeefc0de;
const FORMAT_VERSION = 2;
const FREE_TREE_POSITION = 48;
const MAIN_TREE_POSITION = 96;
const LAST_PAGE_POSITION = 144;
const TRANSACTION_POSITION = 152;
const META_SIZE_BYTES = 160;
const NODE_SIZE_BYTES = 8;
const OVERFLOW_DATA_SIZE_BYTES = 24;
const FLAG_BRANCH = 0x01;
const FLAG_LEAF = 0x02;
const FLAG_OVERFLOW = 0x04;
const NODE_BIG_DATA = 0x01;
const PAGE_SIZES = [4_096, 8_192, 16_384, 32_768];
const READ_SIZE_BYTES = 1024 * 1024;
const DEPTH_MAX = 32;

export type LmdbFileVerdict =
  | { readonly kind: 'good' }
  /** Not damaged, but not for this version of LMDB either. */
  | { readonly kind: 'other-version'; readonly version: number }
  | { readonly kind: 'damaged'; readonly reason: string };

/** Thrown inside this file only. */
class Damage extends Error {}

interface Tree {
  readonly depth: number;
  readonly entryCount: number;
  /** −1 when the tree is empty. */
  readonly rootPage: number;
}

interface Meta {
  readonly pageSizeBytes: number;
  readonly lastPage: number;
  readonly transaction: number;
  readonly trees: readonly Tree[];
}

/** The file must exist and not be open. Reads every page that can be reached. */
export function checkLmdbFile(fileSystem: FileSystem, path: string): LmdbFileVerdict {
  const sizeBytes = fileSystem.statusSync(path)?.sizeBytes ?? 0;
  try {
    const file = new PagedFile(fileSystem, path, sizeBytes);
    const version = file.bytes(0, META_SIZE_BYTES).readUInt32LE(28) & 0xffff;
    if (file.bytes(0, META_SIZE_BYTES).readUInt32LE(24) === MAGIC && version !== FORMAT_VERSION) {
      return { kind: 'other-version', version };
    }
    const first = readMeta(file, 0);
    const second = readMeta(file, first.pageSizeBytes);
    const meta = second.transaction > first.transaction ? second : first;
    new TreeCheck(file, meta).run();
    return { kind: 'good' };
  } catch (error) {
    if (error instanceof Damage) return { kind: 'damaged', reason: error.message };
    throw error;
  }
}

/** The file in large reads; pages of one tree lie anywhere. */
class PagedFile {
  readonly sizeBytes: number;
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #reads = new Map<number, Buffer>();

  constructor(fileSystem: FileSystem, path: string, sizeBytes: number) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.sizeBytes = sizeBytes;
  }

  /** A view; the range must not cross a multiple of the largest page size. */
  bytes(position: number, lengthBytes: number): Buffer {
    if (position + lengthBytes > this.sizeBytes)
      throw new Damage(`the file ends before byte ${position + lengthBytes}`);
    const start = position - (position % READ_SIZE_BYTES);
    let read = this.#reads.get(start);
    if (read === undefined) {
      read = this.#fileSystem.readFileAtSync(this.#path, start, Math.min(READ_SIZE_BYTES, this.sizeBytes - start));
      this.#reads.set(start, read);
    }
    return read.subarray(position - start, position - start + lengthBytes);
  }
}

function readMeta(file: PagedFile, position: number): Meta {
  const bytes = file.bytes(position, META_SIZE_BYTES);
  if (bytes.readUInt32LE(24) !== MAGIC) throw new Damage(`there is no LMDB header at byte ${position}`);
  const pageSizeBytes = bytes.readUInt32LE(FREE_TREE_POSITION);
  if (!PAGE_SIZES.includes(pageSizeBytes)) throw new Damage(`a page size of ${pageSizeBytes} bytes can't be`);
  return {
    pageSizeBytes,
    lastPage: readNumber(bytes, LAST_PAGE_POSITION),
    transaction: readNumber(bytes, TRANSACTION_POSITION),
    trees: [FREE_TREE_POSITION, MAIN_TREE_POSITION].map((place) => ({
      depth: bytes.readUInt16LE(place + 6),
      entryCount: readNumber(bytes, place + 32),
      rootPage: bytes.readBigInt64LE(place + 40) === -1n ? -1 : readNumber(bytes, place + 40),
    })),
  };
}

function readNumber(bytes: Buffer, position: number): number {
  const value = bytes.readBigUInt64LE(position);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Damage(`the number at byte ${position} of a page can't be`);
  return Number(value);
}

class TreeCheck {
  readonly #file: PagedFile;
  readonly #meta: Meta;
  readonly #seen = new Set<number>();
  /** Runs of free pages: the first one and how many. */
  readonly #free: [number, number][] = [];
  #isFreeTree = false;
  #entryCount = 0;

  constructor(file: PagedFile, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
  }

  run(): void {
    for (const [index, tree] of this.#meta.trees.entries()) {
      this.#isFreeTree = index === 0;
      this.#entryCount = 0;
      if (tree.depth > DEPTH_MAX) throw new Damage(`a tree of depth ${tree.depth} can't be`);
      if (tree.rootPage !== -1) this.#page(tree.rootPage, tree.depth);
      if (this.#entryCount !== tree.entryCount) {
        throw new Damage(`a tree has ${this.#entryCount} entries and says ${tree.entryCount}`);
      }
    }
    // LMDB would write new pages over these: none may belong to a tree.
    for (const [first, pageCount] of this.#free) this.#claim(first, pageCount);
  }

  /** `depth` 1 is a leaf. */
  #page(page: number, depth: number): void {
    const bytes = this.#take(page, 1);
    const flags = bytes.readUInt16LE(18);
    const lower = bytes.readUInt16LE(20);
    const upper = bytes.readUInt16LE(22);
    const roomBytes = this.#meta.pageSizeBytes - HEADER_SIZE_BYTES;
    const expected = depth === 1 ? FLAG_LEAF : FLAG_BRANCH;
    if ((flags & 0x7f) !== expected) throw new Damage(`page ${page} has the flags ${flags} at depth ${depth}`);
    if (lower % 2 !== 0 || lower > upper || upper > roomBytes)
      throw new Damage(`page ${page} is filled from ${lower} to ${upper}`);
    for (let place = 0; place < lower; place += 2) {
      const pointer = bytes.readUInt16LE(HEADER_SIZE_BYTES + place);
      if (pointer < upper || pointer + NODE_SIZE_BYTES > roomBytes)
        throw new Damage(`page ${page} points to ${pointer}`);
      const node = bytes.subarray(HEADER_SIZE_BYTES + pointer);
      if (depth === 1) this.#leafNode(page, node, page * this.#meta.pageSizeBytes + HEADER_SIZE_BYTES + pointer);
      else this.#branchNode(page, node, depth);
    }
  }

  #branchNode(page: number, node: Buffer, depth: number): void {
    const keySizeBytes = node.readUInt16LE(6);
    if (NODE_SIZE_BYTES + keySizeBytes > node.length) throw new Damage(`a key of page ${page} leaves the page`);
    this.#page(node.readUIntLE(0, 6), depth - 1);
  }

  #leafNode(page: number, node: Buffer, nodePosition: number): void {
    this.#entryCount += 1;
    const dataSizeBytes = node.readUInt32LE(0);
    const flags = node.readUInt16LE(4);
    const dataPosition = NODE_SIZE_BYTES + node.readUInt16LE(6);
    const isBig = flags === NODE_BIG_DATA;
    if (flags !== 0 && !isBig) throw new Damage(`an entry of page ${page} has the flags ${flags}`);
    const dataEnd = dataPosition + (isBig ? OVERFLOW_DATA_SIZE_BYTES : dataSizeBytes);
    if (dataEnd > node.length) throw new Damage(`an entry of page ${page} leaves the page`);
    const first = isBig ? this.#overflow(node, dataPosition, dataSizeBytes) : undefined;
    if (!this.#isFreeTree) return;
    const inFile =
      first === undefined ? nodePosition + dataPosition : first * this.#meta.pageSizeBytes + HEADER_SIZE_BYTES;
    this.#freeList(page, inFile, dataSizeBytes);
  }

  /** The number of the first page that holds the data. */
  #overflow(node: Buffer, dataPosition: number, dataSizeBytes: number): number {
    const pageCount = Math.floor((HEADER_SIZE_BYTES - 1 + dataSizeBytes) / this.#meta.pageSizeBytes) + 1;
    const first = readNumber(node, dataPosition);
    const header = this.#file.bytes(this.#checkedPosition(first), HEADER_SIZE_BYTES);
    const ownedCount = header.readUInt32LE(20);
    const isOverflow = (header.readUInt16LE(18) & 0x7f) === FLAG_OVERFLOW;
    // More than the data need when a row became shorter in the transaction that gave it the pages: LMDB leaves it there.
    const isEnough = ownedCount >= pageCount && readNumber(node, dataPosition + 16) === ownedCount;
    if (!isOverflow || !isEnough) throw new Damage(`page ${first} is no overflow of ${pageCount} pages`);
    this.#take(first, ownedCount);
    return first;
  }

  #freeList(page: number, position: number, sizeBytes: number): void {
    const numberAt = (index: number): bigint => this.#file.bytes(position + index * 8, 8).readBigInt64LE(0);
    const count = sizeBytes >= 8 ? Number(numberAt(0)) : -1;
    if (count < 0 || (count + 1) * 8 > sizeBytes)
      throw new Damage(`a list of free pages of page ${page} counts ${count}`);
    for (let index = 1; index <= count; index++) {
      const entry = Number(numberAt(index));
      if (entry > 0) this.#free.push([entry, 1]);
      if (entry >= 0) continue;
      index += 1;
      if (index > count) throw new Damage(`a list of free pages of page ${page} ends within a run`);
      this.#free.push([Number(numberAt(index)), -entry]);
    }
  }

  #checkedPosition(page: number): number {
    if (page < 2 || page > this.#meta.lastPage) throw new Damage(`page ${page} is outside the file`);
    return page * this.#meta.pageSizeBytes;
  }

  /** The first of `pageCount` pages, none of which may belong to something else. */
  #take(page: number, pageCount: number): Buffer {
    this.#claim(page, pageCount);
    const { pageSizeBytes } = this.#meta;
    const end = (page + pageCount) * pageSizeBytes;
    if (end > this.#file.sizeBytes) throw new Damage(`the file ends before byte ${end}`);
    const bytes = this.#file.bytes(page * pageSizeBytes, pageSizeBytes);
    if (readNumber(bytes, 0) !== page) throw new Damage(`page ${page} says that it is another`);
    return bytes;
  }

  #claim(page: number, pageCount: number): void {
    const { lastPage } = this.#meta;
    if (page < 2 || page + pageCount - 1 > lastPage) throw new Damage(`page ${page} is outside the file`);
    for (let next = page; next < page + pageCount; next++) {
      if (this.#seen.has(next)) throw new Damage(`page ${next} is used twice`);
      this.#seen.add(next);
    }
  }
}
