import { describe, expect, it } from 'vitest';
import {
  ENTRY_SIZE_BYTES,
  HEADER_SIZE_BYTES,
  indexFileName,
  readEntry,
  readHeader,
  timeDiffSecondsOf,
  writeEntryFields,
  writeHeader,
} from '../../../src/store/index/index-layout.ts';
import { formatTables, sampleOf } from '../../support/format-tables.ts';

describe('the layout of an index file', () => {
  const tables = formatTables('docs/formats/index-file.md');

  it('is the tables in its header comment and those in the docs', () => {
    expect(tables).toHaveLength(2);
    expect(formatTables('src/store/index/index-layout.ts')).toEqual(tables);
  });

  it('reads and writes the header as the table says', () => {
    const { bytes, values } = sampleOf(tables[0] ?? []);
    expect(bytes.byteLength).toBe(HEADER_SIZE_BYTES);
    expect(readHeader(bytes)).toEqual(values);
    const written = new DataView(new ArrayBuffer(HEADER_SIZE_BYTES));
    writeHeader(written, readHeader(bytes));
    expect(Buffer.from(written.buffer)).toEqual(Buffer.from(bytes.buffer));
  });

  it('reads and writes an entry as the table says', () => {
    const { bytes, values } = sampleOf(tables[1] ?? []);
    expect(bytes.byteLength).toBe(ENTRY_SIZE_BYTES);
    const entry = readEntry(bytes, 0);
    expect(entry).toEqual(values);
    const written = new DataView(new ArrayBuffer(ENTRY_SIZE_BYTES));
    writeEntryFields(written, 0, entry.keyHash, entry.physicalOffset, entry.timeDiffSeconds, entry.previousIndex);
    expect(Buffer.from(written.buffer)).toEqual(Buffer.from(bytes.buffer));
  });

  it('counts whole seconds, never negative, 0 without a begin', () => {
    expect(timeDiffSecondsOf(5_999, 1_000)).toBe(4);
    expect(timeDiffSecondsOf(999, 5_000)).toBe(0);
    expect(timeDiffSecondsOf(5_000, 0)).toBe(0);
    expect(timeDiffSecondsOf(2 ** 50, 1)).toBe(2 ** 31 - 1);
  });

  it('names a file by local time, and after the last one when that went back', () => {
    const nowMs = new Date(2026, 10, 22, 15, 3, 38, 7).getTime();
    expect(indexFileName(nowMs, undefined)).toBe('20261122150338007');
    expect(indexFileName(nowMs, '20261122150338006')).toBe('20261122150338007');
    expect(indexFileName(nowMs, '20261122150338007')).toBe('20261122150338008');
    expect(indexFileName(nowMs, '20261231235959999')).toBe('20270101000000000');
  });
});
