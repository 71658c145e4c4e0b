import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { javaStringHash } from '../../../src/base/java-string-hash.ts';
import { formatProperties, parseProperties } from '../../../src/model/message-properties.ts';
import { keyHashOf, MessageKeyHashes } from '../../../src/store/index/index-key-hash.ts';

/** Java: Math.abs(key.hashCode()), and 0 where that is negative. */
function javaKeyHash(key: string): number {
  const hash = javaStringHash(key);
  return hash === -(2 ** 31) ? 0 : Math.abs(hash);
}

function hashesOf(topic: string, properties: string): number[] {
  const keys = new MessageKeyHashes();
  keys.take(topic, properties);
  return [...keys.hashes.subarray(0, keys.count)];
}

/** What Apache 5.5.0 indexes of a message, said plainly. */
function expectedHashes(topic: string, properties: string): number[] {
  const map = parseProperties(properties);
  const strings: string[] = [];
  const unique = map.get('UNIQ_KEY');
  if (unique !== undefined) strings.push(`${topic}#${unique}`);
  for (const key of (map.get('KEYS') ?? '').split(' ')) if (key !== '') strings.push(`${topic}#${key}`);
  const tags = map.get('TAGS');
  if (tags !== undefined) strings.push(`${topic}#T#${tags}`);
  return strings.map(javaKeyHash);
}

describe('key hashes', () => {
  it('are of the unique key, each of the keys and the tag, in this order', () => {
    const properties = formatProperties([
      ['TAGS', 'TagA'],
      ['KEYS', ' k1  k2 '],
      ['UNIQ_KEY', '7F00000100002A139A55'],
    ]);
    const strings = ['Orders#7F00000100002A139A55', 'Orders#k1', 'Orders#k2', 'Orders#T#TagA'];
    expect(hashesOf('Orders', properties)).toEqual(strings.map(javaKeyHash));
  });

  it('have no sign: the smallest int becomes 0', () => {
    // This text is known to have the hash -2^31 in Java.
    expect(javaStringHash('polygenelubricants')).toBe(-(2 ** 31));
    const seed = javaStringHash('a#');
    expect(keyHashOf('a', 'x', undefined)).toBe(Math.abs((Math.imul(31, seed) + 120) | 0));
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        (topic, key) => keyHashOf(topic, key, 'K') === javaKeyHash(`${topic}#${key}`),
      ),
    );
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        (topic, tag) => keyHashOf(topic, tag, 'T') === javaKeyHash(`${topic}#T#${tag}`),
      ),
    );
  });

  it('are the same as from a parsed map, whatever the properties are', () => {
    const name = fc.constantFrom('KEYS', 'UNIQ_KEY', 'TAGS', 'K', 'KEYS2', 'UNIQ', 'T', 'DELAY', '');
    const value = fc.string({ unit: fc.constantFrom('a', 'B', ' ', '\u0001', '键', '😀') });
    const properties = fc
      .array(fc.tuple(name, value, fc.boolean()), { maxLength: 8 })
      .map((entries) => entries.map(([n, v, isWhole]) => n + (isWhole ? '\u0001' : '') + v).join('\u0002'));
    fc.assert(
      fc.property(properties, fc.boolean(), (text, isClosed) => {
        const whole = isClosed ? `${text}\u0002` : text;
        expect(hashesOf('键#T', whole)).toEqual(expectedHashes('键#T', whole));
      }),
      { numRuns: 1_000 },
    );
  });

  it('take as many keys as a message has', () => {
    const keys = Array.from({ length: 500 }, (_, index) => `key-${index}`);
    const properties = formatProperties([['KEYS', keys.join(' ')]]);
    expect(hashesOf('Orders', properties)).toEqual(keys.map((key) => javaKeyHash(`Orders#${key}`)));
  });
});
