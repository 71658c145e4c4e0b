// The state tables as the tools see them: the rows of the key-value store and Apache's JSON files beside them, decoded as far as
// they can be. Read only.

import type { FileSystem } from '../file-system.ts';
import { isObject, type JsonObject, membersOf, parseConfigFile } from '../state/config-json.ts';
import type { KeyValueEntry } from '../state/key-value-store.ts';
import { DELAY_OFFSET_KEY } from '../state/delay-offset-table.ts';
import { contentHash, decodeExportRecord, isOwnExport } from '../state/export-record.ts';
import { readLmdbRows } from '../state/lmdb-key-value-store.ts';
import { OFFSET_KEY_PREFIX, OffsetRow, parseOffsetKey } from '../state/offset-row.ts';
import { type DeletedBelow, readTopicDeletions } from '../state/topic-deletion-table.ts';
import { CometError } from '../../base/errors.ts';
import type { StorePaths } from '../store-paths.ts';

/** Rows of the key-value store by key; undefined when there is none. */
export interface StateRows {
  readonly rows: ReadonlyMap<string, Buffer>;
  readonly problems: readonly string[];
}

/** By `group@topic@queueId`. */
export type OffsetMap = ReadonlyMap<string, CommittedOffset>;

export interface CommittedOffset {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: number;
}

/** One of Apache's files. */
export interface JsonTable {
  readonly path: string;
  readonly state: 'missing' | 'damaged' | 'good';
  readonly root: JsonObject | undefined;
  /** It is what CometMQ wrote last: the key-value store is at least as new. */
  readonly isOurs: boolean;
}

export interface StateTables {
  readonly rows: StateRows | undefined;
  readonly badRows: readonly string[];
  readonly json: Readonly<Record<'topics' | 'groups' | 'offsets' | 'delays', JsonTable>>;
  /** From the rows; undefined when there are none. */
  readonly stored: Tables | undefined;
  readonly exported: Tables;
  /** Of the two the one that the next open takes, table by table. */
  readonly effective: Tables;
  /** Only the rows know. */
  readonly deletedBelow: DeletedBelow;
}

export interface Tables {
  readonly topics: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  readonly offsets: OffsetMap;
  readonly delays: ReadonlyMap<number, number>;
}

const NO_DELETIONS: DeletedBelow = new Map();

const FILES = {
  topics: ['topics.json', 'topicConfigTable'],
  groups: ['subscriptionGroup.json', 'subscriptionGroupTable'],
  offsets: ['consumerOffset.json', 'offsetTable'],
  delays: ['delayOffset.json', 'offsetTable'],
} as const;

/** From LMDB, when the files are on a real disk. */
export function readStateRows(fileSystem: FileSystem, paths: StorePaths): Promise<StateRows | undefined> {
  return fileSystem.name === 'memory' ? Promise.resolve(undefined) : readLmdbRows(fileSystem, paths.state);
}

export function readStateTables(fileSystem: FileSystem, paths: StorePaths, rows: StateRows | undefined): StateTables {
  const table = (name: keyof typeof FILES): JsonTable => readJson(fileSystem, paths.config, FILES[name], rows);
  const json = { topics: table('topics'), groups: table('groups'), offsets: table('offsets'), delays: table('delays') };
  const badRows: string[] = [];
  const stored = rows === undefined ? undefined : decodeRows(rows.rows, badRows);
  const exported: Tables = {
    topics: new Set(namesOf(json.topics, FILES.topics[1])),
    groups: new Set(namesOf(json.groups, FILES.groups[1])),
    offsets: offsetsOf(json.offsets.root),
    delays: delaysOf(json.delays.root),
  };
  const winner = (name: keyof typeof FILES): Tables => {
    const isNewer = json[name].state === 'good' && !json[name].isOurs;
    return stored === undefined || isNewer ? exported : stored;
  };
  const effective: Tables = {
    topics: winner('topics').topics,
    groups: winner('groups').groups,
    offsets: winner('offsets').offsets,
    delays: winner('delays').delays,
  };
  const deletedBelow = rows === undefined ? NO_DELETIONS : decodeDeletions(rows.rows, badRows);
  return { rows, badRows, json, stored, exported, effective, deletedBelow };
}

