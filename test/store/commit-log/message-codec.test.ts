import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/base/crc32.ts';
import { hostAddress } from '../../../src/model/host-address.ts';
import type { MessageToPut, StoredMessage } from '../../../src/model/message.ts';
import { MessageSysFlag } from '../../../src/model/sys-flag.ts';
import {
  bodyOf,
  decodeRecord,
  physicalOffsetOf,
  propertiesOf,
  queueIdOf,
  queueOffsetOf,
  recordSizeAt,
  storeTimestampOf,
  topicOf,
} from '../../../src/store/commit-log/message-decoder.ts';
import { MessageEncoder, messageProblem } from '../../../src/store/commit-log/message-encoder.ts';
import { MAGIC_CODE_V1, MAGIC_CODE_V2 } from '../../../src/store/commit-log/message-layout.ts';
import { message } from './commit-log-fixture.ts';

const limits = { messageSizeBytesMax: 4 * 1024 * 1024, segmentSizeBytes: 1024 * 1024 * 1024 };
const encoder = new MessageEncoder({ crc32, limits });

/** One record at a position that is not 0, with 0xEE around it. */
function encode(
  toPut: MessageToPut,
  place: { queueOffset: number; physicalOffset: number; storeTimestampMs: number },
): Buffer {
  const position = 13;
  const buffer = Buffer.alloc(encoder.sizeBytes(toPut) + 2 * position, 0xee);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  const sizeBytes = encoder.encode({ buffer, view }, toPut, { position, ...place });
  expect(sizeBytes).toBe(encoder.sizeBytes(toPut));
  expect(buffer.subarray(0, position)).toEqual(Buffer.alloc(position, 0xee));
  expect(buffer.subarray(position + sizeBytes)).toEqual(Buffer.alloc(position, 0xee));
  return buffer.subarray(position, position + sizeBytes);
}

function decode(bytes: Buffer): StoredMessage {
  const record = decodeRecord(bytes, { position: 0, limit: bytes.length }, crc32);
  if (record.kind !== 'message') throw new Error(`not a message: ${JSON.stringify(record)}`);
  return record.message;
}

const place = { queueOffset: 3, physicalOffset: 1_000, storeTimestampMs: 1_700_000_000_000 };

const host = fc
  .record({
    address: fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
    port: fc.integer({ min: 0, max: 65_535 }),
  })
  .map(({ address, port }) => ({ address: Uint8Array.from(address), port }));
const nameCharacter = fc.constantFrom('a', 'b', 'X', 'Z', '0', '9', '%', '|', '-', '_');
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const anyMessage: fc.Arbitrary<MessageToPut> = fc.record({
  topic: fc.oneof(
    fc.string({ unit: nameCharacter, minLength: 1, maxLength: 127 }),
    fc.string({ unit: nameCharacter, minLength: 100, maxLength: 240 }).map((text) => `%RETRY%${text}`),
  ),
  queueId: fc.integer({ min: 0, max: 65_535 }),
  flag: int32,
  sysFlag: fc.integer({ min: 0, max: 0x7ff }),
  bornTimestampMs: fc.maxSafeInteger(),
  bornHost: host,
  storeHost: host,
  reconsumeTimes: int32,
  preparedTransactionOffset: fc.maxSafeInteger(),
  body: fc.uint8Array({ maxLength: 2_000 }),
  properties: fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 400 }),
    fc.string({ unit: 'binary-ascii', maxLength: 400 }),
  ),
});

