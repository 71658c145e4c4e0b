import { describe, expect, it } from 'vitest';
import {
  fileNameOf,
  parseFileName,
  UNIT_SIZE_BYTES,
  unitAtPosition,
  writeUnit,
} from '../../../src/store/consume-queue/consume-queue-layout.ts';
import { formatTables, sampleOf } from '../../support/format-tables.ts';

describe('the layout of a consume queue', () => {
  it('is the table in its header comment and the one in the docs', () => {
    const [table = [], ...others] = formatTables('docs/formats/consume-queue.md');
    expect(others).toEqual([]);
    expect(formatTables('src/store/consume-queue/consume-queue-layout.ts')).toEqual([table]);
    const { bytes, values } = sampleOf(table);
    expect(bytes.byteLength).toBe(UNIT_SIZE_BYTES);
    expect(unitAtPosition(bytes, 0)).toEqual(values);
    const written = new DataView(new ArrayBuffer(UNIT_SIZE_BYTES));
    writeUnit(written, 0, unitAtPosition(bytes, 0));
    expect(Buffer.from(written.buffer)).toEqual(Buffer.from(bytes.buffer));
  });

  it('names files by their byte offset', () => {
    expect(fileNameOf(6_000_000)).toBe('00000000000006000000');
    expect(parseFileName('00000000000006000000')).toBe(6_000_000);
    for (const name of [
      '6000000',
      '0000000000000600000x',
      '-0000000000006000000',
      '99999999999999999999',
      '',
      '000000000000060000001',
    ]) {
      expect(parseFileName(name)).toBeUndefined();
    }
  });
});
