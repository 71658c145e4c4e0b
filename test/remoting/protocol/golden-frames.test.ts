import { describe, expect, test } from 'vitest';

import { decodeFrame, encodeFrame } from '../../../src/remoting/protocol/frame-codec.ts';
import { formatJavaJson } from '../../../src/remoting/protocol/java-json.ts';
import type { JavaJson } from '../../../src/remoting/protocol/java-json.ts';
import { parseJavaJson } from '../../../src/remoting/protocol/java-json-parser.ts';
import { defaultRemotingLimits as limits } from '../../../src/remoting/transport/remoting-settings.ts';
import { frameBytes, goldenExchange, goldenExchanges } from '../support/golden-wire.ts';
import type { GoldenFrame } from '../support/golden-wire.ts';

const frames = goldenExchanges().flatMap(({ name, request, response }): [string, GoldenFrame][] =>
  response === null
    ? [[`${name} request`, request]]
    : [
        [`${name} request`, request],
        [`${name} response`, response],
      ],
);

test('the captures are there', () => {
  expect(frames.length).toBeGreaterThan(200);
});

describe('frames captured from Apache 5.5.0 and its clients', () => {
  test.each(frames)('%s is read as it was captured', (_name, frame) => {
    const bytes = frameBytes(frame);
    const command = decodeFrame(bytes, 0, bytes.length, limits);
    expect(command.serializeType).toBe(frame.serializeType);
    expect({ ...frame.header, serializeTypeCurrentRPC: undefined, extFields: undefined }).toEqual({
      code: command.code,
      language: command.language,
      version: command.version,
      opaque: command.opaque,
      flag: command.flag,
      remark: command.remark,
    });
    const sent = Object.entries(frame.header.extFields ?? {});
    // A binary header has no empty values: Apache reads them as null.
    const wanted = frame.serializeType === 'ROCKETMQ' ? sent.filter(([, value]) => value !== '') : sent;
    expect([...command.extFields.toMap()]).toEqual(wanted);
    expect(command.body.length).toBe(frame.bodyBytes);
  });

  const current = frames.filter(([, { header }]) => header.version === 513 && header.language === 'JAVA');
  const standard = current.filter(([, { headerText, serializeType }]) => {
    // Requests made by hand have their members in another order.
    return serializeType === 'ROCKETMQ' || headerText?.endsWith('"serializeTypeCurrentRPC":"JSON","version":513}');
  });

  test.each(standard)('%s is written byte for byte as Apache wrote it', (_name, frame) => {
    const bytes = frameBytes(frame);
    const { code, flag, opaque, remark, extFields } = frame.header;
    const body = bytes.subarray(bytes.length - frame.bodyBytes);
    expect(encodeFrame({ code, flag, opaque, remark, extFields }, body, frame.serializeType)).toEqual(bytes);
  });

  const bodies = frames.filter(([, { bodyText }]) => bodyText?.startsWith('{') === true && bodyText.endsWith('}'));

  test.each(bodies)('%s has a JSON body that is read and written again', (_name, frame) => {
    const text = frame.bodyText ?? '';
    const parsed = parseJavaJson(Buffer.from(text, 'utf8'));
    expect(parseJavaJson(Buffer.from(formatJavaJson(parsed as JavaJson), 'utf8'))).toEqual(parsed);
  });
});

test('the loose form of a route is written as Apache writes it', () => {
  const text = goldenExchange('106-loose').response?.bodyText ?? '';
  expect(text).toContain('{0:"');
  const parsed = parseJavaJson(Buffer.from(text)) as unknown as {
    brokerAddrTable: Record<string, { brokerAddrs: Record<string, string> }>;
    clusterAddrTable: Record<string, string[]>;
  };
  const brokerAddrTable = Object.fromEntries(
    Object.entries(parsed.brokerAddrTable).map(([name, broker]) => {
      const brokerAddrs = new Map(Object.entries(broker.brokerAddrs).map(([id, address]) => [Number(id), address]));
      return [name, { ...broker, brokerAddrs }];
    }),
  );
  expect(formatJavaJson({ ...parsed, brokerAddrTable })).toBe(text);
});
