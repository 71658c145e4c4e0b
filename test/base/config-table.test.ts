import { describe, expect, it } from 'vitest';
import { ConfigError, nearestName, readConfig, type ConfigTable } from '../../src/base/config-table.ts';
import { formatJavaProperties, parseJavaProperties } from '../../src/base/java-properties.ts';

const facts = { sentence: 'x', origin: 'y', needsRestart: true } as const;
const table = {
  listenPort: { type: 'integer', unit: '(port)', default: 10911, min: 0, max: 65535, ...facts },
  traceOn: { type: 'boolean', default: true, ...facts },
  brokerName: { type: 'text', default: 'a', form: 'letters', pattern: /^[a-z]+$/, ...facts },
  flushDiskType: { type: 'choice', default: 'ASYNC_FLUSH', choices: ['ASYNC_FLUSH', 'SYNC_FLUSH'], ...facts },
} as const satisfies ConfigTable;
const ignored = new Map([['haListenPort', 'no replication']]);
const read = (settings: Record<string, string>) =>
  readConfig(table, ignored, new Map(Object.entries(settings)), 'broker.conf');

describe('configuration table', () => {
  it('fills in defaults and reads every type', () => {
    expect(read({}).values).toEqual({
      listenPort: 10911,
      traceOn: true,
      brokerName: 'a',
      flushDiskType: 'ASYNC_FLUSH',
    });
    const changed = read({ listenPort: '1', traceOn: 'FALSE', brokerName: 'b', flushDiskType: 'SYNC_FLUSH' });
    expect(changed.values).toEqual({ listenPort: 1, traceOn: false, brokerName: 'b', flushDiskType: 'SYNC_FLUSH' });
  });
  it.each([
    ['listenPort', '70000', 'from 0 to 65535'],
    ['listenPort', '1e3', 'whole number'],
    ['traceOn', 'yes', 'true or false'],
    ['brokerName', 'B', 'letters'],
    ['flushDiskType', 'sync', 'ASYNC_FLUSH, SYNC_FLUSH'],
  ])('refuses %s=%s and says what may stand there', (key, value, text) => {
    expect(() => read({ [key]: value })).toThrow(text);
    expect(() => read({ [key]: value })).toThrow(ConfigError);
  });
  it('refuses an unknown key and names the nearest one', () => {
    expect(() => read({ flushDiskTyp: 'SYNC_FLUSH' })).toThrow(/no setting "flushDiskTyp".*flushDiskType/);
    expect(() => read({ ['__proto__']: 'x' })).not.toThrow('Cannot');
    expect(nearestName('somethingElseEntirely', Object.keys(table))).toBeUndefined();
  });
  it('accepts a known key without an effect and tells the reason', () => {
    expect(read({ haListenPort: '1' }).ignored).toEqual([{ key: 'haListenPort', reason: 'no replication' }]);
  });
});

describe('java properties', () => {
  it('reads comments, continuations, escapes and the three separators', () => {
    const text = '# c\n! d\n a=1\r\nb : two words  \nc three\nd=x\\\n   y\n\\u0065=\\u00e9\\tz\nempty=\n';
    expect([...parseJavaProperties(text)]).toEqual([
      ['a', '1'],
      ['b', 'two words'],
      ['c', 'three'],
      ['d', 'xy'],
      ['e', 'é\tz'],
      ['empty', ''],
    ]);
  });
  it('writes what it reads', () => {
    const pairs: [string, string][] = [
      ['path', 'C:\\x'],
      ['a b', 'line\nbreak'],
      ['k', '1s 5s'],
    ];
    expect([...parseJavaProperties(formatJavaProperties(pairs))]).toEqual(pairs);
  });
});