function readJson(
  fileSystem: FileSystem,
  directory: string,
  [fileName, tableName]: readonly [string, string],
  rows: StateRows | undefined,
): JsonTable {
  const path = `${directory}/${fileName}`;
  const bytes = fileSystem.readFileSync(path);
  if (bytes === undefined) return { path, state: 'missing', root: undefined, isOurs: false };
  const root = parseConfigFile(bytes, tableName);
  const record = rows?.rows.get(`x/${fileName}`);
  const isOurs = record !== undefined && isOwnExport(decodeExportRecord(record), contentHash(bytes));
  return { path, state: root === undefined ? 'damaged' : 'good', root, isOurs };
}

const namesOf = ({ root }: JsonTable, tableName: string): string[] =>
  root === undefined ? [] : membersOf(root, tableName).map(([name]) => name);

export const offsetKey = (group: string, topic: string, queueId: number): string => `${group}@${topic}@${queueId}`;

function decodeRows(rows: ReadonlyMap<string, Buffer>, badRows: string[]): Tables {
  const topics = new Set<string>();
  const groups = new Set<string>();
  const offsets = new Map<string, CommittedOffset>();
  for (const [key, value] of rows) {
    if (key.startsWith('t/')) topics.add(key.slice(2));
    else if (key.startsWith('g/')) groups.add(key.slice(2));
    else if (key.startsWith(OFFSET_KEY_PREFIX) && !decodeOffsets(key, value, offsets)) badRows.push(key);
  }
  return { topics, groups, offsets, delays: decodeDelays(rows.get(DELAY_OFFSET_KEY), badRows) };
}

function decodeOffsets(key: string, value: Buffer, offsets: Map<string, CommittedOffset>): boolean {
  const parts = parseOffsetKey(key);
  if (parts === undefined) return false;
  const { topic, group, run } = parts;
  const row = new OffsetRow(topic, group, run);
  if (!row.decode(value)) return false;
  row.forEach((queueId, offset) => offsets.set(offsetKey(group, topic, queueId), { group, topic, queueId, offset }));
  return true;
}

/** Those of a bad row are left out. */
function decodeDeletions(rows: ReadonlyMap<string, Buffer>, badRows: string[]): DeletedBelow {
  const range = function* (prefix: string): Iterable<KeyValueEntry> {
    for (const [key, value] of rows) if (key.startsWith(prefix)) yield { key, value };
  };
  try {
    return readTopicDeletions({ range });
  } catch (error) {
    if (!(error instanceof CometError)) throw error;
    badRows.push(String(error.details['key']));
    return NO_DELETIONS;
  }
}

function decodeDelays(value: Buffer | undefined, badRows: string[]): ReadonlyMap<number, number> {
  if (value === undefined) return new Map();
  try {
    return new Map(JSON.parse(value.toString()) as [number, number][]);
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
    badRows.push(DELAY_OFFSET_KEY);
    return new Map();
  }
}

function offsetsOf(root: JsonObject | undefined): OffsetMap {
  const offsets = new Map<string, CommittedOffset>();
  for (const [name, queues] of root === undefined ? [] : membersOf(root, FILES.offsets[1])) {
    const [topic = '', group = ''] = name.split('@');
    if (!isObject(queues)) continue;
    for (const [queue, offset] of Object.entries(queues)) {
      if (typeof offset !== 'number') continue;
      const queueId = Number(queue);
      offsets.set(offsetKey(group, topic, queueId), { group, topic, queueId, offset });
    }
  }
  return offsets;
}

function delaysOf(root: JsonObject | undefined): ReadonlyMap<number, number> {
  const members = root === undefined ? [] : membersOf(root, FILES.delays[1]);
  return new Map(members.map(([level, offset]) => [Number(level), Number(offset)]));
}
