import { describe, expect, test } from 'vitest';

import { Prng } from '../../../src/base/prng.ts';
import { ExtFields } from '../../../src/remoting/protocol/ext-fields.ts';
import { decodeJsonHeader } from '../../../src/remoting/protocol/json-header-reader.ts';
import { jsonHeaderSizeMax, writeJsonHeader } from '../../../src/remoting/protocol/json-header-writer.ts';
import type { OutgoingHeader } from '../../../src/remoting/protocol/json-header-writer.ts';
import type { CommandHeader } from '../../../src/remoting/protocol/remoting-command.ts';

const FIELDS_MAX = 128;

function decode(text: string | Buffer): CommandHeader {
  const header = Buffer.from(text as string);
  // In the middle of other bytes, as in a frame with a body.
  const bytes = Buffer.concat([Buffer.from('"}"{'), header, Buffer.from('"},"code":9}')]);
  return decodeJsonHeader(bytes, 4, 4 + header.length, FIELDS_MAX);
}

function format(header: OutgoingHeader): string {
  const bytes = Buffer.alloc(jsonHeaderSizeMax(header) + 8, 0xff);
  const end = writeJsonHeader(bytes, 4, header);
  expect(end).toBeLessThanOrEqual(bytes.length - 4);
  expect(bytes.readUInt32BE(0)).toBe(0xffff_ffff);
  return bytes.toString('utf8', 4, end);
}

const plain = {
  code: 310,
  language: 'GO',
  version: 317,
  opaque: -5,
  flag: 2,
  remark: 'a "quoted" remark',
  extFields: [
    ['a', 'group'],
    ['i', 'KEYS\u0001k\u0002'],
    ['empty', ''],
  ],
};

function shape(header: CommandHeader): unknown {
  return { ...header, extFields: [...header.extFields.toMap()] };
}

describe('a JSON header is read', () => {
  const usual =
    '{"code":310,"extFields":{"a":"group","i":"KEYS\\u0001k\\u0002","empty":""},"flag":2,"language":"GO","opaque":-5,' +
    '"remark":"a \\"quoted\\" remark","serializeTypeCurrentRPC":"JSON","version":317}';

  test('in the form that Java emits', () => {
    expect(shape(decode(usual))).toEqual(plain);
  });

  test('with white space and unknown members', () => {
    const unusual = JSON.stringify(
      { ...(JSON.parse(usual) as object), extra: [1, { deep: null }], suspended: false },
      null,
      2,
    );
    expect(shape(decode(unusual))).toEqual(plain);
  });

  test('with members in any order', () => {
    const members = Object.entries(JSON.parse(usual) as object).reverse();
    expect(shape(decode(JSON.stringify(Object.fromEntries(members))))).toEqual(plain);
  });

  test('with text beyond ASCII, in one, two, three and four bytes', () => {
    const text = '{"code":10,"extFields":{"topic":"aé漢😀"},"opaque":1,"remark":"ключ"}';
    expect(decode(text)).toMatchObject({ code: 10, remark: 'ключ' });
    expect(decode(text).extFields.get('topic')).toBe('aé漢😀');
  });

  test('without what a client left out', () => {
    const missing = { code: 0, language: 'OTHER', version: 0, opaque: 0, flag: 0, remark: undefined, extFields: [] };
    expect(shape(decode('{}'))).toEqual(missing);
    expect(shape(decode('{"extFields":{}}'))).toEqual(missing);
    expect(shape(decode('{"extFields":null,"remark":null,"language":null}'))).toEqual(missing);
  });

  test('with values that are no strings, as Java reads them', () => {
    const header = decode('{"code":30,"extFields":{"queueId":3,"flag":true,"nothing":null},"language":"KLINGON"}');
    expect([...header.extFields.toMap()]).toEqual([
      ['queueId', '3'],
      ['flag', 'true'],
    ]);
    expect(header.language).toBe('OTHER');
  });

  test('with the last of two values of one name', () => {
    expect(decode('{"extFields":{"topic":"a","topic":"b"}}').extFields.get('topic')).toBe('b');
    expect(decode('{"extFields":{"topic":"a", "topic":"b"}}').extFields.get('topic')).toBe('b');
  });

  test('with names that mean something to JavaScript', () => {
    for (const space of ['', ' ']) {
      const { extFields } = decode(`{"extFields":{"__proto__":"p",${space}"constructor":"c","toString":"t"}}`);
      expect(extFields.get('__proto__')).toBe('p');
      expect(extFields.get('constructor')).toBe('c');
      expect(extFields.get('hasOwnProperty')).toBeUndefined();
      expect(extFields.toMap().size).toBe(3);
    }
    expect(({} as Record<string, unknown>)['p']).toBeUndefined();
  });

  test('up to the extremes of an int', () => {
    expect(decode('{"code":1,"opaque":2147483647,"flag":-2147483648}')).toMatchObject({
      opaque: 2_147_483_647,
      flag: -2_147_483_648,
    });
  });
});

