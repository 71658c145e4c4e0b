import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBatchBody } from '../../../src/broker/send/batch-body.ts';
import { hostAddress } from '../../../src/model/host-address.ts';
import { batchElement } from '../support/requests.ts';

const host = hostAddress('127.0.0.1', 1);
const common = {
  topic: 'Letters',
  queueId: 2,
  sysFlag: 0,
  bornTimestampMs: 5,
  bornHost: host,
  storeHost: host,
  reconsumeTimes: 0,
  preparedTransactionOffset: 0,
};

test('every message of a batch comes out as it went in, its body a view of the request', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.string()), { minLength: 1, maxLength: 10 }), (parts) => {
      const body = Buffer.concat(parts.map(([text, properties], index) => batchElement(text, properties, index)));
      const messages = readBatchBody(body, common, 10);
      expect(messages).toHaveLength(parts.length);
      messages!.forEach((message, index) => {
        const [text, properties] = parts[index]!;
        expect(Buffer.from(message.body).equals(Buffer.from(text))).toBe(true);
        expect(message.properties).toBe(Buffer.from(properties).toString());
        expect(message).toMatchObject({ topic: 'Letters', queueId: 2, flag: index });
        expect(message.body.buffer).toBe(body.buffer);
      });
    }),
  );
});

test('a batch that was cut anywhere, or has a wrong length anywhere, is no batch', () => {
  const body = Buffer.concat([batchElement('one'), batchElement('two')]);
  const firstEnd = batchElement('one').length;
  for (let length = 0; length < body.length; length++) {
    if (length !== firstEnd) expect(readBatchBody(body.subarray(0, length), common, 10)).toBeUndefined();
  }
  for (const position of [0, 16]) {
    for (const delta of [-1, 1, 1 << 20, -(2 ** 31)]) {
      const broken = Buffer.from(body);
      broken.writeInt32BE((broken.readInt32BE(position) + delta) | 0, position);
      expect(readBatchBody(broken, common, 10)).toBeUndefined();
    }
  }
});

test('a batch has at most so many messages', () => {
  const body = Buffer.concat([batchElement('one'), batchElement('two')]);
  expect(readBatchBody(body, common, 2)).toHaveLength(2);
  expect(readBatchBody(body, common, 1)).toBeUndefined();
});
