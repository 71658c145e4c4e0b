// One frame to a command and back. Finding frames in a stream of bytes is the transport's work (frame-reader.ts).

import { FrameLayout, HEADER_LENGTH_MAX, serializeTypeCode, serializeTypeOf } from './frame-layout.ts';
import { decodeJsonHeader, formatJsonHeader } from './json-header.ts';
import type { OutgoingHeader } from './json-header.ts';
import { RemotingCommand } from './remoting-command.ts';
import type { SerializeType } from './remoting-command.ts';
import { RemotingError } from './remoting-errors.ts';
import { decodeRocketmqHeader, encodeRocketmqHeader } from './rocketmq-header.ts';

export interface DecodeLimits {
  readonly headerSizeBytesMax: number;
  readonly extFieldCountMax: number;
}

/**
 * Decodes the frame in `bytes[start, end)`, its length field included. The body is a view.
 * Throws RemotingError ERR_REMOTING_MALFORMED_FRAME.
 */
export function decodeFrame(bytes: Buffer, start: number, end: number, limits: DecodeLimits): RemotingCommand {
  if (end - start < FrameLayout.header) throw malformed('The frame is too short for a header length.');
  const typeCode = bytes[start + FrameLayout.serializeType] as number;
  const serializeType = serializeTypeOf(typeCode);
  if (serializeType === undefined) throw malformed(`The serialize type ${typeCode} is unknown.`);
  const headerLength = bytes.readUIntBE(start + FrameLayout.headerLength, 3);
  const headerStart = start + FrameLayout.header;
  const headerEnd = headerStart + headerLength;
  if (headerEnd > end) throw malformed(`The header length ${headerLength} is beyond the end of the frame.`);
  if (headerLength > limits.headerSizeBytesMax) {
    throw malformed(`The header has ${headerLength} bytes, the limit is ${limits.headerSizeBytesMax}.`);
  }
  const decode = serializeType === 'JSON' ? decodeJsonHeader : decodeRocketmqHeader;
  const header = decode(bytes, headerStart, headerEnd, limits.extFieldCountMax);
  return new RemotingCommand(header, bytes.subarray(headerEnd, end), serializeType);
}

function malformed(message: string): RemotingError {
  return new RemotingError('ERR_REMOTING_MALFORMED_FRAME', message);
}

/**
 * A header ready to be written: its bytes are known, so that room can be made first.
 * Kept as text when it is JSON, because a string is written straight into the output buffer.
 */
export interface EncodedHeader {
  readonly serializeType: SerializeType;
  readonly content: string | Buffer;
  readonly sizeBytes: number;
}

export function encodeHeader(header: OutgoingHeader, serializeType: SerializeType): EncodedHeader {
  const content = serializeType === 'JSON' ? formatJsonHeader(header) : encodeRocketmqHeader(header);
  const sizeBytes = typeof content === 'string' ? Buffer.byteLength(content, 'utf8') : content.length;
  if (sizeBytes > HEADER_LENGTH_MAX) {
    throw new RemotingError('ERR_REMOTING_NOT_ENCODABLE', `A header of ${sizeBytes} bytes does not fit a frame.`);
  }
  return { serializeType, content, sizeBytes };
}

/** Writes length fields and header at `position` of `target`, which has room; returns the position behind them. */
export function writeFrameHead(target: Buffer, position: number, header: EncodedHeader, bodySizeBytes: number): number {
  const { content, sizeBytes, serializeType } = header;
  const frameLength = FrameLayout.overhead + sizeBytes + bodySizeBytes;
  // Byte stores in place of writeInt32BE: this runs once per response.
  target[position] = frameLength >>> 24;
  target[position + 1] = frameLength >>> 16;
  target[position + 2] = frameLength >>> 8;
  target[position + 3] = frameLength;
  target[position + 4] = serializeTypeCode[serializeType];
  target[position + 5] = sizeBytes >>> 16;
  target[position + 6] = sizeBytes >>> 8;
  target[position + 7] = sizeBytes;
  const start = position + FrameLayout.header;
  if (typeof content !== 'string') content.copy(target, start);
  else if (content.length === sizeBytes) target.write(content, start, sizeBytes, 'latin1');
  else target.write(content, start, sizeBytes, 'utf8');
  return start + sizeBytes;
}

/** A whole frame in a buffer of its own: for tests, tools and captures. The transport writes without this copy. */
export function encodeFrame(header: OutgoingHeader, body: Buffer, serializeType: SerializeType = 'JSON'): Buffer {
  const encoded = encodeHeader(header, serializeType);
  const frame = Buffer.allocUnsafe(FrameLayout.header + encoded.sizeBytes + body.length);
  body.copy(frame, writeFrameHead(frame, 0, encoded, body.length));
  return frame;
}
