// Reading and writing Apache's files under config/: what all of them share. Written: pretty-printed with tabs, fields in
// alphabetical order, as fastjson2 does. Read: everything that Apache writes. Byte by byte in docs/formats/config-json.md.

import { parseLooseJson } from '../../base/loose-json.ts';
import type { DataVersion } from '../../model/data-version.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** An entry of a file that can't be used, and why. */
export interface SkippedEntry {
  readonly entry: string;
  readonly reason: string;
}

/** One of Apache's files, as a view of a table. */
export interface ConfigContent {
  readonly fileName: string;
  /** The member of the root object without which the file is not what it says it is. */
  readonly tableName: string;
  /** The table becomes what the file says. Returns the entries that it could not take. */
  importFrom(root: JsonObject): readonly SkippedEntry[];
  /** The file's text in pieces of bounded size. The table may change between two pieces. */
  pieces(): Iterable<string>;
}

/** undefined when the bytes are not such a file. */
export function parseConfigFile(bytes: Buffer, tableName: string): JsonObject | undefined {
  let root: unknown;
  try {
    root = parseLooseJson(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isObject(root) && isObject(root[tableName]) ? root : undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The members of `root[name]`; none when it is missing. */
export function membersOf(root: JsonObject, name: string): [string, unknown][] {
  const table = root[name];
  return isObject(table) ? Object.entries(table) : [];
}

/**
 * The settings of each entry of `root[tableName]`, by name, and the entries that can't be used: `parse` gives the settings, or a
 * sentence that says why not.
 */
export function parseSettings<Settings extends object>(
  root: JsonObject,
  tableName: string,
  parse: (name: string, value: unknown) => Settings | string,
): { readonly settings: Map<string, Settings>; readonly skipped: SkippedEntry[] } {
  const settings = new Map<string, Settings>();
  const skipped: SkippedEntry[] = [];
  for (const [name, value] of membersOf(root, tableName)) {
    const parsed = parse(name, value);
    if (typeof parsed === 'string') skipped.push({ entry: name, reason: parsed });
    else settings.set(name, parsed);
  }
  return { settings, skipped };
}

export function isStringMap(value: unknown): value is Readonly<Record<string, string>> {
  return isObject(value) && Object.values(value).every((member) => typeof member === 'string');
}

/** The file's stamp; one that is missing or odd counts as the oldest. */
export function parseDataVersion(value: unknown): DataVersion {
  const part = (name: string): number => {
    const number = isObject(value) ? value[name] : undefined;
    return Number.isSafeInteger(number) ? (number as number) : 0;
  };
  return { stateVersion: part('stateVersion'), timestamp: part('timestamp'), counter: part('counter') };
}

/** What follows the entries of a file's table: the ends of the table and of the root object. */
const TABLE_END = '\t}\n}';
const EMPTY_TABLE_END = '}\n}';

export const tableEnd = (isEmpty: boolean): string => (isEmpty ? EMPTY_TABLE_END : `\n${TABLE_END}`);

/** `head`, then the entries with commas between them, then the end of the table. */
export function* joinPieces(head: string, entries: Iterable<string>): Iterable<string> {
  yield head;
  let isFirst = true;
  for (const entry of entries) {
    yield isFirst ? `\n${entry}` : `,\n${entry}`;
    isFirst = false;
  }
  yield tableEnd(isFirst);
}

/** One entry of a table of settings. */
export function settingsEntry(name: string, settings: object): string {
  return `\t\t${JSON.stringify(name)}:${prettyJson(settings, 2)}`;
}

/** A value with tabs, `depth` levels deep, its members in alphabetical order. Members that are undefined or null are left out. */
export function prettyJson(value: unknown, depth: number): string {
  const indent = '\t'.repeat(depth);
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    const items = value.map((item: unknown) => `${indent}\t${prettyJson(item, depth + 1)}`);
    return `[\n${items.join(',\n')}\n${indent}]`;
  }
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined && member !== null);
  if (members.length === 0) return '{}';
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = members.map(([name, member]) => `${indent}\t${JSON.stringify(name)}:${prettyJson(member, depth + 1)}`);
  return `{\n${lines.join(',\n')}\n${indent}}`;
}
