// How far each group has consumed each queue (Java: ConsumerOffsetManager). A commit is two map look-ups and a store into an
// array; it is durable at most the commit interval later.

import { groupNameProblem, QUEUE_ID_MAX, topicNameProblem } from '../../model/names.ts';
import type { DataVersion } from '../../model/data-version.ts';
import { StoreError } from '../store-errors.ts';
import type { TableContext } from './config-table.ts';
import { OffsetRow, runOf } from './offset-row.ts';
import { VersionRow } from './version-row.ts';

export interface ConsumerOffset {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: number;
}

/** The rows of one group and topic, by run of queues. */
type OffsetRows = (OffsetRow | undefined)[];

/** Apache moves the data version once in so many commits (consumerOffsetUpdateVersionStep). */
const COMMITS_PER_VERSION = 500;

export class ConsumerOffsetTable {
  readonly #context: TableContext;
  readonly #version: VersionRow;
  readonly #groups = new Map<string, Map<string, OffsetRows>>();
  /** Where pulls begin, as reported by clients: a hint that Apache keeps in memory only, and so do we. */
  readonly #pullGroups = new Map<string, Map<string, OffsetRows>>();
  #commitCount = 0;

  constructor(context: TableContext) {
    this.#context = context;
    this.#version = new VersionRow({ key: 'v/offsets', clock: context.clock, writer: context.writer });
  }

  get dataVersion(): DataVersion {
    return this.#version.version;
  }

  /** The next offset that the group has not consumed yet. In memory at once, durable within the commit interval. */
  commit(group: string, topic: string, queueId: number, offset: number): void {
    const row = this.#rowFor(this.#groups, group, topic, queueId, offset);
    row.set(queueId, offset);
    this.#context.writer.mark(row);
    this.#commitCount += 1;
    if (this.#commitCount % COMMITS_PER_VERSION === 0) this.#version.bump();
    this.#context.onChanged();
  }

  /** undefined when the group never committed one for the queue. */
  fetch(group: string, topic: string, queueId: number): number | undefined {
    return this.#groups.get(group)?.get(topic)?.[runOf(queueId)]?.get(queueId);
  }

  commitPull(group: string, topic: string, queueId: number, offset: number): void {
    this.#rowFor(this.#pullGroups, group, topic, queueId, offset).set(queueId, offset);
  }

  fetchPull(group: string, topic: string, queueId: number): number | undefined {
    return this.#pullGroups.get(group)?.get(topic)?.[runOf(queueId)]?.get(queueId);
  }

  /** Resolves when every commit so far is durable. */
  flush(): Promise<void> {
    return this.#context.writer.whenDurable();
  }

  groups(): IterableIterator<string> {
    return this.#groups.keys();
  }

  /** The groups that have committed an offset in the topic. */
  groupsOf(topic: string): string[] {
    return [...this.#groups].filter(([, topics]) => topics.has(topic)).map(([group]) => group);
  }

  /** The topics in which the group has committed an offset. */
  topicsOf(group: string): string[] {
    return [...(this.#groups.get(group)?.keys() ?? [])];
  }

  /** Queue id → offset, ascending; empty when there is none. */
  offsetsOf(group: string, topic: string): Map<number, number> {
    const offsets = new Map<number, number>();
    for (const row of this.#groups.get(group)?.get(topic) ?? [])
      row?.forEach((queueId, offset) => offsets.set(queueId, offset));
    return offsets;
  }

  /** Every group and topic with its rows; may be iterated in slices while offsets change. */
  *entries(): IterableIterator<{ group: string; topic: string; rows: readonly OffsetRow[] }> {
    for (const [group, topics] of this.#groups) {
      for (const [topic, rows] of topics) yield { group, topic, rows: rows.filter((row) => row !== undefined) };
    }
  }

  removeGroup(group: string): void {
    const topics = this.#groups.get(group);
    this.#pullGroups.delete(group);
    if (topics === undefined) return;
    for (const rows of topics.values()) this.#remove(rows);
    this.#groups.delete(group);
    this.#removed();
  }

  removeTopic(topic: string): void {
    for (const topics of this.#pullGroups.values()) topics.delete(topic);
    let isChanged = false;
    for (const [group, topics] of this.#groups) {
      const rows = topics.get(topic);
      if (rows === undefined) continue;
      this.#remove(rows);
      topics.delete(topic);
      if (topics.size === 0) this.#groups.delete(group);
      isChanged = true;
    }
    if (isChanged) this.#removed();
  }

  /** At open: takes over a row of the key-value store. */
  restoreRow(group: string, topic: string, run: number, bytes: Buffer): boolean {
    const row = new OffsetRow(topic, group, run);
    this.#rowsFor(this.#groups, group, topic)[run] = row;
    return row.decode(bytes);
  }

  restoreVersion(version: DataVersion): void {
    this.#version.restore(version);
  }

  /** At open: the table becomes exactly this, as an import wants it. */
  replaceAll(offsets: Iterable<ConsumerOffset>, version: DataVersion): void {
    for (const topics of this.#groups.values()) for (const rows of topics.values()) this.#remove(rows);
    this.#groups.clear();
    for (const { group, topic, queueId, offset } of offsets) {
      const row = this.#rowFor(this.#groups, group, topic, queueId, offset);
      row.set(queueId, offset);
      this.#context.writer.mark(row);
    }
    this.#version.restore(version);
    this.#context.writer.mark(this.#version);
  }

  #removed(): void {
    this.#version.bump();
    this.#context.onChanged();
  }

  #remove(rows: OffsetRows): void {
    for (const row of rows) {
      if (row === undefined) continue;
      row.clear();
      this.#context.writer.mark(row);
    }
  }

  #rowFor(
    groups: Map<string, Map<string, OffsetRows>>,
    group: string,
    topic: string,
    queueId: number,
    offset: number,
  ): OffsetRow {
    const isValid = Number.isSafeInteger(offset) && offset >= 0 && Number.isInteger(queueId) && queueId >= 0;
    if (!isValid || queueId > QUEUE_ID_MAX) throw outOfRange(queueId, offset);
    const run = runOf(queueId);
    const row = groups.get(group)?.get(topic)?.[run];
    if (row !== undefined) return row;
    const problem = topicNameProblem(topic) ?? groupNameProblem(group);
    if (problem !== undefined) throw new StoreError('ERR_STORE_INVALID_ARGUMENT', problem, { topic, group });
    const made = new OffsetRow(topic, group, run);
    this.#rowsFor(groups, group, topic)[run] = made;
    return made;
  }

  #rowsFor(groups: Map<string, Map<string, OffsetRows>>, group: string, topic: string): OffsetRows {
    let topics = groups.get(group);
    if (topics === undefined) groups.set(group, (topics = new Map<string, OffsetRows>()));
    let rows = topics.get(topic);
    if (rows === undefined) topics.set(topic, (rows = []));
    return rows;
  }
}

function outOfRange(queueId: number, offset: number): StoreError {
  return new StoreError(
    'ERR_STORE_INVALID_ARGUMENT',
    `Offset ${offset} of queue ${queueId} can't be committed: an offset is 0 or more, a queue id 0 to ${QUEUE_ID_MAX}.`,
    { queueId, offset },
  );
}
