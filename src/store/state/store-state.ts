// The state tables of a store: topics, groups, consumer offsets, delay offsets. They live in memory; the key-value store (LMDB)
// is the truth on disk and Apache's files under config/ are interchange (ADR 0004).

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { initialDataVersion, type DataVersion } from '../../model/data-version.ts';
import type { SubscriptionGroupConfig } from '../../model/subscription-group-config.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import type { FileSystem } from '../file-system.ts';
import { StoreError } from '../store-errors.ts';
import { ConfigFile } from './config-file.ts';
import type { TableContext } from './config-table.ts';
import { parseDataVersion, type ConfigContent } from './config-json.ts';
import { ConsumerOffsetTable } from './consumer-offset-table.ts';
import { DELAY_OFFSET_KEY, DelayOffsetTable } from './delay-offset-table.ts';
import type { KeyValueStore } from './key-value-store.ts';
import { OFFSET_KEY_PREFIX, parseOffsetKey } from './offset-row.ts';
import { ConsumerOffsetJson, DelayOffsetJson } from './offsets-json.ts';
import { StateWriter, type StateFailureListener } from './state-writer.ts';
import { FORBIDDEN_KEY, SubscriptionGroupTable, type ForbiddenTable } from './subscription-group-table.ts';
import { SubscriptionGroupsJson } from './subscription-groups-json.ts';
import { readTopicDeletions, TopicDeletionTable } from './topic-deletion-table.ts';
import { TopicTable } from './topic-table.ts';
import { TopicsJson } from './topics-json.ts';

export interface StoreStateOptions {
  readonly fileSystem: FileSystem;
  /** Owned by the state from here on: closed with it, and when the open fails. */
  readonly keyValues: KeyValueStore;
  /** `<root>/config`. */
  readonly configDirectory: string;
  /** `<root>/cometmq/quarantine`: where damaged files are moved to. */
  readonly quarantineDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a committed offset may stay in memory only. */
  readonly offsetCommitIntervalMs: number;
  /** How often consumerOffset.json and delayOffset.json are written while they change. */
  readonly offsetExportIntervalMs: number;
  /** A commit failed; final: nothing is written any more and the store must not acknowledge either. */
  readonly onFailed?: StateFailureListener;
}

/** Topics and groups are written this long after the first change of several. */
const CONFIG_EXPORT_DELAY_MS = 100;

/** Lifecycle: {@link StoreState.open}, use, {@link close}. Owner: the message store. One event loop. */
export class StoreState {
  readonly topics: TopicTable;
  readonly groups: SubscriptionGroupTable;
  readonly consumerOffsets: ConsumerOffsetTable;
  readonly delayOffsets: DelayOffsetTable;
  readonly topicDeletions: TopicDeletionTable;
  readonly #options: StoreStateOptions;
  readonly #writer: StateWriter;
  readonly #files: readonly ConfigFile[];
  #closing: Promise<void> | undefined;

  private constructor(options: StoreStateOptions) {
    this.#options = options;
    const { clock, keyValues, logger } = options;
    const onFailed = options.onFailed ?? ((): void => undefined); // the writer has logged it
    const writer = new StateWriter({
      keyValues,
      clock,
      logger,
      commitIntervalMs: options.offsetCommitIntervalMs,
      onFailed,
    });
    this.#writer = writer;
    const files: ConfigFile[] = [];
    const context = (place: number): TableContext => ({ clock, writer, onChanged: () => files[place]?.touch() });
    this.topics = new TopicTable(context(0));
    this.groups = new SubscriptionGroupTable(context(1));
    this.consumerOffsets = new ConsumerOffsetTable(context(2));
    this.delayOffsets = new DelayOffsetTable(context(3));
    this.topicDeletions = new TopicDeletionTable(writer);
    const file = (content: ConfigContent, exportDelayMs: number): ConfigFile =>
      new ConfigFile({ ...options, writer, exportDelayMs }, content);
    files.push(
      file(new TopicsJson(this.topics), CONFIG_EXPORT_DELAY_MS),
      file(new SubscriptionGroupsJson(this.groups), CONFIG_EXPORT_DELAY_MS),
      file(new ConsumerOffsetJson(this.consumerOffsets), options.offsetExportIntervalMs),
      file(new DelayOffsetJson(this.delayOffsets), options.offsetExportIntervalMs),
    );
    this.#files = files;
  }

