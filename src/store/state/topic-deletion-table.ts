// Which records belong to topics that were deleted: those of the topic that begin below the log's end as it was at the deletion.
// Records stay in the log until their segments expire, so whoever fills a queue from the log must know them, or a deleted topic
// would come back, and its old messages would take the places of the new ones when it is used again. Ours alone: Apache forgets.

import { readInt64OrNaN, writeInt64 } from '../../base/int64.ts';
import { StoreError } from '../store-errors.ts';
import type { KeyValueStore } from './key-value-store.ts';
import type { StateRow, StateWriter } from './state-writer.ts';

const KEY_PREFIX = 'r/';
const ROW_SIZE_BYTES = 8;

/** Topic → records that begin below this physical offset are deleted. */
export type DeletedBelow = ReadonlyMap<string, number>;

/** For recovery, which comes before the tables are opened. */
export function readTopicDeletions(keyValues: Pick<KeyValueStore, 'range'>): Map<string, number> {
  const deletions = new Map<string, number>();
  for (const { key, value } of keyValues.range(KEY_PREFIX)) {
    const offset = value.length === ROW_SIZE_BYTES ? readInt64OrNaN(value, 0) : Number.NaN;
    if (!(offset >= 0)) {
      throw new StoreError(
        'ERR_STORE_BAD_FILE',
        `The key-value store holds a row that this version can't read (${key}); move cometmq/state aside to rebuild it from config/*.json.`,
        { key },
      );
    }
    deletions.set(key.slice(KEY_PREFIX.length), offset);
  }
  return deletions;
}

export class TopicDeletionTable {
  readonly #writer: StateWriter;
  readonly #offsets = new Map<string, number>();
  readonly #rows = new Map<string, StateRow>();

  constructor(writer: StateWriter) {
    this.#writer = writer;
  }

  get deletedBelow(): DeletedBelow {
    return this.#offsets;
  }

  /** The topic's records below are deleted. In memory at once, durable when the state is. */
  mark(topic: string, physicalOffset: number): void {
    this.#offsets.set(topic, physicalOffset);
    this.#writer.markUrgent(this.#rowOf(topic));
  }

  /** Deletions whose records are gone from the log need not be known any more. */
  forgetBelow(minPhysicalOffset: number): void {
    for (const [topic, offset] of this.#offsets) {
      if (offset > minPhysicalOffset) continue;
      this.#offsets.delete(topic);
      this.#writer.mark(this.#rowOf(topic));
    }
  }

  /**
   * At open, when it is known where the log ends: a power cut may have taken the records that a deletion was about, and the
   * next ones begin there. True when something changed: it must be durable before anything is appended.
   */
  lowerTo(endPhysicalOffset: number): boolean {
    let isChanged = false;
    for (const [topic, offset] of this.#offsets) {
      if (offset <= endPhysicalOffset) continue;
      this.mark(topic, endPhysicalOffset);
      isChanged = true;
    }
    return isChanged;
  }

  /** At open: takes over what the key-value store has. */
  restore(deletions: Iterable<readonly [string, number]>): void {
    for (const [topic, offset] of deletions) this.#offsets.set(topic, offset);
  }

  /** One row a topic, also after it was forgotten: the row that waits to be written must be the one that changes. */
  #rowOf(topic: string): StateRow {
    const known = this.#rows.get(topic);
    if (known !== undefined) return known;
    const row: StateRow = {
      key: KEY_PREFIX + topic,
      isMarked: false,
      encode: () => {
        const offset = this.#offsets.get(topic);
        if (offset === undefined) {
          this.#rows.delete(topic);
          return undefined;
        }
        const bytes = Buffer.allocUnsafe(ROW_SIZE_BYTES);
        writeInt64(bytes, offset, 0);
        return bytes;
      },
    };
    this.#rows.set(topic, row);
    return row;
  }
}