describe('a JSON header is refused', () => {
  test.each([
    '',
    '{',
    '}',
    '[]',
    'null',
    '"text"',
    '{"code":310',
    '{"code":310}}',
    '{"code":"310"}',
    '{"code":3.5}',
    '{"code":2147483648}',
    '{"code":-}',
    '{"opaque":99999999999}',
    '{"extFields":[]}',
    '{"extFields":"x"}',
    '{"extFields":{"a":{}}}',
    '{"extFields":{"a":["b"]}}',
    '{"extFields":{"a":"\\x"}}',
    '{"extFields":{"a":"b"',
    '{"remark":{"a":"b"}}',
    '{"remark":"\u0001"}',
    '{"remark":"open}',
  ])('%j', (text) => {
    expect(() => decode(text)).toThrow(expect.objectContaining({ code: 'ERR_REMOTING_MALFORMED_FRAME' }));
  });

  test('with one ext field too many', () => {
    const fields = (count: number): string => {
      const members = Array.from({ length: count }, (_, index) => `"f${index}":"v"`);
      return `{"extFields":{${members.join(',')}}}`;
    };
    expect(decode(fields(FIELDS_MAX)).extFields.toMap().size).toBe(FIELDS_MAX);
    expect(() => decode(fields(FIELDS_MAX + 1))).toThrow('The header has 129 ext fields, the limit is 128.');
  });
});

describe('a JSON header is written', () => {
  const outgoing = { code: 0, flag: 1, opaque: 7, remark: undefined, extFields: undefined };

  test('with members in Java order and what is absent left out', () => {
    expect(format(outgoing)).toBe(
      '{"code":0,"flag":1,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":513}',
    );
  });

  test('so that whatever text it holds is read again', () => {
    const nasty = 'quote " backslash \\ newline \n control \u0001 é 漢 😀 lone \ud800 end';
    const extFields = { [nasty]: nasty, number: 2 ** 53 - 1, big: 2n ** 63n - 1n, truth: true, absent: undefined };
    const header = decode(format({ ...outgoing, remark: nasty, extFields }));
    expect(header.remark).toBe(nasty);
    expect([...header.extFields.toMap()]).toEqual([
      [nasty, nasty],
      ['number', '9007199254740991'],
      ['big', '9223372036854775807'],
      ['truth', 'true'],
    ]);
  });

  test('with every integer in decimal', () => {
    const numbers = [
      0,
      -1,
      9,
      10,
      99,
      100,
      2_147_483_647,
      -2_147_483_648,
      4_294_967_296,
      2 ** 53 - 1,
      -(2 ** 53 - 1),
      1e21,
      0.5,
    ];
    for (const opaque of numbers.slice(0, 8)) {
      expect(format({ ...outgoing, opaque, code: opaque, flag: opaque })).toContain(
        `"code":${opaque},"flag":${opaque},`,
      );
      expect(decode(format({ ...outgoing, opaque }))).toMatchObject({ opaque });
    }
    for (const number of numbers)
      expect(format({ ...outgoing, extFields: { number } })).toContain(`"number":"${number}"`);
  });

  test('within the room that it asks for, whatever it holds', () => {
    const prng = new Prng(5);
    const characters = ['a', '"', '\\', '\n', '\u0001', '\u007f', 'é', '漢', '😀', '\ud800', '\u2028'];
    const word = (): string => Array.from({ length: prng.below(20) }, () => prng.pick(characters)).join('');
    for (let round = 0; round < 3000; round++) {
      const extFields = { [word()]: word(), [`${word()}x`]: prng.below(2 ** 32) - 2 ** 31 };
      const header = { ...outgoing, opaque: prng.nextUint32() | 0, remark: word(), extFields };
      const decoded = decode(format(header));
      expect(decoded.remark).toBe(header.remark);
      expect(decoded.extFields.toJSON()).toEqual(ExtFields.from(extFields).toJSON());
    }
  });
});
