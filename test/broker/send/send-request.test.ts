// The hot path's own reading of a send's header must be what the declared header says.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeSendRequest } from '../../../src/broker/send/send-request.ts';
import { createRequest, decodeHeader } from '../../../src/remoting/protocol/request-headers.ts';
import type { OutgoingRequestHeader } from '../../../src/remoting/protocol/request-headers.ts';
import { RequestCode } from '../../../src/remoting/protocol/request-code.ts';
import { arrived } from '../support/fake-connection.ts';

const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const header = fc.record(
  {
    producerGroup: fc.string(),
    topic: fc.string(),
    defaultTopic: fc.string(),
    defaultTopicQueueNums: int,
    queueId: int,
    sysFlag: int,
    bornTimestamp: fc.maxSafeInteger(),
    flag: int,
    properties: fc.string(),
    reconsumeTimes: int,
    unitMode: fc.boolean(),
    maxReconsumeTimes: int,
    batch: fc.boolean(),
    brokerName: fc.string(),
  },
  {
    requiredKeys: [
      ...(['producerGroup', 'topic', 'defaultTopic', 'defaultTopicQueueNums'] as const),
      ...(['queueId', 'sysFlag', 'bornTimestamp', 'flag'] as const),
    ],
  },
);

type Header = OutgoingRequestHeader<typeof RequestCode.SEND_MESSAGE>;

test.each([RequestCode.SEND_MESSAGE, RequestCode.SEND_MESSAGE_V2])(
  'code %i is read as its header is declared',
  (code) => {
    fc.assert(
      fc.property(header, (fields) => {
        const command = arrived(createRequest(code, fields as Header));
        const declared = decodeHeader(code, command);
        const send = decodeSendRequest(command);
        expect(send).toMatchObject({
          producerGroup: declared.producerGroup,
          topic: declared.topic,
          defaultTopic: declared.defaultTopic,
          defaultTopicQueueNums: declared.defaultTopicQueueNums,
          queueId: declared.queueId,
          sysFlag: declared.sysFlag,
          bornTimestamp: declared.bornTimestamp,
          flag: declared.flag,
          properties: declared.properties ?? '',
          reconsumeTimes: declared.reconsumeTimes ?? 0,
          unitMode: declared.unitMode ?? false,
          maxReconsumeTimes: declared.maxReconsumeTimes,
          batch: declared.batch ?? false,
        });
      }),
    );
  },
);

test('a number that is none is refused by its name', () => {
  const command = arrived({ code: RequestCode.SEND_MESSAGE_V2, extFields: { b: 'Letters', e: 'two' } });
  expect(() => decodeSendRequest(command)).toThrow(/queueId/);
});
