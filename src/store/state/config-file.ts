// One of Apache's files under config/ and its table: decides at open which of the two is newer, and writes the file after
// changes, off the loop and in slices, with Apache's habit of keeping the previous one as `.bak`.
//
// At open ("record" = the key-value store has this table; "ours" = the bytes are an export of ours, see export-record.ts):
//
// |   | record | file            | .bak            | Decision                                                         |
// |---|--------|-----------------|-----------------|------------------------------------------------------------------|
// | A | yes    | good, ours      | any             | keep: the key-value store is at least as new                     |
// | B | yes    | good, not ours  | any             | import: Apache ran, or an operator changed it                    |
// | C | yes    | missing, damaged| good, ours      | keep                                                             |
// | D | yes    | missing, damaged| good, not ours  | import the .bak, as Apache would                                 |
// | E | yes    | missing, damaged| missing, damaged| keep                                                             |
// | F | no     | good            | any             | import: first open, or the key-value store was lost              |
// | G | no     | missing, damaged| good            | import the .bak                                                  |
// | H | no     | missing         | missing         | start empty                                                      |
// | I | no     | one of them damaged, none good  || refuse to open: empty tables would look like a loss to everybody  |
//
// A damaged file is moved to the quarantine, never deleted, and replaced by an export.

import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../base/clock.ts';
import { describeError, errorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { FileSystem } from '../file-system.ts';
import { StoreError } from '../store-errors.ts';
import { parseConfigFile, type ConfigContent, type JsonObject, type SkippedEntry } from './config-json.ts';
import {
  contentHash,
  decodeExportRecord,
  encodeExportRecord,
  isOwnBackup,
  isOwnExport,
  recordAfter,
  recordBefore,
  type ExportRecord,
} from './export-record.ts';
import type { KeyValueStore } from './key-value-store.ts';
import { nextTurn, Slice } from './slices.ts';
import type { StateRow, StateWriter } from './state-writer.ts';

export interface ConfigFileOptions {
  readonly fileSystem: FileSystem;
  readonly keyValues: KeyValueStore;
  readonly writer: StateWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly configDirectory: string;
  readonly quarantineDirectory: string;
  /** How long after a change the file is written. */
  readonly exportDelayMs: number;
}

type FileState =
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'good'; readonly hash: string; readonly root: JsonObject };

const PIECES_PER_SLICE = 256;
const BYTES_PER_SLICE = 256 * 1024;
/** The first entries that an import skips are named in the log, then only their number. */
const SKIPPED_NAMED_MAX = 20;
const RETRY_DELAY_MS = 5_000;
/** After an export that took so long, the next one waits so many times as long: a table that grows does not take over the loop. */
const REST_PER_EXPORT = 20;

export class ConfigFile {
  readonly #options: ConfigFileOptions;
  readonly #content: ConfigContent;
  readonly #path: string;
  readonly #recordRow: StateRow;
  #record: ExportRecord = { backups: [] };
  #isChanged = false;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  /** Of the last export. */
  #durationMs = 0;

  constructor(options: ConfigFileOptions, content: ConfigContent) {
    this.#options = options;
    this.#content = content;
    this.#path = `${options.configDirectory}/${content.fileName}`;
    this.#recordRow = {
      key: `x/${content.fileName}`,
      isMarked: false,
      encode: () => encodeExportRecord(this.#record),
    };
  }

  get path(): string {
    return this.#path;
  }

