// What the store commands share: the directory from the command line, its lock, the flags that say how it was made, and writing
// to a pipe that may close.

import { lockDirectory, requireStore } from '../../../store/inspect/directory-access.ts';
import type { IndexGeometry } from '../../../store/index/index-layout.ts';
import type { FileSystem } from '../../../store/file-system.ts';
import { NodeFileSystem } from '../../../store/node-file-system.ts';
import { storePaths, type StorePaths } from '../../../store/store-paths.ts';
import { wholeNumber } from '../../parse-flags.ts';
import { UsageError } from '../../usage-error.ts';

/** Flags of every store command. */
export const COMMON_OPTIONS = {
  'commit-log-dir': { type: 'string' },
  'segment-size': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export const COMMON_HELP = `  --commit-log-dir DIR    where the log lies when not in DIR/commitlog (storePathCommitLog)
  --segment-size BYTES    size of a log segment (mappedFileSizeCommitLog); found from the files by default
  -h, --help              this text
`;

export const INDEX_OPTIONS = {
  'index-slots': { type: 'string' },
  'index-entries': { type: 'string' },
} as const;

export const INDEX_HELP = `  --index-slots N         slots of an index file (maxHashSlotNum) and
  --index-entries N       its entries (maxIndexNum); both found from the files by default
`;

export interface StoreDirectory {
  readonly fileSystem: FileSystem;
  readonly paths: StorePaths;
}

/** The directory, which is the first argument, and the rest of them: at most `restMax`. */
export function directoryOf(
  positionals: readonly string[],
  commitLogDirectory: string | undefined,
  see: string,
  restMax = 0,
): StoreDirectory & { readonly rest: readonly string[] } {
  const [dir, ...rest] = positionals;
  if (dir === undefined) throw new UsageError('Name the data directory.', see);
  const fileSystem = new NodeFileSystem();
  const paths = storePaths(dir, commitLogDirectory);
  requireStore(fileSystem, paths);
  const tooMany = rest[restMax];
  if (tooMany !== undefined) throw new UsageError(`"${tooMany}" is one argument too many.`, see);
  return { fileSystem, paths, rest };
}

/** Runs `work` while nobody else can own the directory. */
export async function whileLocked<Result>(
  { fileSystem, paths }: StoreDirectory,
  work: () => Promise<Result>,
): Promise<Result> {
  const lock = lockDirectory(fileSystem, paths, `${process.pid}\n`);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

export function segmentSizeOf(text: string | undefined, see: string): { segmentSizeBytes?: number } {
  if (text === undefined) return {};
  return { segmentSizeBytes: wholeNumber('--segment-size', text, { min: 1, max: Number.MAX_SAFE_INTEGER }, see) };
}

export function geometryOf(
  flags: { readonly 'index-slots'?: string | undefined; readonly 'index-entries'?: string | undefined },
  see: string,
): { geometry?: IndexGeometry } {
  const { 'index-slots': slots, 'index-entries': entries } = flags;
  if (slots === undefined && entries === undefined) return {};
  if (slots === undefined || entries === undefined)
    throw new UsageError('--index-slots and --index-entries go together.', see);
  const bounds = { min: 1, max: 0x7fff_ffff };
  return {
    geometry: {
      hashSlotCount: wholeNumber('--index-slots', slots, bounds, see),
      entryCountMax: wholeNumber('--index-entries', entries, bounds, see),
    },
  };
}

/** Writes lines to standard output, no faster than they are read; false when nobody reads any more (`| head`). */
export class LineWriter {
  #isClosed = false;
  #waiting: Promise<void> | undefined;

  constructor() {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#isClosed = true;
    });
    process.stdout.on('close', () => (this.#isClosed = true));
  }

  write(line: string): boolean {
    if (this.#isClosed) return false;
    if (!process.stdout.write(`${line}\n`)) {
      this.#waiting ??= new Promise<void>((resolve) => {
        const done = (): void => {
          process.stdout.off('drain', done);
          process.stdout.off('close', done);
          process.stdout.off('error', done);
          this.#waiting = undefined;
          resolve();
        };
        process.stdout.on('drain', done);
        process.stdout.on('close', done);
        process.stdout.on('error', done);
      });
    }
    return true;
  }

  /** Resolves when more may be written. */
  ready(): Promise<void> {
    return this.#waiting ?? Promise.resolve();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }
}