describe('message codec', () => {
  it('decodes every message to what was encoded', () => {
    fc.assert(
      fc.property(
        anyMessage,
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        (toPut, queueOffset, physicalOffset, time) => {
          expect(encoder.problemOf(toPut)).toBeUndefined();
          const bytes = encode(toPut, { queueOffset, physicalOffset, storeTimestampMs: time });
          const hostBits =
            (toPut.bornHost.address.length === 16 ? MessageSysFlag.BORN_HOST_V6 : 0) |
            (toPut.storeHost.address.length === 16 ? MessageSysFlag.STORE_HOST_V6 : 0);
          const decoded = decode(bytes);
          expect({
            ...decoded,
            body: Uint8Array.from(decoded.body),
            bornHost: { ...decoded.bornHost, address: Uint8Array.from(decoded.bornHost.address) },
            storeHost: { ...decoded.storeHost, address: Uint8Array.from(decoded.storeHost.address) },
          }).toEqual({
            ...toPut,
            body: Uint8Array.from(toPut.body),
            sysFlag: (toPut.sysFlag & ~0x30) | hostBits,
            sizeBytes: bytes.length,
            bodyCrc: zlibCrc32(toPut.body) & 0x7fffffff,
            queueOffset,
            physicalOffset,
            storeTimestampMs: time,
          });
          expect(encoder.sizeBytesMax(toPut)).toBeGreaterThanOrEqual(bytes.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('encodes a decoded record to the same bytes', () => {
    fc.assert(
      fc.property(anyMessage, (toPut) => {
        const bytes = encode(toPut, place);
        expect(encode(decode(bytes), place).equals(bytes)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('reads single fields of a record wherever it lies', () => {
    const bytes = encode(message({ properties: 'KEYS\u0001süß\u0002', storeHost: hostAddress('::1', 10_911) }), place);
    const shifted = Buffer.concat([Buffer.alloc(5, 1), bytes]);
    for (const [buffer, position] of [
      [bytes, 0],
      [shifted, 5],
    ] as const) {
      expect(recordSizeAt(buffer, position)).toBe(bytes.length);
      expect(queueIdOf(buffer, position)).toBe(1);
      expect(queueOffsetOf(buffer, position)).toBe(3);
      expect(physicalOffsetOf(buffer, position)).toBe(1_000);
      expect(storeTimestampOf(buffer, position)).toBe(place.storeTimestampMs);
      expect(topicOf(buffer, position)).toBe('Orders');
      expect(propertiesOf(buffer, position)).toBe('KEYS\u0001süß\u0002');
      expect(bodyOf(buffer, position).toString()).toBe('hello');
    }
  });

  it('takes the second version of a record for a topic of more than 127 bytes', () => {
    expect(encode(message({ topic: 't'.repeat(127) }), place).readInt32BE(4)).toBe(MAGIC_CODE_V1);
    const long = `%RETRY%${'g'.repeat(121)}`;
    const bytes = encode(message({ topic: long }), place);
    expect(bytes.readInt32BE(4)).toBe(MAGIC_CODE_V2);
    expect(topicOf(bytes)).toBe(long);
  });

  it('says which byte is wrong, or none, for every truncation and every flipped bit of the fixed part', () => {
    const bytes = encode(message(), place);
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeRecord(bytes, { position: 0, limit: length }, crc32).kind).toBe('bad');
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      // Must never throw: the bytes come from a disk. A flip in a field without a check is not seen here.
      const record = decodeRecord(damaged, { position: 0, limit: damaged.length }, crc32);
      if (bit >= 32 && bit < 96) expect(record.kind).toBe('bad');
    }
  });

  it('tells an empty place and a blank record from damage', () => {
    expect(decodeRecord(Buffer.alloc(200), { position: 0, limit: 200 }).kind).toBe('empty');
    const blank = Buffer.alloc(200);
    blank.writeInt32BE(200, 0);
    blank.writeInt32BE(-875286124, 4);
    expect(decodeRecord(blank, { position: 0, limit: 200 })).toEqual({ kind: 'blank', sizeBytes: 200 });
    blank.writeInt32BE(1, 4);
    expect(decodeRecord(blank, { position: 0, limit: 200 }).kind).toBe('bad');
  });

  it('refuses what can not be a record, with a sentence', () => {
    const refused = (overrides: Partial<MessageToPut>, limit = limits): string => {
      const problem = messageProblem(message(overrides), limit);
      return `${problem?.status}: ${problem?.reason}`;
    };
    expect(messageProblem(message(), limits)).toBeUndefined();
    expect(refused({ topic: '' })).toMatch(/^MESSAGE_ILLEGAL: The topic name is empty/);
    expect(refused({ topic: '../x' })).toMatch(/^MESSAGE_ILLEGAL: The topic name "..\/x"/);
    expect(refused({ topic: 't'.repeat(128) })).toMatch(/128 characters, the limit is 127/);
    expect(refused({ queueId: -1 })).toMatch(/queue id -1/);
    expect(refused({ queueId: 65_536 })).toMatch(/queue id 65536/);
    expect(refused({ queueId: 1.5 })).toMatch(/queue id 1.5/);
    expect(refused({ flag: 2 ** 31 })).toMatch(/flag has the value 2147483648/);
    expect(refused({ sysFlag: Number.NaN })).toMatch(/sysFlag has the value NaN/);
    expect(refused({ reconsumeTimes: 0.5 })).toMatch(/reconsumeTimes/);
    expect(refused({ bornTimestampMs: Number.NaN })).toMatch(/bornTimestampMs has the value NaN/);
    expect(refused({ preparedTransactionOffset: 2 ** 53 })).toMatch(/preparedTransactionOffset/);
    expect(refused({ bornHost: { address: new Uint8Array(5), port: 1 } })).toMatch(/4 or 16 address bytes/);
    expect(refused({ storeHost: { address: new Uint8Array(4), port: 65_536 } })).toMatch(/port from 0 to 65535/);
    expect(refused({ body: Buffer.alloc(11) }, { ...limits, messageSizeBytesMax: 10 })).toMatch(/11 bytes.*is 10/);
    expect(refused({ properties: 'x'.repeat(32_768) })).toMatch(/^PROPERTIES_SIZE_EXCEEDED: .*32768 bytes/);
    expect(refused({ properties: 'ü'.repeat(16_384) })).toMatch(/^PROPERTIES_SIZE_EXCEEDED: .*32768 bytes/);
    expect(refused({ body: Buffer.alloc(1_000) }, { ...limits, segmentSizeBytes: 1_024 })).toMatch(/one log segment/);
    expect(messageProblem(message({ properties: 'x'.repeat(32_767) }), limits)).toBeUndefined();
  });

  it('takes a message that fills a segment to the last byte before the blank record', () => {
    const exact = encoder.sizeBytes(message()) + 8;
    expect(messageProblem(message(), { ...limits, segmentSizeBytes: exact })).toBeUndefined();
    expect(messageProblem(message(), { ...limits, segmentSizeBytes: exact - 1 })?.status).toBe('MESSAGE_ILLEGAL');
  });
});

describe('records that Apache RocketMQ 5.5.0 sent to a puller', () => {
  const directory = join(import.meta.dirname, '../../golden/wire');
  const bodies = readdirSync(directory)
    .filter((name) => name.startsWith('11-') && name.endsWith('.json'))
    .map((name) => ({ name, body: bodyOfResponse(join(directory, name)) }))
    .filter(({ body }) => body.length > 0);

  it('are there to be read', () => {
    expect(bodies.length).toBeGreaterThan(3);
  });

  it.each(bodies)('$name: are decoded and encoded again bit for bit', ({ body }) => {
    for (let position = 0; position < body.length;) {
      const record = decodeRecord(body, { position, limit: body.length }, crc32);
      if (record.kind !== 'message') throw new Error(JSON.stringify(record));
      const { message: stored } = record;
      const again = encode(stored, stored);
      expect(again.toString('hex')).toBe(body.subarray(position, position + stored.sizeBytes).toString('hex'));
      position += stored.sizeBytes;
    }
  });
});

/** The body of a captured response frame: length, header length (one byte of it is the codec), header, body. */
function bodyOfResponse(path: string): Buffer {
  const captured = JSON.parse(readFileSync(path, 'utf8')) as { response?: { hex?: string } };
  const frame = Buffer.from(captured.response?.hex ?? '', 'hex');
  if (frame.length < 8) return Buffer.alloc(0);
  return frame.subarray(8 + (frame.readInt32BE(4) & 0xffffff));
}