  /**
   * At open, after the table was read from the key-value store. Imports when the file is newer; the rows are then marked but not
   * durable yet. Returns what must follow once they are: noting whose file this is (undefined: nothing).
   * Throws 'ERR_STORE_BAD_FILE' in case I.
   */
  load(): (() => void) | undefined {
    const stored = this.#options.keyValues.get(this.#recordRow.key);
    if (stored !== undefined) this.#record = decodeExportRecord(stored);
    const bytes = this.#read(this.#path);
    if (stored !== undefined && bytes !== undefined && isOwnExport(this.#record, contentHash(bytes))) return undefined; // A
    const main = this.#judge(bytes);
    if (main.kind === 'good') return this.#import(this.#path, main, { last: main.hash, backups: this.#record.backups }); // B F
    const backupPath = `${this.#path}.bak`;
    const backup = this.#judge(this.#read(backupPath));
    const isDamaged = main.kind === 'damaged' || backup.kind === 'damaged';
    if (stored === undefined && isDamaged && backup.kind !== 'good') throw this.#unreadable(main, backup); // I
    if (main.kind === 'damaged') this.#quarantine(this.#path);
    if (backup.kind === 'damaged') this.#quarantine(backupPath);
    if (backup.kind === 'good' && (stored === undefined || !isOwnBackup(this.#record, backup.hash))) {
      return this.#import(backupPath, backup, { backups: [backup.hash] }); // D G
    }
    if (stored === undefined) return () => this.#note({ backups: [] }); // H
    this.#options.logger.warn('store.state.file-ignored', {
      path: this.#path,
      reason: `The file is ${main.kind}; the tables are taken from the key-value store and the file is written again.`,
    });
    return undefined; // C E
  }

  /** The table has changed: the file will be written. Costs nothing when that is known already. */
  touch(): void {
    if (this.#isChanged) return;
    this.#isChanged = true;
    if (this.#running === undefined) this.#schedule(this.#delayMs());
  }

  /** Writes the file now when the table has changed since it was written last. Rejects when that fails; it is tried again. */
  async exportNow(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#running !== undefined) await this.#running.catch(() => undefined); // its own caller has heard of it
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const startMs = this.#options.clock.monotonicMs();
    this.#running = this.#export();
    try {
      await this.#running;
      this.#durationMs = this.#options.clock.monotonicMs() - startMs;
      this.#finish(undefined);
    } catch (error) {
      this.#finish(error);
      throw error;
    }
  }

  /** Waits for a running export; none begins after this. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
  }

  #finish(error: unknown): void {
    this.#running = undefined;
    if (error !== undefined) {
      this.#isChanged = true;
      this.#options.logger.warn('store.state.export-failed', { path: this.#path, reason: describeError(error) });
    }
    if (this.#isChanged) this.#schedule(error === undefined ? this.#delayMs() : RETRY_DELAY_MS);
  }

  #delayMs(): number {
    return Math.max(this.#options.exportDelayMs, this.#durationMs * REST_PER_EXPORT);
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#timer = this.#options.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.exportNow().catch(() => undefined); // logged and scheduled again by #finish
    });
  }

  async #export(): Promise<void> {
    const { fileSystem } = this.#options;
    const { bytes, hash } = await this.#serialize();
    const previous = await this.#readOffLoop();
    const previousHash = previous && (await this.#hashInSlices(previous));
    if (previousHash === hash) return;
    if (previousHash !== undefined && !isOwnExport(this.#record, previousHash)) {
      this.#options.logger.warn('store.state.file-overwritten', {
        path: this.#path,
        reason: 'Somebody changed the file while the store was running; that version is kept as .bak.',
      });
    }
    this.#note(recordBefore(this.#record, previousHash, hash));
    await this.#options.writer.whenDurable();
    if (previous !== undefined) await fileSystem.replaceFile(`${this.#path}.bak`, previous);
    await fileSystem.replaceFile(this.#path, bytes);
    this.#note(recordAfter(this.#record, previousHash));
  }

  async #serialize(): Promise<{ bytes: Buffer; hash: string }> {
    const hash = createHash('sha256');
    const chunks: Buffer[] = [];
    const slice = new Slice(this.#options.clock, PIECES_PER_SLICE);
    let pieces: string[] = [];
    const take = (): void => {
      const chunk = Buffer.from(pieces.join(''));
      hash.update(chunk);
      chunks.push(chunk);
      pieces = [];
    };
    for (const piece of this.#content.pieces()) {
      pieces.push(piece);
      if (!slice.isOverAfterStep()) continue;
      take();
      await nextTurn(this.#options.clock);
      slice.restart();
    }
    take();
    return { bytes: await this.#join(chunks), hash: hash.digest('hex') };
  }

  async #join(chunks: readonly Buffer[]): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let position = 0;
    let copiedBytes = 0;
    for (const chunk of chunks) {
      chunk.copy(bytes, position);
      position += chunk.length;
      copiedBytes += chunk.length;
      if (copiedBytes < BYTES_PER_SLICE) continue;
      copiedBytes = 0;
      await nextTurn(this.#options.clock);
    }
    return bytes;
  }

  async #hashInSlices(bytes: Buffer): Promise<string> {
    const hash = createHash('sha256');
    for (let position = 0; position < bytes.length; position += BYTES_PER_SLICE) {
      if (position > 0) await nextTurn(this.#options.clock);
      hash.update(bytes.subarray(position, position + BYTES_PER_SLICE));
    }
    return hash.digest('hex');
  }

  async #readOffLoop(): Promise<Buffer | undefined> {
    const sizeBytes = this.#options.fileSystem.statusSync(this.#path)?.sizeBytes ?? 0;
    if (sizeBytes === 0) return undefined; // an empty file is worth no .bak
    try {
      return await this.#options.fileSystem.readFileAt(this.#path, 0, sizeBytes);
    } catch (error) {
      if (errorCode(error) === 'ERR_FS_NOT_FOUND') return undefined;
      throw error;
    }
  }

  #read(path: string): Buffer | undefined {
    return this.#options.fileSystem.readFileSync(path);
  }

  #judge(bytes: Buffer | undefined): FileState {
    if (bytes === undefined) return { kind: 'missing' };
    const root = parseConfigFile(bytes, this.#content.tableName);
    return root === undefined ? { kind: 'damaged' } : { kind: 'good', hash: contentHash(bytes), root };
  }

  #import(path: string, file: { readonly root: JsonObject }, record: ExportRecord): () => void {
    const skipped = this.#content.importFrom(file.root);
    this.#options.logger.info('store.state.file-imported', { path, skippedCount: skipped.length });
    this.#warnSkipped(path, skipped);
    return () => this.#note(record);
  }

  #warnSkipped(path: string, skipped: readonly SkippedEntry[]): void {
    for (const { entry, reason } of skipped.slice(0, SKIPPED_NAMED_MAX)) {
      this.#options.logger.warn('store.state.entry-skipped', { path, entry, reason });
    }
    if (skipped.length > SKIPPED_NAMED_MAX) {
      this.#options.logger.warn('store.state.entries-skipped', { path, skippedCount: skipped.length });
    }
  }

  #note(record: ExportRecord): void {
    this.#record = record;
    this.#options.writer.mark(this.#recordRow);
  }

  #quarantine(path: string): void {
    const { fileSystem, quarantineDirectory, clock, logger } = this.#options;
    fileSystem.makeDirectorySync(quarantineDirectory);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const movedTo = `${quarantineDirectory}/${name}.${clock.nowMs()}`;
    fileSystem.renameSync(path, movedTo);
    logger.warn('store.state.file-damaged', {
      path,
      movedTo,
      reason: 'It is empty or not the JSON that it should be.',
    });
  }

  #unreadable(main: FileState, backup: FileState): StoreError {
    return new StoreError(
      'ERR_STORE_BAD_FILE',
      `${this.#path} is ${main.kind} and its .bak is ${backup.kind}, and the tables are nowhere else: restore the file from a ` +
        `backup, or remove it and its .bak to start with an empty ${this.#content.tableName}.`,
      { path: this.#path, file: main.kind, backup: backup.kind },
    );
  }
}
