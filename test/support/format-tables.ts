// Reads byte tables (`| position | size | type | field |`) out of docs and out of the header comments of layout modules.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface FormatField {
  readonly position: number;
  readonly size: number;
  readonly type: 'int32' | 'int64';
  readonly field: string;
}

const root = join(import.meta.dirname, '../..');

/** Each table of a file in the repository, in order. */
export function formatTables(path: string): FormatField[][] {
  const tables: FormatField[][] = [];
  let isInTable = false;
  for (const line of readFileSync(join(root, path), 'utf8').split('\n')) {
    const row = /^(?:\/\/ )?\| (\d+) *\| (\d+) *\| (int32|int64) *\| (\w+) *\|$/.exec(line);
    if (row === null) {
      if (!line.includes('|')) isInTable = false;
      continue;
    }
    if (!isInTable) tables.push([]);
    isInTable = true;
    const [, position, size, type, field = ''] = row;
    tables.at(-1)?.push({ position: Number(position), size: Number(size), type: type as FormatField['type'], field });
  }
  return tables;
}

/** Bytes in which every field of a table has a value of its own, with those values. */
export function sampleOf(table: readonly FormatField[]): { bytes: DataView; values: Record<string, number> } {
  const bytes = new DataView(new ArrayBuffer(table.reduce((sum, { size }) => sum + size, 0)));
  const values: Record<string, number> = {};
  table.forEach(({ position, type, field }, index) => {
    const value = type === 'int64' ? 2 ** 40 + index + 1 : 2 ** 20 + index + 1;
    if (type === 'int64') bytes.setBigInt64(position, BigInt(value));
    else bytes.setInt32(position, value);
    values[field] = value;
  });
  return { bytes, values };
}
