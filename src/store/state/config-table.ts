// A table of named settings: topics, subscription groups. The map in memory is the read path; each change marks one row.

import type { Clock } from '../../base/clock.ts';
import type { DataVersion } from '../../model/data-version.ts';
import { StoreError } from '../store-errors.ts';
import type { StateRow, StateWriter } from './state-writer.ts';
import { VersionRow } from './version-row.ts';

/** What tables need from the state around them. */
export interface TableContext {
  readonly clock: Clock;
  readonly writer: StateWriter;
  /** Called at each change, to have Apache's file written. Must be cheap. */
  readonly onChanged: () => void;
}

/** `config` is undefined when the entry was deleted. */
export type ConfigChangeListener<Config> = (name: string, config: Config | undefined) => void;

export interface ConfigTableOptions<Config> extends TableContext {
  /** First part of every row's key. */
  readonly keyPrefix: string;
  readonly versionKey: string;
  readonly nameOf: (config: Config) => string;
  readonly nameProblem: (name: string) => string | undefined;
}

export class ConfigTable<Config extends object> {
  readonly #options: ConfigTableOptions<Config>;
  readonly #configs = new Map<string, Config>();
  readonly #rows = new Map<string, StateRow>();
  readonly #version: VersionRow;
  #listeners: ConfigChangeListener<Config>[] = [];

  constructor(options: ConfigTableOptions<Config>) {
    this.#options = options;
    this.#version = new VersionRow({ key: options.versionKey, clock: options.clock, writer: options.writer });
  }

  /** Changes with every put and delete. */
  get dataVersion(): DataVersion {
    return this.#version.version;
  }

  get size(): number {
    return this.#configs.size;
  }

  get(name: string): Config | undefined {
    return this.#configs.get(name);
  }

  has(name: string): boolean {
    return this.#configs.has(name);
  }

  values(): IterableIterator<Config> {
    return this.#configs.values();
  }

  names(): IterableIterator<string> {
    return this.#configs.keys();
  }

  /** Adds or replaces. In memory at once, durable when {@link whenDurable} resolves. Throws on a name that may not be. */
  put(config: Config): Config {
    const name = this.#options.nameOf(config);
    const problem = this.#options.nameProblem(name);
    if (problem !== undefined) throw new StoreError('ERR_STORE_INVALID_ARGUMENT', problem, { name });
    this.#configs.set(name, config);
    this.#changed(name, config);
    return config;
  }

  /** False when there was no such entry. */
  delete(name: string): boolean {
    if (!this.#configs.delete(name)) return false;
    this.#changed(name, undefined);
    return true;
  }

  /** Resolves when every change so far is durable. May be dropped: failures are reported to the store as well. */
  whenDurable(): Promise<void> {
    return this.#options.writer.whenDurable();
  }

  /** Called after each change. Returns what ends that. */
  onChange(listener: ConfigChangeListener<Config>): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  /** At open: takes over what the key-value store has. Nothing is marked. */
  restore(configs: Iterable<readonly [string, Config]>, version: DataVersion): void {
    for (const [name, config] of configs) this.#configs.set(name, config);
    this.#version.restore(version);
  }

  /** At open: the table becomes exactly this, as an import wants it. The rows are marked; the listeners are not called. */
  replaceAll(configs: ReadonlyMap<string, Config>, version: DataVersion): void {
    const names = new Set([...this.#configs.keys(), ...configs.keys()]);
    this.#configs.clear();
    for (const [name, config] of configs) this.#configs.set(name, config);
    for (const name of names) this.#options.writer.mark(this.#rowOf(name));
    this.#version.restore(version);
    this.#options.writer.mark(this.#version);
  }

  #changed(name: string, config: Config | undefined): void {
    this.#version.bump();
    this.#options.writer.markUrgent(this.#rowOf(name));
    this.#options.onChanged();
    for (const listener of this.#listeners) listener(name, config);
  }

  /** One row a name, kept after a deletion: the row that waits to be written must be the one that changes. */
  #rowOf(name: string): StateRow {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const row: StateRow = {
      key: this.#options.keyPrefix + name,
      isMarked: false,
      encode: () => {
        const config = this.#configs.get(name);
        if (config === undefined) this.#rows.delete(name);
        return config === undefined ? undefined : Buffer.from(JSON.stringify(config));
      },
    };
    this.#rows.set(name, row);
    return row;
  }
}
