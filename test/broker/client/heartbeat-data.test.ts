import { expect, test } from 'vitest';
import { javaStringHash } from '../../../src/base/java-string-hash.ts';
import { readHeartbeat } from '../../../src/broker/client/heartbeat-data.ts';

const read = (value: unknown) => readHeartbeat(Buffer.from(JSON.stringify(value)), 100);
const consumer = (subscription: object) => ({
  clientID: 'c',
  consumerDataSet: [{ groupName: 'g', subscriptionDataSet: [{ topic: 't', subVersion: 3, ...subscription }] }],
});

test('what a heartbeat leaves out has Java’s default', () => {
  expect(read({})).toEqual({
    clientId: '',
    fingerprint: 0,
    isWithoutSubscriptions: false,
    consumers: [],
    producerGroups: [],
  });
  const [data] = read(consumer({})).consumers;
  expect(data).toMatchObject({ consumeType: 'CONSUME_PASSIVELY', messageModel: 'CLUSTERING', unitMode: false });
  expect(data?.subscriptions[0]).toMatchObject({
    expression: '*',
    expressionType: 'TAG',
    version: 3,
    filter: undefined,
  });
});

test('a filter takes the hashes that the client sent, or those of the expression when it sent none', () => {
  const filterOf = (subscription: object) => read(consumer(subscription)).consumers[0]?.subscriptions[0]?.filter;
  expect(filterOf({ subString: 'a || b', codeSet: [5, -6] })?.matchesTagsCode(-6)).toBe(true);
  expect(filterOf({ subString: 'a || b', codeSet: [5] })?.matchesTagsCode(javaStringHash('a'))).toBe(false);
  expect(filterOf({ subString: 'a || b' })?.matchesTagsCode(javaStringHash('b'))).toBe(true);
  expect(filterOf({ subString: 'a', classFilterMode: true })).toBeUndefined();
});

test('a heartbeat of another shape is refused with the name of the member', () => {
  expect(() => read([])).toThrow(/object/);
  expect(() => read({ consumerDataSet: {} })).toThrow(/consumerDataSet/);
  expect(() => read({ consumerDataSet: [{ groupName: {} }] })).toThrow(/groupName/);
  expect(() => read({ clientID: 'x'.repeat(2_000) })).toThrow(/client id/);
});