  /**
   * Reads the tables, imports what Apache wrote meanwhile, and resolves when that is durable.
   * Rejects with 'ERR_STORE_BAD_FILE' when a table can be read from nowhere, 'ERR_STORE_NO_SPACE' when an import has no room.
   */
  static async open(options: StoreStateOptions): Promise<StoreState> {
    const state = new StoreState(options);
    try {
      options.fileSystem.makeDirectorySync(options.configDirectory);
      state.#restore();
      await state.#import();
    } catch (error) {
      state.#writer.stop();
      await options.keyValues.close();
      throw error;
    }
    for (const file of state.#files) file.touch();
    return state;
  }

  /** Why changes are not written any more, or undefined. */
  get failure(): StoreError | undefined {
    return this.#writer.failure;
  }

  /** Resolves when every change so far is durable. */
  whenDurable(): Promise<void> {
    return this.#writer.whenDurable();
  }

  /** Brings all of Apache's files up to date. Rejects when one can't be written. */
  async exportAll(): Promise<void> {
    for (const file of this.#files) await file.exportNow();
  }

  /**
   * Makes everything durable, writes Apache's files and closes the key-value store. Rejects when a change could not be made
   * durable; a file that could not be written is only logged, since the key-value store has what it would say.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#writer.whenDurable();
      await this.exportAll().catch(() => undefined); // logged by the file that failed
      await this.#writer.whenDurable(); // what was noted of the exports
    } finally {
      for (const file of this.#files) await file.stop();
      this.#writer.stop();
      await this.#options.keyValues.close();
    }
  }

  async #import(): Promise<void> {
    if (this.#options.keyValues.origin === 'rebuilt') {
      this.#options.logger.warn('store.state.rebuilt', {
        configDirectory: this.#options.configDirectory,
        reason:
          'The key-value store was lost or unreadable, so the tables are taken from Apache’s files: consumer and delay offsets ' +
          'may be as old as the last export, and messages since then will be delivered again.',
      });
    }
    const notes = this.#files.map((file) => file.load()).filter((note) => note !== undefined);
    if (notes.length === 0) return;
    // First the rows, then whose files they came from: a crash in between imports again, and the other order would lose them.
    await this.#writer.whenDurable();
    for (const note of notes) note();
    await this.#writer.whenDurable();
  }

  #restore(): void {
    const { keyValues } = this.#options;
    this.topics.restore(this.#configs<TopicConfig>('t/'), this.#version('v/topics'));
    this.groups.restore(this.#configs<SubscriptionGroupConfig>('g/'), this.#version('v/groups'));
    const forbidden = keyValues.get(FORBIDDEN_KEY);
    if (forbidden !== undefined) this.groups.restoreForbidden(JSON.parse(forbidden.toString()) as ForbiddenTable);
    for (const { key, value } of keyValues.range(OFFSET_KEY_PREFIX)) {
      const parts = parseOffsetKey(key);
      const isGood = parts !== undefined && this.consumerOffsets.restoreRow(parts.group, parts.topic, parts.run, value);
      if (!isGood) throw badRow(key);
    }
    this.consumerOffsets.restoreVersion(this.#version('v/offsets'));
    const delays = keyValues.get(DELAY_OFFSET_KEY);
    const levels = delays === undefined ? [] : (JSON.parse(delays.toString()) as [number, number][]);
    this.delayOffsets.restore(levels, this.#version('v/delay'));
    this.topicDeletions.restore(readTopicDeletions(keyValues));
  }

  #configs<Config>(prefix: string): [string, Config][] {
    const entries = [...this.#options.keyValues.range(prefix)];
    return entries.map(({ key, value }) => [key.slice(prefix.length), JSON.parse(value.toString()) as Config]);
  }

  #version(key: string): DataVersion {
    const stored = this.#options.keyValues.get(key);
    if (stored === undefined) return { ...initialDataVersion, timestamp: this.#options.clock.nowMs() };
    return parseDataVersion(JSON.parse(stored.toString()));
  }
}

function badRow(key: string): StoreError {
  return new StoreError(
    'ERR_STORE_BAD_FILE',
    `The key-value store holds a row that this version can't read (${key}); move cometmq/state aside to rebuild it from config/*.json.`,
    { key },
  );
}
