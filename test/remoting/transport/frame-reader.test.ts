import { describe, expect, test } from 'vitest';

import { Prng } from '../../../src/base/prng.ts';
import { encodeFrame } from '../../../src/remoting/protocol/frame-codec.ts';
import type { RemotingCommand } from '../../../src/remoting/protocol/remoting-command.ts';
import { FrameReader } from '../../../src/remoting/transport/frame-reader.ts';
import { defaultRemotingLimits } from '../../../src/remoting/transport/remoting-settings.ts';
import { requestFrame } from '../support/raw-peer.ts';

const frameOf = (opaque: number, bodySize: number): Buffer => {
  const header = { code: 10, flag: 0, opaque, remark: undefined, extFields: { topic: `t${opaque}` } };
  return encodeFrame(header, Buffer.alloc(bodySize, opaque), opaque % 2 === 0 ? 'JSON' : 'ROCKETMQ');
};

function readAll(reader: FrameReader, chunks: Iterable<Buffer>): RemotingCommand[] {
  const commands: RemotingCommand[] = [];
  for (const chunk of chunks) {
    reader.feed(chunk);
    for (let command = reader.next(); command !== undefined; command = reader.next()) commands.push(command);
  }
  return commands;
}

const newReader = (limits = {}): FrameReader => new FrameReader({ ...defaultRemotingLimits, ...limits });

/** An int32 length, a serialize type, a uint24 header length. */
function head(frameLength: number, headerLength: number, type = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(frameLength, 0);
  bytes.writeUInt32BE(((type << 24) | headerLength) >>> 0, 4);
  return bytes;
}

describe('a stream of frames', () => {
  const sizes = [0, 1, 100, 5000, 0, 70_000, 3, 9];
  const stream = Buffer.concat(sizes.map((size, index) => frameOf(index, size)));
  const check = (commands: readonly RemotingCommand[]): void => {
    expect(commands.map(({ opaque }) => opaque)).toEqual(sizes.map((_, index) => index));
    commands.forEach(({ body, extFields }, index) => {
      expect(body.equals(Buffer.alloc(sizes[index] ?? 0, index))).toBe(true);
      expect(extFields.get('topic')).toBe(`t${index}`);
    });
  };

  test('is read from one chunk, without copying', () => {
    const commands = readAll(newReader(), [stream]);
    check(commands);
    expect(commands.every(({ body }) => body.buffer === stream.buffer)).toBe(true);
  });

  test('is read byte by byte', () => {
    const reader = newReader();
    check(
      readAll(
        reader,
        Array.from(stream, (byte) => Buffer.from([byte])),
      ),
    );
    expect(reader.hasPartialFrame).toBe(false);
  });

  test('is read when cut anywhere', () => {
    const prng = new Prng(7);
    for (let round = 0; round < 500; round++) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length;) {
        const size = 1 + prng.below(prng.pick([3, 20, 400, 9000, 80_000]));
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      check(readAll(newReader(), chunks));
    }
  });

  test('goes on where it was left when the next chunk comes early', () => {
    const reader = newReader();
    reader.feed(stream.subarray(0, 1000));
    const first = reader.next();
    const rest = readAll(reader, [stream.subarray(1000)]);
    check([...(first === undefined ? [] : [first]), ...rest]);
  });
});

describe('a frame is refused', () => {
  const refused = (bytes: Buffer, limits = {}): unknown => {
    try {
      return readAll(newReader(limits), [bytes]);
    } catch (error) {
      return error;
    }
  };
  const max = defaultRemotingLimits.frameSizeBytesMax;

  test.each([-1, -(2 ** 31), 0, 3, max + 1, 2 ** 31 - 1])(
    'when its length is %d, before anything is allocated',
    (length) => {
      expect(refused(head(length, 0))).toMatchObject({ code: 'ERR_REMOTING_MALFORMED_FRAME' });
      // Also when the length itself comes in pieces.
      const reader = newReader();
      reader.feed(head(length, 0).subarray(0, 2));
      expect(reader.next()).toBeUndefined();
      reader.feed(head(length, 0).subarray(2));
      expect(() => reader.next()).toThrow(`The frame length ${length} is outside 4..${max}.`);
    },
  );

  test.each([max - 1, max])('but not when its length is %d', (length) => {
    expect(refused(head(length, 2))).toEqual([]);
  });

  test('when its header is longer than the frame', () => {
    expect(refused(Buffer.concat([head(6, 3), Buffer.from('{}')]))).toMatchObject({
      message: 'The header length 3 is beyond the end of the frame.',
    });
    expect(refused(Buffer.concat([head(6, 0xffffff), Buffer.from('{}')]))).toMatchObject({
      message: 'The header length 16777215 is beyond the end of the frame.',
    });
    expect(refused(Buffer.concat([head(6, 2), Buffer.from('{}')]))).toHaveLength(1);
  });

  test('when its header is longer than the limit', () => {
    const frame = frameOf(0, 0);
    const headerSize = frame.length - 8;
    expect(refused(frame, { headerSizeBytesMax: headerSize })).toHaveLength(1);
    expect(refused(frame, { headerSizeBytesMax: headerSize - 1 })).toMatchObject({
      message: `The header has ${headerSize} bytes, the limit is ${headerSize - 1}.`,
    });
  });

  test('when its serialize type is unknown', () => {
    expect(refused(Buffer.concat([head(6, 2, 2), Buffer.from('{}')]))).toMatchObject({
      message: 'The serialize type 2 is unknown.',
    });
  });

  test('but not for 32 KiB of properties, whatever they are made of', () => {
    const properties = '\u0001'.repeat(32_767);
    const frame = encodeFrame(
      { code: 10, flag: 0, opaque: 1, remark: undefined, extFields: { properties } },
      Buffer.alloc(0),
    );
    const [command] = readAll(newReader(), [frame]);
    expect(command?.extFields.get('properties')).toBe(properties);
  });
});

test('a length that is only claimed takes no memory', () => {
  const claim = requestFrame(1, 1, { body: Buffer.alloc(16_000_000) }).subarray(0, 100);
  const beforeBytes = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 100 }, (_, index) => {
    const reader = new FrameReader(defaultRemotingLimits);
    for (const part of index % 2 === 0 ? [claim] : [claim.subarray(0, 2), claim.subarray(2)]) {
      reader.feed(part);
      expect(reader.next()).toBeUndefined();
    }
    return reader;
  });
  expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(32 * 1024 * 1024);
  expect(readers.every((reader) => reader.hasPartialFrame)).toBe(true);
});

test('frames of every size around the steps in which their buffer grows come back whole', () => {
  for (const size of [65_536, 262_144, 1_048_576]) {
    for (const body of [-200, -101, -100, -1, 0, 1, 100].map((more) => Buffer.alloc(size + more, 'ab'))) {
      const bytes = Buffer.concat([requestFrame(1, 7, { body }), requestFrame(1, 8)]);
      for (const chunkSize of [1_000, 65_536, 300_000]) {
        const reader = new FrameReader(defaultRemotingLimits);
        const commands = [];
        for (let at = 0; at < bytes.length; at += chunkSize) {
          reader.feed(bytes.subarray(at, at + chunkSize));
          for (let command = reader.next(); command !== undefined; command = reader.next()) commands.push(command);
        }
        expect(commands.map(({ opaque }) => opaque)).toEqual([7, 8]);
        expect(commands[0]?.body.equals(body)).toBe(true);
      }
    }
  }
});
