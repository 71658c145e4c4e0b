// The byte tables in docs/formats are those of the layout modules, and the constants are those of the tables.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as checkpointLayout from '../../../src/store/checkpoint/store-checkpoint-layout.ts';
import * as durableLayout from '../../../src/store/checkpoint/durable-offset-layout.ts';
import * as messageLayout from '../../../src/store/commit-log/message-layout.ts';

const root = join(import.meta.dirname, '../../..');

/** Rows of the Markdown tables in a text, as cells. */
function rowsOf(path: string): string[] {
  return readFileSync(join(root, path), 'utf8')
    .split('\n')
    .map((line) => line.replace(/^\/\/ ?/, '').trim())
    .filter((line) => /^\| *(\d|after|then|[0-9+BS]+ *\|)/.test(line))
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .join('|'),
    );
}

/** 'bornHost' → 'BORN_HOST'. */
const constantOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

const numbersOf = (layout: object): Readonly<Record<string, number>> => layout as Readonly<Record<string, number>>;

describe('docs/formats', () => {
  it('has the table of the CommitLog record', () => {
    const layout = rowsOf('src/store/commit-log/message-layout.ts');
    expect(layout).toHaveLength(20);
    expect(rowsOf('docs/formats/commit-log.md').slice(0, layout.length)).toEqual(layout);
  });

  it('has the tables of the checkpoint and of the durable offset', () => {
    const layouts = ['store-checkpoint-layout.ts', 'durable-offset-layout.ts'].flatMap((name) =>
      rowsOf(`src/store/checkpoint/${name}`),
    );
    expect(layouts).toHaveLength(12);
    expect(rowsOf('docs/formats/store-checkpoint.md')).toEqual(layouts);
  });

  it('gives the positions that the code uses', () => {
    const constants = numbersOf(messageLayout);
    for (const row of rowsOf('src/store/commit-log/message-layout.ts')) {
      const [, position = '', , , field = ''] = row.split('|');
      const match = /^(\d+)((?:\+[BS])*)$/.exec(position);
      if (match === null) continue;
      const suffix = { '': '', '+B': '_LESS_B', '+B+S': '_LESS_HOSTS' }[match[2] as string] as string;
      const name = `${constantOf(field)}_POSITION${suffix}`;
      expect(constants[name], name).toBe(Number(match[1]));
    }
    const checkpoint = numbersOf(checkpointLayout);
    for (const row of rowsOf('src/store/checkpoint/store-checkpoint-layout.ts')) {
      const [, position = '', , , field = ''] = row.split('|');
      expect(checkpoint[`${constantOf(field)}_POSITION`], field).toBe(Number(position));
    }
    expect(durableLayout).toMatchObject({
      SLOT_MAGIC_POSITION: 0,
      SLOT_MAGIC: 0x436d446f,
      SLOT_CLEAN_POSITION: 4,
      SLOT_SEQUENCE_POSITION: 8,
      SLOT_OFFSET_POSITION: 16,
      SLOT_CRC_POSITION: 28,
      SLOT_SIZE_BYTES: 32,
      SLOT_POSITIONS: [0, 2_048],
    });
    expect(Buffer.from('CmDo').readUInt32BE()).toBe(durableLayout.SLOT_MAGIC);
  });
});
