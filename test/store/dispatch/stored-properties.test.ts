import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SCHEDULE_TOPIC } from '../../../src/model/names.ts';
import { DelayLevels } from '../../../src/store/dispatch/delay-levels.ts';
import { StoredProperties } from '../../../src/store/dispatch/stored-properties.ts';
import { TagsCodes } from '../../../src/store/dispatch/tags-code.ts';
import { MessageKeyHashes } from '../../../src/store/index/index-key-hash.ts';

const tagsCodes = new TagsCodes(new DelayLevels('1s 5s 10s'));
const stored = new StoredProperties();

interface Found {
  readonly tagsCode: number;
  readonly hashes: readonly number[];
}

const hashesOf = (keys: MessageKeyHashes): number[] => [...keys.hashes.subarray(0, keys.count)];

/** As recovery does it, from bytes between other bytes. */
function fromBytes(topic: string, bytes: Buffer): Found {
  const before = Buffer.from('TAGS\u0001before\u0002');
  const buffer = Buffer.concat([before, bytes, Buffer.from('\u0002KEYS\u0001after\u0002')]);
  stored.find(buffer, before.length, bytes.length);
  const keys = new MessageKeyHashes();
  keys.takeStored(topic, stored);
  return { tagsCode: tagsCodes.ofStored(topic, stored, 1_000), hashes: hashesOf(keys) };
}

/** As a put does it, from the string. */
function fromText(topic: string, bytes: Buffer): Found {
  const properties = bytes.toString('utf8');
  const keys = new MessageKeyHashes();
  keys.take(topic, properties);
  return { tagsCode: tagsCodes.of(topic, properties, 1_000), hashes: hashesOf(keys) };
}

const name = fc.constantFrom('TAGS', 'KEYS', 'UNIQ_KEY', 'DELAY', 'WAIT', 'TAG', 'TAGSX', 'tags', '', 'ÜNIQ_KEY');
const value = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('', 'a b', ' a  b ', '1', '2', 'größe', '消息 键', '😀 b'),
);
const separator = fc.constantFrom('\u0001', '\u0001', '\u0001', '\u0002', '');
const entry = fc.tuple(name, separator, value).map((parts) => parts.join(''));
const texts = fc.array(entry, { maxLength: 8 }).map((entries) => Buffer.from(entries.join('\u0002')));
const topics = fc.constantFrom('Orders', 'größe', SCHEDULE_TOPIC);

describe('stored properties', () => {
  it('give the tags code and the keys that the string gives', () => {
    fc.assert(
      fc.property(topics, texts, (topic, bytes) => {
        expect(fromBytes(topic, bytes)).toEqual(fromText(topic, bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('do so also where the bytes are no UTF-8', () => {
    const pieces = fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      entry.map((text) => new TextEncoder().encode(text)),
    );
    const bytes = fc.array(pieces, { maxLength: 8 }).map((parts) => Buffer.concat(parts));
    fc.assert(
      fc.property(topics, bytes, (topic, each) => {
        expect(fromBytes(topic, each)).toEqual(fromText(topic, each));
      }),
      { numRuns: 2_000 },
    );
  });

  it('do so for what a producer sends, and the last of two counts', () => {
    const bytes = Buffer.from(
      'UNIQ_KEY\u00017F00\u0002KEYS\u0001a b\u0002TAGS\u0001old\u0002WAIT\u0001true\u0002TAGS\u0001red\u0002TAGS\u0001',
    );
    const found = fromBytes('Orders', bytes);
    expect(found).toEqual(fromText('Orders', bytes));
    expect(found.hashes).toHaveLength(4);
    expect(found.tagsCode).toBe(112_785); // Java: "red".hashCode()
  });

  it('give the time at which a message of the schedule topic is due', () => {
    expect(fromBytes(SCHEDULE_TOPIC, Buffer.from('DELAY\u00012\u0002')).tagsCode).toBe(6_000);
    expect(fromBytes('Orders', Buffer.from('DELAY\u00012\u0002')).tagsCode).toBe(0);
  });
});
