import { expect, test } from 'vitest';
import { javaStringHash } from '../../../src/base/java-string-hash.ts';
import { TagFilter, TagFilters, tagsOf } from '../../../src/broker/subscription/subscription-data.ts';

test.each([
  ['a', ['a']],
  ['a || b', ['a', 'b']],
  [' a||b || ', ['a', 'b']],
  ['||a', ['a']],
  [' ', []],
  ['||', undefined],
  ['||||', undefined],
])('the expression %j has the tags %j', (expression, tags) => {
  expect(tagsOf(expression)).toEqual(tags);
});

test('a star and an empty expression match everything, bars alone are illegal', () => {
  const filters = new TagFilters();
  expect(filters.of('*')).toBeUndefined();
  expect(filters.of('')).toBeUndefined();
  expect(filters.of('||')).toBe('illegal');
});

test('filters are remembered, but not without bound', () => {
  const filters = new TagFilters(2);
  const first = filters.of('red') as TagFilter;
  expect(filters.of('red')).toBe(first);
  expect(first.matchesTagsCode(javaStringHash('red'))).toBe(true);
  expect(first.matchesTagsCode(javaStringHash('blue'))).toBe(false);
  filters.of('blue');
  filters.of('green');
  expect(filters.of('red')).not.toBe(first);
});
