import { crc32 as zlibCrc32 } from 'node:zlib';
import { expect, test } from 'vitest';

import { Prng } from '../../src/base/prng.ts';
import { crc32, crc32OfRange, crc32WithZlib } from '../../src/native/crc32.ts';
import { failureOf } from './support/scratch.ts';

test('crc32 knows the check value of its polynomial', () => {
  expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
  expect(crc32(new Uint8Array(0), 0xdeadbeef)).toBe(0xdeadbeef);
});

test('crc32 agrees with zlib at every length up to 600 and every alignment of a word', () => {
  const bytes = new Prng(1).bytes(700);
  for (let length = 0; length <= 600; length++) {
    const offset = length % 16;
    expect(crc32(bytes.subarray(offset, offset + length))).toBe(zlibCrc32(bytes.subarray(offset, offset + length)));
  }
});

test('crc32 agrees with zlib for random lengths, places and seeds, whole or in parts', () => {
  const prng = new Prng(2);
  const bytes = prng.bytes(300_000);
  for (let round = 0; round < 2000; round++) {
    const offset = prng.below(200_000);
    const length = prng.below(prng.chance(0.1) ? 100_000 : 2000);
    const seed = prng.nextUint32();
    const expected = zlibCrc32(bytes.subarray(offset, offset + length), seed);
    expect(crc32OfRange(bytes, offset, length, seed)).toBe(expected);
    expect(crc32WithZlib(bytes, offset, length, seed)).toBe(expected);
    const cut = prng.below(length + 1);
    const first = crc32OfRange(bytes, offset, cut, seed);
    expect(crc32OfRange(bytes, offset + cut, length - cut, first)).toBe(expected);
  }
});

test('crc32 takes a view that does not start its ArrayBuffer, and refuses what is no Uint8Array', async () => {
  const bytes = new Uint8Array(new Prng(3).bytes(200));
  expect(crc32(new Uint8Array(bytes.buffer, 7, 100))).toBe(zlibCrc32(bytes.subarray(7, 107)));
  for (const wrong of [new Uint16Array(4), new DataView(new ArrayBuffer(4)), 'text', null, undefined, [1, 2]]) {
    const failure = await failureOf(() => crc32(wrong as unknown as Uint8Array));
    expect(failure).toBeInstanceOf(Error);
  }
});

test('crc32OfRange refuses a part that is not inside', async () => {
  const bytes = new Uint8Array(10);
  for (const [offset, length] of [
    [0, 11],
    [10, 1],
    [-1, 1],
    [1, -1],
    [11, 0],
  ] as const) {
    for (const crc32OfPart of [crc32OfRange, crc32WithZlib]) {
      const failure = await failureOf(() => crc32OfPart(bytes, offset, length));
      expect(failure).toMatchObject({ code: 'ERR_NATIVE_RANGE' });
    }
  }
});
