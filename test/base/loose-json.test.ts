import { describe, expect, test } from 'vitest';
import { parseLooseJson } from '../../src/base/loose-json.ts';

describe('loose JSON', () => {
  test('takes bare integer keys at any depth, with any white space', () => {
    expect(parseLooseJson('{0:{ -1 : 2,\n\t7:[{3:4}]},"5":6}')).toEqual({ 0: { '-1': 2, 7: [{ 3: 4 }] }, 5: 6 });
  });

  test('touches nothing inside strings', () => {
    const text = '{0:"{1:2,3:4}", "a\\\\":"\\",5:6", "{7:8":[1]}';
    expect(parseLooseJson(text)).toEqual({ 0: '{1:2,3:4}', 'a\\': '",5:6', '{7:8': [1] });
  });

  test('takes strict JSON as it is', () => {
    expect(parseLooseJson('{"a":[1,2,{"0":null}]}')).toEqual({ a: [1, 2, { 0: null }] });
  });

  test.each(['', '{', '{0:}', '{a:1}', '{1.5:2}', '"\u0001', '{0:1}}'])('refuses %j', (text) => {
    expect(() => parseLooseJson(text)).toThrow(SyntaxError);
  });
});
