// One frame to a command and back. Finding frames in a stream of bytes is the transport's work (frame-reader.ts).

import {
  FRAME_LENGTH_MAX,
  FrameLayout,
  HEADER_LENGTH_MAX,
  serializeTypeCode,
  serializeTypeOf,
} from './frame-layout.ts';
import { decodeJsonHeader } from './json-header-reader.ts';
import { jsonHeaderSizeMax, writeJsonHeader } from './json-header-writer.ts';
import type { OutgoingHeader } from './json-header-writer.ts';
import { RemotingCommand } from './remoting-command.ts';
import type { SerializeType } from './remoting-command.ts';
import { RemotingError } from './remoting-errors.ts';
import { decodeRocketmqHeader, rocketmqHeaderSizeMax, writeRocketmqHeader } from './rocketmq-header.ts';

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

/** Room that length fields and header need at most. */
export function frameHeadSizeMax(header: OutgoingHeader, serializeType: SerializeType): number {
  return FrameLayout.header + (serializeType === 'JSON' ? jsonHeaderSizeMax(header) : rocketmqHeaderSizeMax(header));
}

/**
 * Writes length fields and header at `position` of `target`, which has the room; returns the position behind them.
 * Throws RemotingError ERR_REMOTING_NOT_ENCODABLE.
 */
export function writeFrameHead(
  target: Buffer,
  position: number,
  header: OutgoingHeader,
  serializeType: SerializeType,
  bodySizeBytes: number,
): number {
  const start = position + FrameLayout.header;
  const end =
    serializeType === 'JSON' ? writeJsonHeader(target, start, header) : writeRocketmqHeader(target, start, header);
  const headerLength = end - start;
  const frameLength = FrameLayout.overhead + headerLength + bodySizeBytes;
  if (headerLength > HEADER_LENGTH_MAX || frameLength > FRAME_LENGTH_MAX) {
    const message = `A frame with ${headerLength} bytes of header and ${bodySizeBytes} of body can not be sent.`;
    throw new RemotingError('ERR_REMOTING_NOT_ENCODABLE', message);
  }
  target.writeInt32BE(frameLength, position + FrameLayout.frameLength);
  target.writeInt32BE((serializeTypeCode[serializeType] << 24) | headerLength, position + FrameLayout.serializeType);
  return end;
}

/** A whole frame in a buffer of its own: for tests, tools and captures. The transport writes without this copy. */
export function encodeFrame(header: OutgoingHeader, body: Buffer, serializeType: SerializeType = 'JSON'): Buffer {
  const head = Buffer.alloc(frameHeadSizeMax(header, serializeType));
  const headSize = writeFrameHead(head, 0, header, serializeType, body.length);
  return Buffer.concat([head.subarray(0, headSize), body]);
}
