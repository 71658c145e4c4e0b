import { describe, expect, test } from 'vitest';

import { Prng } from '../../../src/base/prng.ts';
import { BodyReader } from '../../../src/remoting/protocol/body-reader.ts';
import { encodeJavaJson, formatJavaJson } from '../../../src/remoting/protocol/java-json.ts';
import type { JavaJson } from '../../../src/remoting/protocol/java-json.ts';
import { parseJavaJson } from '../../../src/remoting/protocol/java-json-parser.ts';
import type { ParsedJson } from '../../../src/remoting/protocol/java-json-parser.ts';

const parse = (text: string): ParsedJson => parseJavaJson(Buffer.from(text, 'utf8'));

describe('JSON in the loose form', () => {
  test('has number and object keys without quotes and no nulls', () => {
    const queue = { brokerName: 'a', queueId: 0, topic: 't' };
    const body = {
      brokerAddrs: new Map([[0, '127.0.0.1:1']]),
      offsetTable: new Map([[queue, { maxOffset: 5n, minOffset: null }]]),
      nothing: undefined,
      list: [1, null, 'é'],
    };
    expect(formatJavaJson(body)).toBe(
      '{"brokerAddrs":{0:"127.0.0.1:1"},"offsetTable":{{"brokerName":"a","queueId":0,"topic":"t"}:{"maxOffset":5}},' +
        '"list":[1,null,"é"]}',
    );
  });

  test('is read with bare integer keys as the strings of their digits', () => {
    expect(parse('{"brokerAddrs":{0:"x",-1:"y" , 18446744073709551615:"z"}}')).toEqual({
      brokerAddrs: { '0': 'x', '-1': 'y', '18446744073709551615': 'z' },
    });
  });

  test('is read with objects as keys of a map', () => {
    const parsed = parse('{"offsetTable":{{"queueId":0}:{"maxOffset":5},{"queueId":1}:7,"plain":true}}') as {
      offsetTable: ParsedJson;
    };
    expect(parsed.offsetTable).toEqual(
      new Map<unknown, unknown>([
        [{ queueId: 0 }, { maxOffset: 5 }],
        [{ queueId: 1 }, 7],
        ['plain', true],
      ]),
    );
  });

  test('keeps 64-bit integers exact', () => {
    expect(parse('[9007199254740991,9007199254740993,-9223372036854775808,9223372036854775807,1e3,0.5]')).toEqual([
      9_007_199_254_740_991,
      9_007_199_254_740_993n,
      -(2n ** 63n),
      2n ** 63n - 1n,
      1000,
      0.5,
    ]);
    expect(() => parse('[9223372036854775808]')).toThrow('expected a 64-bit integer at character 20.');
  });

  test('has digits in strings left alone', () => {
    expect(parse('{"id":"12345678901234567890"}')).toEqual({ id: '12345678901234567890' });
  });

  test('reads members with names that mean something to JavaScript as members', () => {
    for (const text of ['{"__proto__":{"polluted":1}}', '{"__proto__":{"polluted":1},0:1}']) {
      const parsed = parse(text) as object;
      expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
      expect(Object.keys(parsed)).toContain('__proto__');
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test.each([
    '',
    '{',
    '{"a"}',
    '{a:1}',
    '{"a":1,}',
    '[1,]',
    '[1 2]',
    '{1.5:2}',
    '{"a":tru}',
    '"open',
    '"\\q"',
    '{} x',
    '-',
    '{0:',
  ])('refuses %j with the place', (text) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        responseCode: 29,
        message: expect.stringMatching(/^The body is not JSON: expected .* at character \d+\.$/) as string,
      }),
    );
  });

  test('is refused beyond the limits, before anything is built', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(() => parse(nested(16))).not.toThrow();
    expect(() => parse(nested(17))).toThrow('The JSON body is 17 levels deep, the limit is 16.');
    expect(() => parse('{0:'.repeat(1_000_000))).toThrow('The JSON body is 1000000 levels deep, the limit is 16.');
    const limits = { depthMax: 1, sizeBytesMax: 4 };
    expect(parseJavaJson(Buffer.from('[12]'), limits)).toEqual([12]);
    expect(() => parseJavaJson(Buffer.from('[123]'), limits)).toThrow('The JSON body has 5 bytes, the limit is 4.');
  });
});

