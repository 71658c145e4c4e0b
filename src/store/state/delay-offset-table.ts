// How far each delay level of SCHEDULE_TOPIC_XXXX has been delivered (Java: ScheduleMessageService's table). One small row.

import type { DataVersion } from '../../model/data-version.ts';
import { StoreError } from '../store-errors.ts';
import type { TableContext } from './config-table.ts';
import type { StateRow } from './state-writer.ts';
import { VersionRow } from './version-row.ts';

export const DELAY_OFFSET_KEY = 'd/table';
/** More levels than this is no messageDelayLevel but a mistake. */
const LEVEL_MAX = 1_000;
/** Apache moves the data version once in so many updates (delayOffsetUpdateVersionStep). */
const UPDATES_PER_VERSION = 200;

export class DelayOffsetTable {
  readonly #context: TableContext;
  readonly #version: VersionRow;
  readonly #row: StateRow;
  readonly #offsets = new Map<number, number>();
  #updateCount = 0;

  constructor(context: TableContext) {
    this.#context = context;
    this.#version = new VersionRow({ key: 'v/delay', clock: context.clock, writer: context.writer });
    this.#row = {
      key: DELAY_OFFSET_KEY,
      isMarked: false,
      encode: () => Buffer.from(JSON.stringify([...this.#offsets])),
    };
  }

  get dataVersion(): DataVersion {
    return this.#version.version;
  }

  get(level: number): number | undefined {
    return this.#offsets.get(level);
  }

  /** The next offset of the level's queue to be delivered. Durable within the commit interval. */
  set(level: number, offset: number): void {
    if (!isDelayOffset(level, offset)) {
      throw new StoreError(
        'ERR_STORE_INVALID_ARGUMENT',
        `Offset ${offset} of delay level ${level} can't be kept: a level is 1 to ${LEVEL_MAX}, an offset 0 or more.`,
      );
    }
    this.#offsets.set(level, offset);
    this.#context.writer.mark(this.#row);
    this.#updateCount += 1;
    if (this.#updateCount % UPDATES_PER_VERSION === 0) this.#version.bump();
    this.#context.onChanged();
  }

  /** Level and offset, ascending by level. */
  entries(): [number, number][] {
    return [...this.#offsets].sort(([a], [b]) => a - b);
  }

  restore(offsets: Iterable<readonly [number, number]>, version: DataVersion): void {
    for (const [level, offset] of offsets) this.#offsets.set(level, offset);
    this.#version.restore(version);
  }

  replaceAll(offsets: Iterable<readonly [number, number]>, version: DataVersion): void {
    this.#offsets.clear();
    this.restore(offsets, version);
    this.#context.writer.mark(this.#row);
    this.#context.writer.mark(this.#version);
  }
}

export function isDelayOffset(level: number, offset: number): boolean {
  return Number.isInteger(level) && level >= 1 && level <= LEVEL_MAX && Number.isSafeInteger(offset) && offset >= 0;
}
