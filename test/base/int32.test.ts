import fc from 'fast-check';
import { expect, it } from 'vitest';
import { int32At, int64At } from '../../src/base/int32.ts';
import { readInt64OrNaN } from '../../src/base/int64.ts';

it('integers at a place are what Buffer reads there', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 11, maxLength: 11 }), fc.integer({ min: 0, max: 3 }), (bytes, position) => {
      const buffer = Buffer.from(bytes);
      expect(int32At(buffer, position)).toBe(buffer.readInt32BE(position));
      expect(int64At(buffer, position)).toBe(readInt64OrNaN(buffer, position));
    }),
  );
});

it.each([0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, -(2 ** 53 - 1)])('%d is read as int64', (value) => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(BigInt(value));
  expect(int64At(buffer, 0)).toBe(value);
});

it('an int64 that is no safe integer is not a number', () => {
  expect(int64At(Buffer.from('0020000000000000', 'hex'), 0)).toBeNaN();
  expect(int64At(Buffer.from('8000000000000000', 'hex'), 0)).toBeNaN();
});