describe('JSON in the standard form', () => {
  test('has every key in quotes and nothing beyond ASCII', () => {
    const body = {
      map: new Map<JavaJson, JavaJson>([
        [0, 'é😀'],
        [1n, 'b'],
      ]),
    };
    const text = formatJavaJson(body, { standard: true });
    expect(text).toBe('{"map":{"0":"\\u00E9\\uD83D\\uDE00","1":"b"}}');
    expect(JSON.parse(text)).toEqual({ map: { '0': 'é😀', '1': 'b' } });
  });

  test('has no form for object keys', () => {
    expect(() => formatJavaJson(new Map([[{ a: 1 }, 1]]), { standard: true })).toThrow(
      expect.objectContaining({ code: 'ERR_REMOTING_NOT_ENCODABLE' }),
    );
    expect(() => formatJavaJson(Number.NaN)).toThrow(expect.objectContaining({ code: 'ERR_REMOTING_NOT_ENCODABLE' }));
  });
});

test('random bodies are read as they were written', () => {
  const prng = new Prng(20_261_122);
  const text = (): string => prng.pick(['', 'a', '%RETRY%g', 'é', '漢字', '😀', '"\\', '\n\u0001', '__proto__', '0']);
  const scalar = (): JavaJson => prng.pick<JavaJson>([text(), prng.below(1000), -5, 2n ** 60n, true, false, 1.5]);
  const any = (depth: number): JavaJson => {
    if (depth === 0 || prng.chance(0.3)) return scalar();
    const count = prng.below(4);
    if (prng.chance(0.3)) return Array.from({ length: count }, () => any(depth - 1));
    if (prng.chance(0.3)) {
      const queues = Array.from({ length: count + 1 }, (_, queueId) => ({ topic: text(), queueId }));
      return new Map<JavaJson, JavaJson>(queues.map((queue) => [queue, any(depth - 1)]));
    }
    return Object.fromEntries(Array.from({ length: count }, (_, index) => [`${text()}${index}`, any(depth - 1)]));
  };
  for (let round = 0; round < 5000; round++) {
    const value = any(5);
    expect(parseJavaJson(encodeJavaJson(value))).toEqual(value);
  }
});

describe('a body reader', () => {
  const body = new BodyReader(
    parse(
      '{"name":"n","perm":"6","big":9007199254740993,"on":"true","null":null,"list":[{"a":1}],"names":["x"],"n":5,"o":{}}',
    ),
  );

  test('takes values by name and type, with defaults for what is missing or null', () => {
    expect(body.string('name')).toBe('n');
    expect(body.string('n')).toBe('5');
    expect(body.string('null', 'absent')).toBe('absent');
    expect(body.optionalString('missing')).toBeUndefined();
    expect(body.int('perm')).toBe(6);
    expect(body.int('missing', 4)).toBe(4);
    expect(body.boolean('on')).toBe(true);
    expect(body.boolean('missing', true)).toBe(true);
    expect(body.objects('list').map((item) => item.int('a'))).toEqual([1]);
    expect(body.objects('missing')).toEqual([]);
    expect(body.strings('names')).toEqual(['x']);
    expect(body.object('missing')).toBeUndefined();
    expect(body.has('null')).toBe(false);
  });

  test('names the member that has another shape', () => {
    expect(() => body.int('name')).toThrow('body.name must be an integer');
    expect(() => body.long('big')).toThrow('body.big must be an integer between');
    expect(() => body.boolean('n')).toThrow('body.n must be true or false.');
    expect(() => body.string('o')).toThrow('body.o must be a string.');
    expect(() => body.object('name')).toThrow('body.name must be an object.');
    expect(() => body.objects('names')).toThrow('body.names[0] must be an object.');
    expect(() => body.strings('list')).toThrow('body.list must be an array of strings.');
    expect(() => new BodyReader(parse('[]'))).toThrow('body must be an object.');
  });
});
