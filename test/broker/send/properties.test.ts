// Properties as producers send them and as they are stored.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { delayed, delivered } from '../../../src/broker/send/delay-transform.ts';
import { scanProperties } from '../../../src/broker/send/properties-scan.ts';
import { StoredProperties } from '../../../src/broker/send/stored-properties.ts';
import { formatProperties, parseProperties } from '../../../src/model/message-properties.ts';

const stored = new StoredProperties({ clusterName: 'C', regionId: 'R', isTraceOn: true });

const name = fc.oneof(
  fc.constantFrom(
    'UNIQ_KEY',
    'DELAY',
    'TRAN_MSG',
    'TIMER_DELAY_MS',
    'INNER_NUM',
    'POP_CK',
    'CLUSTER',
    'REAL_QID',
    'TAGS',
  ),
  fc.string({ minLength: 1, maxLength: 12 }),
);
const entry = fc.tuple(name, fc.string({ maxLength: 8 })).map(([key, value]) => `${key}\u0001${value}`);
const text = fc
  .tuple(fc.array(fc.oneof(entry, fc.string({ maxLength: 4 })), { maxLength: 8 }), fc.boolean())
  .map(([entries, isEnded]) => entries.join('\u0002') + (isEnded ? '\u0002' : ''));

test('the scan sees what parsing would see', () => {
  fc.assert(
    fc.property(text, (properties) => {
      const parsed = parseProperties(properties);
      const scanned = scanProperties(properties);
      expect(scanned.uniqueKey).toBe(parsed.get('UNIQ_KEY'));
      expect(scanned.delay).toBe(parsed.get('DELAY'));
      expect(scanned.isTransactionPrepared).toBe(parsed.get('TRAN_MSG')?.toLowerCase() === 'true');
      expect(scanned.hasTimer).toBe(parsed.has('TIMER_DELAY_MS'));
      expect(scanned.hasInnerCount).toBe(parsed.has('INNER_NUM'));
    }),
  );
});

test('what is stored is what parsing, adding and formatting would store', () => {
  fc.assert(
    fc.property(text, fc.option(fc.constant('KEY'), { nil: undefined }), (properties, madeKey) => {
      const expected = parseProperties(properties);
      expected.delete('POP_CK');
      if (madeKey !== undefined) expected.set('UNIQ_KEY', madeKey);
      for (const [key, value] of Object.entries({ MSG_REGION: 'R', TRACE_ON: 'true', CLUSTER: 'C' }))
        expected.set(key, value);
      const result = stored.of(properties, scanProperties(properties), madeKey);
      expect(Object.fromEntries(parseProperties(result))).toEqual(Object.fromEntries(expected));
      expect(result.endsWith('\u0002')).toBe(true);
    }),
  );
});

test('well-formed properties are stored as they are, with the broker’s own behind them', () => {
  const properties = 'KEYS\u0001k1\u0002TAGS\u0001a';
  const own = 'MSG_REGION\u0001R\u0002TRACE_ON\u0001true\u0002CLUSTER\u0001C\u0002';
  expect(stored.of(properties, scanProperties(properties), undefined)).toBe(`${properties}\u0002${own}`);
});

test('a message that was delayed finds back to its topic and queue', () => {
  const origin = { topic: 'Letters', queueId: 3, properties: formatProperties([['TAGS', 'a']]) };
  const waiting = delayed(origin, 2, 18);
  expect(waiting).toMatchObject({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 1 });
  const back = delivered(waiting.properties);
  expect(back).toMatchObject({ topic: 'Letters', queueId: 3 });
  expect(Object.fromEntries(parseProperties(back!.properties))).toMatchObject({ TAGS: 'a', WAIT: 'false' });
  expect(parseProperties(back!.properties).has('DELAY')).toBe(false);
});

test('a message that does not say where it belongs is not delivered anywhere', () => {
  expect(delivered(formatProperties([['REAL_TOPIC', 'Letters']]))).toBeUndefined();
  expect(delivered(formatProperties([['REAL_QID', '1']]))).toBeUndefined();
  expect(
    delivered(
      formatProperties([
        ['REAL_TOPIC', 'Letters'],
        ['REAL_QID', 'x'],
      ]),
    ),
  ).toBeUndefined();
});
