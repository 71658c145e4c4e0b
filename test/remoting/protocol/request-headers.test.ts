import { describe, expect, expectTypeOf, test } from 'vitest';

import { ExtFields } from '../../../src/remoting/protocol/ext-fields.ts';
import type { FieldValue } from '../../../src/remoting/protocol/ext-fields.ts';
import { headerCodec, optional, required } from '../../../src/remoting/protocol/header-fields.ts';
import type { HeaderSpec } from '../../../src/remoting/protocol/header-fields.ts';
import { RemotingCommand } from '../../../src/remoting/protocol/remoting-command.ts';
import { createRequest, decodeHeader, requestHeaderSpecs } from '../../../src/remoting/protocol/request-headers.ts';
import type { RequestHeader } from '../../../src/remoting/protocol/request-headers.ts';
import { RequestCode, restoreTruncatedCode } from '../../../src/remoting/protocol/request-code.ts';
import { decodeResponseHeader, responseHeader } from '../../../src/remoting/protocol/response-headers.ts';
import { goldenExchanges } from '../support/golden-wire.ts';

function command(code: number, fields: Readonly<Record<string, FieldValue | undefined>>): RemotingCommand {
  const extFields = ExtFields.from(fields);
  const header = { code, language: 'JAVA', version: 513, opaque: 1, flag: 0, remark: undefined, extFields } as const;
  return new RemotingCommand(header, Buffer.alloc(0), 'JSON');
}

describe('a typed header', () => {
  const codec = headerCodec({
    text: required('string'),
    count: required('int'),
    place: required('long', 'plaec'),
    sure: required('boolean'),
    maybeText: optional('string'),
    maybeCount: optional('int'),
  });

  test('has neutral values for required fields and undefined for optional ones that are missing', () => {
    expect(codec.decode(ExtFields.from({}))).toEqual({
      text: '',
      count: 0,
      place: 0,
      sure: false,
      maybeText: undefined,
      maybeCount: undefined,
    });
  });

  test('reads fields under their wire names and ignores others', () => {
    const fields = { text: 't', count: '-12', plaec: '+9007199254740991', sure: 'TRUE', maybeCount: '0', other: 'x' };
    expect(codec.decode(ExtFields.from(fields))).toMatchObject({
      text: 't',
      count: -12,
      place: 9_007_199_254_740_991,
      sure: true,
      maybeCount: 0,
    });
  });

  test('writes what it reads', () => {
    const header = { text: '', count: 2_147_483_647, place: -9_007_199_254_740_991, sure: true, maybeText: 'x' };
    const encoded = codec.encode(header);
    expect(encoded).not.toHaveProperty('maybeCount');
    expect(codec.decode(ExtFields.from(encoded))).toEqual({ ...header, maybeCount: undefined });
  });

  test.each(['', '-', ' 1', '1 ', '1e3', '0x10', '1.0', 'NaN', '2147483648', '-2147483649', '99999999999999999999999'])(
    'refuses %j as an int',
    (count) => {
      expect(() => codec.decode(ExtFields.from({ count }))).toThrow(
        expect.objectContaining({ responseCode: 29, message: 'The header field count must be a 32-bit integer.' }),
      );
    },
  );

  test.each(['9007199254740992', '-9007199254740992', '9223372036854775807', '18446744073709551616', 'abc'])(
    'refuses %j as a long, because it would not be exact',
    (plaec) => {
      expect(() => codec.decode(ExtFields.from({ plaec }))).toThrow(
        expect.objectContaining({
          responseCode: 29,
          message: expect.stringContaining('field place must be') as string,
        }),
      );
    },
  );
});

describe('the table of request headers', () => {
  test('types a header by its code', () => {
    type Pull = RequestHeader<typeof RequestCode.PULL_MESSAGE>;
    expectTypeOf<Pull['queueOffset']>().toEqualTypeOf<number>();
    expectTypeOf<Pull['subscription']>().toEqualTypeOf<string | undefined>();
    type Send = RequestHeader<typeof RequestCode.SEND_MESSAGE>;
    expectTypeOf<Send>().toEqualTypeOf<RequestHeader<typeof RequestCode.SEND_BATCH_MESSAGE>>();
  });

  test('gives both forms of a send the same header', () => {
    const plain = decodeHeader(
      RequestCode.SEND_MESSAGE,
      command(10, { producerGroup: 'g', topic: 't', queueId: 3, bornTimestamp: 5, batch: true, bname: 'b' }),
    );
    const short = decodeHeader(
      RequestCode.SEND_MESSAGE_V2,
      command(310, { a: 'g', b: 't', e: 3, g: 5, m: true, n: 'b' }),
    );
    expect(short).toEqual(plain);
    expect(plain).toMatchObject({ producerGroup: 'g', topic: 't', queueId: 3, batch: true, brokerName: 'b' });
  });

  test('knows the letters a to n, each once', () => {
    const spec: HeaderSpec = requestHeaderSpecs[RequestCode.SEND_MESSAGE_V2];
    const wireNames = Object.values(spec).map(({ wireName }) => wireName);
    const letters = wireNames.filter((name) => name?.length === 1).sort();
    expect(letters.join('')).toBe('abcdefghijklmn');
  });

  test('keeps the spelling that Apache uses', () => {
    const header = decodeHeader(RequestCode.PULL_MESSAGE, command(11, { proxyFrowardClientId: 'c' }));
    expect(header.proxyForwardClientId).toBe('c');
  });

  test('makes requests that it reads again', () => {
    const identity = { brokerName: 'b', brokerAddr: '127.0.0.1:1', clusterName: 'c', brokerId: 0 };
    const request = createRequest(RequestCode.UNREGISTER_BROKER, identity);
    expect(decodeHeader(RequestCode.UNREGISTER_BROKER, command(104, request.extFields ?? {}))).toEqual(identity);
    const answer = responseHeader(RequestCode.GET_MAX_OFFSET, { offset: 42 });
    expect(decodeResponseHeader(RequestCode.GET_MAX_OFFSET, command(0, answer))).toEqual({ offset: 42 });
  });

  const declared = new Set(Object.keys(requestHeaderSpecs).map(Number));
  const captured = goldenExchanges().filter(({ request }) => declared.has(request.header.code));
  // A hook of the clients adds ReqT to every request; the others are fields of requests made by hand from another one's.
  const foreign = new Set([
    'haServerAddr',
    'enableActingMaster',
    'heartbeatTimeoutMillis',
    'compressed',
    'bodyCrc32',
    'ReqT',
  ]);

  test.each(captured.map((exchange) => [exchange.name, exchange] as const))(
    'knows every field of %s',
    (_name, { request }) => {
      const code = request.header.code as keyof typeof requestHeaderSpecs;
      const spec: HeaderSpec = requestHeaderSpecs[code];
      const known = new Set(Object.entries(spec).map(([name, field]) => field.wireName ?? name));
      const sent = Object.keys(request.header.extFields ?? {});
      expect(sent.filter((name) => !known.has(name) && !foreign.has(name))).toEqual([]);
    },
  );
});

test('a code that a binary header cut to 16 bits is restored', () => {
  expect([3442, 3443, 3445, 3543, 3462].map(restoreTruncatedCode)).toEqual([
    200_050, 200_051, 200_053, 200_151, 200_070,
  ]);
  expect([10, 310, 904, 3001, 3443 + 1].map(restoreTruncatedCode)).toEqual([10, 310, 904, 3001, 200_052]);
  // Java's short is signed, these codes are not that large.
  for (const code of Object.values(RequestCode)) {
    if (code <= 0x7fff) expect(restoreTruncatedCode(code)).toBe(code);
  }
});
