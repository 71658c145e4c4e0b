// The offsets of one group in a run of 32 queues of one topic: what is written at once when any of them changes. A row a
// queue would cost a busy group 32 writes where one does; a row a topic would be rewritten whole for one queue of thousands.
//
// | offset | size | field                                                              |
// |--------|------|--------------------------------------------------------------------|
// | 8 × n  | 8    | int64, offset of queue `32 × run + n`; −1 when none was committed  |

import { assert } from '../../base/assert.ts';
import { readInt64OrNaN, writeInt64 } from '../../base/int64.ts';
import type { StateRow } from './state-writer.ts';

export const QUEUES_PER_ROW = 32;
const OFFSET_SIZE_BYTES = 8;
const NONE = -1;
/** May be in neither a topic nor a group name. */
const SEPARATOR = '@';
export const OFFSET_KEY_PREFIX = 'o/';

export const runOf = (queueId: number): number => Math.floor(queueId / QUEUES_PER_ROW);

export class OffsetRow implements StateRow {
  readonly key: string;
  readonly firstQueueId: number;
  isMarked = false;
  #offsets: number[] = [];

  constructor(topic: string, group: string, run: number) {
    this.key = `${OFFSET_KEY_PREFIX}${topic}${SEPARATOR}${group}${SEPARATOR}${run}`;
    this.firstQueueId = run * QUEUES_PER_ROW;
  }

  get(queueId: number): number | undefined {
    const offset = this.#offsets[queueId - this.firstQueueId];
    return offset === undefined || offset === NONE ? undefined : offset;
  }

  set(queueId: number, offset: number): void {
    const place = queueId - this.firstQueueId;
    assert(place >= 0 && place < QUEUES_PER_ROW, 'a queue belongs to the row of its run');
    while (this.#offsets.length <= place) this.#offsets.push(NONE);
    this.#offsets[place] = offset;
  }

  /** The row goes with its next round. */
  clear(): void {
    this.#offsets = [];
  }

  /** Calls back in the order of the queue ids. */
  forEach(visit: (queueId: number, offset: number) => void): void {
    for (const [place, offset] of this.#offsets.entries()) {
      if (offset !== NONE) visit(this.firstQueueId + place, offset);
    }
  }

  encode(): Buffer | undefined {
    if (this.#offsets.length === 0) return undefined;
    const bytes = Buffer.allocUnsafe(this.#offsets.length * OFFSET_SIZE_BYTES);
    for (const [place, offset] of this.#offsets.entries()) writeInt64(bytes, offset, place * OFFSET_SIZE_BYTES);
    return bytes;
  }

  /** False when the bytes are not such a row. */
  decode(bytes: Buffer): boolean {
    const count = bytes.length / OFFSET_SIZE_BYTES;
    if (!Number.isInteger(count) || count > QUEUES_PER_ROW) return false;
    this.#offsets = Array.from({ length: count }, (_, place) => readInt64OrNaN(bytes, place * OFFSET_SIZE_BYTES));
    return this.#offsets.every((offset) => offset >= NONE);
  }
}

/** The parts of a row's key, or undefined when it is none. */
export function parseOffsetKey(key: string): { topic: string; group: string; run: number } | undefined {
  const [topic, group, run, ...rest] = key.slice(OFFSET_KEY_PREFIX.length).split(SEPARATOR);
  if (topic === undefined || group === undefined || run === undefined || rest.length > 0) return undefined;
  return /^\d{1,4}$/.test(run) ? { topic, group, run: Number(run) } : undefined;
}
