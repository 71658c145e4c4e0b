// The key-value store on LMDB: one environment, one tree, in `<root>/cometmq/state/`. Of this room only this file knows LMDB, and
// it loads the module only when it opens one.
//
// | row     | offset | size | field                                                       |
// |---------|--------|------|-------------------------------------------------------------|
// | CRC     | 0      | 4    | CRC-32 of the value, exclusive-or CRC-32 of the key (UTF-8) |
// | value   | 4      | n    |                                                             |

import type { RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { crc32 } from '../../base/crc32.ts';
import { describeError, errorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { FileSystem } from '../file-system.ts';
import { StoreError } from '../store-errors.ts';
import type { KeyValueChange, KeyValueEntry, KeyValueOrigin, KeyValueStore } from './key-value-store.ts';
import { checkLmdbFile } from './lmdb-file-check.ts';
import { loadOf, LmdbRoom, type LmdbStatistics } from './lmdb-room.ts';

export interface LmdbOptions {
  /** Made when missing. LMDB's two files lie in it. */
  readonly directory: string;
  /** Where files that can't be read are moved to. */
  readonly quarantineDirectory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Address space for the data file. LMDB takes more when that is used up, by mapping the file anew. */
  readonly mapSizeBytes?: number;
}

const MAP_SIZE_BYTES = 4 * 1024 * 1024 * 1024;
/** From here on the operator should hear of it. */
const MAP_USED_WARNING_PERCENT = 70;
const OWNER_ONLY = 0o600;
const CRC_SIZE_BYTES = 4;
const DATA_FILE = 'data.mdb';
const LOCK_FILE = 'lock.mdb';

const ERRNO_NO_SPACE = 28;
const ERRNO_IO = 5;
/** LMDB reports a write that was cut short by a full disk as EIO; with less than this available we take it for what it is. */
const LOW_SPACE_BYTES = 64 * 1024 * 1024;
/** LMDB hands the reason of a failed commit over separately; waiting for it has an end. */
const REASON_WAIT_MS = 1_000;

/**
 * Opens the environment. Files that LMDB could not read, or whose rows are damaged, are moved to the quarantine and replaced by
 * an empty environment; `origin` is then 'rebuilt', as it is when the files have vanished.
 */
export async function openLmdbKeyValueStore(options: LmdbOptions): Promise<KeyValueStore> {
  const { fileSystem, directory } = options;
  fileSystem.makeDirectorySync(directory);
  const markerPath = `${directory}.created`; // beside the directory: it tells a lost environment from one that never was
  const wasThere = fileSystem.statusSync(markerPath) !== undefined;
  const sizeBytes = fileSystem.statusSync(`${directory}/${DATA_FILE}`)?.sizeBytes ?? 0;
  const isUsable = sizeBytes > 0 && isFileGood(options);
  let database = await openDatabase(options);
  const problem = rowProblem(database);
  if (problem !== undefined) {
    await database.close();
    moveToQuarantine(options, problem);
    database = await openDatabase(options);
  }
  if (!wasThere)
    await fileSystem.replaceFile(markerPath, Buffer.from('CometMQ keeps its state tables in the directory beside.\n'));
  warnWhenFull(options, database);
  const isExisting = isUsable && problem === undefined;
  const origin = isExisting ? 'existing' : wasThere || sizeBytes > 0 ? 'rebuilt' : 'new';
  return new LmdbKeyValueStore(options, database, origin);
}

class LmdbKeyValueStore implements KeyValueStore {
  readonly origin: KeyValueOrigin;
  readonly #options: LmdbOptions;
  readonly #database: RootDatabase<Buffer, Buffer>;
  readonly #room: LmdbRoom;
  /** The last batch that was let in or refused: they go in one by one, in the order of the calls. */
  #admission: Promise<unknown> = Promise.resolve();
  readonly #pending = new Set<Promise<unknown>>();
  #failure: StoreError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: LmdbOptions, database: RootDatabase<Buffer, Buffer>, origin: KeyValueOrigin) {
    this.#options = options;
    this.#database = database;
    const statistics = (): LmdbStatistics => statisticsOf(database);
    this.#room = new LmdbRoom(options.fileSystem, `${options.directory}/${DATA_FILE}`, statistics);
    this.origin = origin;
  }

  get(key: string): Buffer | undefined {
    assert(this.#closing === undefined, 'the key-value store is open');
    const row = this.#database.get(Buffer.from(key));
    return row === undefined ? undefined : Buffer.from(row.subarray(CRC_SIZE_BYTES));
  }

  /** Collected at once: a reader that stays open would keep LMDB from using pages again. */
  range(prefix: string): Iterable<KeyValueEntry> {
    assert(this.#closing === undefined, 'the key-value store is open');
    const start = Buffer.from(prefix);
    const entries: KeyValueEntry[] = [];
    for (const { key, value } of this.#database.getRange({ start })) {
      if (!start.equals(key.subarray(0, start.length))) break;
      entries.push({ key: key.toString(), value: Buffer.from(value.subarray(CRC_SIZE_BYTES)) });
    }
    return entries;
  }

  commit(changes: readonly KeyValueChange[]): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const commit = this.#commit(changes);
    this.#pending.add(commit);
    return commit.finally(() => this.#pending.delete(commit));
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#pending).then(() => this.#database.close());
    return this.#closing;
  }

  async #commit(changes: readonly KeyValueChange[]): Promise<void> {
    const rows = changes.map(({ key, value }) => ({ key: Buffer.from(key), row: value && encodeRow(key, value) }));
    const load = loadOf(rows);
    const admitted = this.#admission.then(() => this.#room.admit(load));
    this.#admission = admitted.catch(() => undefined); // told to the caller, below
    let isAdmitted = false;
    let isDone: boolean;
    try {
      await admitted;
      isAdmitted = true;
      if (this.#failure !== undefined) throw this.#failure; // of a batch that was let in before
      isDone = await this.#database.batch(() => {
        for (const { key, row } of rows) {
          if (row === undefined) void this.#database.remove(key);
          else void this.#database.put(key, row);
        }
      });
    } catch (error) {
      throw await this.#explain(error);
    } finally {
      if (isAdmitted) this.#room.release(load);
    }
    assert(isDone, 'a batch without a condition is done or rejected');
  }

  async #explain(error: unknown): Promise<StoreError> {
    const cause = await commitError(error, this.#options.clock);
    const errno = errnoOf(cause);
    const { directory } = this.#options;
    const details = { directory, errno };
    const isFull = errorCode(cause) === 'ERR_FS_NO_SPACE' || errno === ERRNO_NO_SPACE;
    if (isFull || (errno === ERRNO_IO && this.#hasLowSpace())) {
      const message = `There is no room for the state tables in ${directory}; make room, they are written then.`;
      return new StoreError('ERR_STORE_NO_SPACE', message, details, { cause });
    }
    const message = `The state tables in ${directory} could not be written (${describeError(cause)}); check the disk and restart.`;
    this.#failure ??= new StoreError('ERR_STORE_FENCED', message, details, { cause });
    return this.#failure;
  }

  #hasLowSpace(): boolean {
    return this.#options.fileSystem.spaceOf(this.#options.directory).availableBytes < LOW_SPACE_BYTES;
  }
}

async function openDatabase(options: LmdbOptions): Promise<RootDatabase<Buffer, Buffer>> {
  const { open } = await import('lmdb');
  const settings: RootDatabaseOptionsWithPath & { readonly permissionsMode: number } = {
    path: options.directory,
    noSubdir: false,
    // The default acknowledges a commit before the mark by which recovery finds it is durable.
    overlappingSync: false,
    // Otherwise LMDB wraps what one turn writes in a promise of its own, whose rejection nobody can catch.
    eventTurnBatching: false,
    mapSize: options.mapSizeBytes ?? MAP_SIZE_BYTES,
    maxDbs: 1,
    encoding: 'binary',
    keyEncoding: 'binary',
    cache: false,
    permissionsMode: OWNER_ONLY,
  };
  try {
    return open<Buffer, Buffer>(settings);
  } catch (error) {
    const message = `The state tables in ${options.directory} can't be opened (${describeError(error)}); check owner and disk.`;
    const code = errnoOf(error) === ERRNO_NO_SPACE ? 'ERR_STORE_NO_SPACE' : 'ERR_STORE_BAD_FILE';
    throw new StoreError(code, message, { directory: options.directory }, { cause: error });
  }
}

/** True when LMDB may map the file; moves it away when not. */
function isFileGood(options: LmdbOptions): boolean {
  const path = `${options.directory}/${DATA_FILE}`;
  const verdict = checkLmdbFile(options.fileSystem, path);
  if (verdict.kind === 'good') return true;
  if (verdict.kind === 'other-version') {
    throw new StoreError(
      'ERR_STORE_BAD_FILE',
      `${path} has LMDB's format ${verdict.version}, which this version can't read: open it with the version that wrote it, or ` +
        'move it aside to rebuild the tables from config/*.json.',
      { path, version: verdict.version },
    );
  }
  moveToQuarantine(options, verdict.reason);
  return false;
}

/** Why the rows can't be trusted, or undefined. */
function rowProblem(database: RootDatabase<Buffer, Buffer>): string | undefined {
  for (const { key, value } of database.getRange({})) {
    const isLongEnough = value.length >= CRC_SIZE_BYTES;
    const crc = (crc32(value.subarray(CRC_SIZE_BYTES)) ^ crc32(key)) >>> 0;
    if (!isLongEnough || value.readUInt32BE(0) !== crc)
      return `the row ${JSON.stringify(key.toString())} fails its CRC`;
  }
  return undefined;
}

function moveToQuarantine(options: LmdbOptions, reason: string): void {
  const { fileSystem, directory, quarantineDirectory, clock, logger } = options;
  const movedTo = `${quarantineDirectory}/state-${clock.nowMs()}`;
  fileSystem.makeDirectorySync(quarantineDirectory);
  fileSystem.makeDirectorySync(movedTo);
  fileSystem.renameSync(`${directory}/${DATA_FILE}`, `${movedTo}/${DATA_FILE}`);
  fileSystem.removeSync(`${directory}/${LOCK_FILE}`); // who reads and writes now; nothing worth keeping
  logger.warn('store.state.environment-damaged', { directory, movedTo, reason });
}

function warnWhenFull(options: LmdbOptions, database: RootDatabase<Buffer, Buffer>): void {
  const stats = statisticsOf(database);
  const usedBytes = (stats.lastPageNumber + 1) * stats.pageSize;
  const mapSizeBytes = options.mapSizeBytes ?? MAP_SIZE_BYTES;
  if (usedBytes * 100 < mapSizeBytes * MAP_USED_WARNING_PERCENT) return;
  options.logger.warn('store.state.nearly-full', { directory: options.directory, usedBytes, mapSizeBytes });
}

function statisticsOf(database: RootDatabase<Buffer, Buffer>): LmdbStatistics {
  return database.getStats() as LmdbStatistics; // whose type says no more than that it is an object
}

function encodeRow(key: string, value: Buffer): Buffer {
  const row = Buffer.allocUnsafe(CRC_SIZE_BYTES + value.length);
  row.writeUInt32BE((crc32(value) ^ crc32(Buffer.from(key))) >>> 0, 0);
  value.copy(row, CRC_SIZE_BYTES);
  return row;
}

/** LMDB rejects with "Commit failed" and puts the reason into a second promise. */
async function commitError(error: unknown, clock: Clock): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  const reason = Promise.resolve(error.commitError).then(
    () => error,
    (cause: unknown) => cause,
  );
  const timeout = new Promise<unknown>((resolve) => clock.schedule(REASON_WAIT_MS, () => resolve(error)));
  return Promise.race([reason, timeout]);
}

function errnoOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
}

function closed(): StoreError {
  return new StoreError('ERR_STORE_CLOSED', 'The key-value store is closed; open the store again.');
}

/** What {@link readLmdbRows} found. */
export interface LmdbRows {
  readonly rows: ReadonlyMap<string, Buffer>;
  /** Why the files or some rows can't be read; such rows are left out. */
  readonly problems: readonly string[];
}

/**
 * Every row, for tools: opens the environment for reading only, changes nothing but LMDB's own lock file, moves nothing away.
 * undefined when there is no environment. Nobody else may have it open for writing in this process.
 */
export async function readLmdbRows(fileSystem: FileSystem, directory: string): Promise<LmdbRows | undefined> {
  const path = `${directory}/${DATA_FILE}`;
  if ((fileSystem.statusSync(path)?.sizeBytes ?? 0) === 0) return undefined;
  const verdict = checkLmdbFile(fileSystem, path);
  const rows = new Map<string, Buffer>();
  if (verdict.kind === 'damaged') return { rows, problems: [`${path} is damaged: ${verdict.reason}`] };
  if (verdict.kind === 'other-version') return { rows, problems: [`${path} has LMDB's format ${verdict.version}`] };
  const { open } = await import('lmdb');
  const database = open<Buffer, Buffer>({
    path: directory,
    noSubdir: false,
    readOnly: true,
    maxDbs: 1,
    encoding: 'binary',
    keyEncoding: 'binary',
    cache: false,
  });
  const problems: string[] = [];
  try {
    for (const { key, value } of database.getRange({})) {
      const crc = (crc32(value.subarray(CRC_SIZE_BYTES)) ^ crc32(key)) >>> 0;
      if (value.length >= CRC_SIZE_BYTES && value.readUInt32BE(0) === crc) {
        rows.set(key.toString(), Buffer.from(value.subarray(CRC_SIZE_BYTES)));
      } else {
        problems.push(`${path} has a row ${JSON.stringify(key.toString())} that fails its CRC`);
      }
    }
  } finally {
    await database.close();
  }
  return { rows, problems };
}
