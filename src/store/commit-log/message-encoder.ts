// Writes one message as a CommitLog record straight into mapped memory, and says before that whether it may be written at all.
// The hot path of the broker: no allocation, no intermediate buffer (Java: MessageExtEncoder).

import { assert } from '../../base/assert.ts';
import type { Crc32 } from '../../base/crc32.ts';
import type { HostAddress } from '../../model/host-address.ts';
import type { MessageToPut } from '../../model/message.ts';
import { QUEUE_ID_MAX, topicNameProblem } from '../../model/names.ts';
import { MessageSysFlag } from '../../model/sys-flag.ts';
import type { PutRefused } from '../store-types.ts';
import {
  BODY_CRC_MASK,
  BODY_CRC_POSITION,
  BODY_POSITION_LESS_HOSTS,
  BORN_HOST_POSITION,
  BORN_TIMESTAMP_POSITION,
  FLAG_POSITION,
  MAGIC_CODE_POSITION,
  MAGIC_CODE_V1,
  MAGIC_CODE_V2,
  PHYSICAL_OFFSET_POSITION,
  PORT_SIZE_BYTES,
  PROPERTIES_BYTES_MAX,
  PROPERTIES_LENGTH_SIZE_BYTES,
  QUEUE_ID_POSITION,
  QUEUE_OFFSET_POSITION,
  RECORD_OVERHEAD_BYTES_MAX,
  ROOM_AFTER_RECORD_BYTES,
  SYS_FLAG_POSITION,
  TOPIC_BYTES_MAX_V1,
  TOTAL_SIZE_POSITION,
} from './message-layout.ts';

export interface MessageLimits {
  /** Of one body (maxMessageSize). */
  readonly messageSizeBytesMax: number;
  readonly segmentSizeBytes: number;
}

/** Where records go: the mapped segment, twice, because strings need a Buffer and integers are fastest through a DataView. */
export interface EncodeTarget {
  readonly buffer: Buffer;
  readonly view: DataView;
}

/** One mutable object, reused for every record. */
export interface RecordPlace {
  /** In the target. */
  position: number;
  queueOffset: number;
  physicalOffset: number;
  storeTimestampMs: number;
}

const TWO_32 = 0x1_0000_0000;
/** A UTF-16 unit becomes at most this many bytes of UTF-8. */
const UTF8_BYTES_PER_UNIT_MAX = 3;
/** Longer strings are faster through the native call (50 to 70 ns at any usual length; a character costs 1.5 to 3 here). */
const SHORT_STRING_LENGTH_MAX = 32;
const HOST_BITS = MessageSysFlag.BORN_HOST_V6 | MessageSysFlag.STORE_HOST_V6;

const illegal = (reason: string): PutRefused => ({ status: 'MESSAGE_ILLEGAL', reason });

export class MessageEncoder {
  readonly #crc32: Crc32;
  readonly #limits: MessageLimits;
  /** Smaller records are within every limit. */
  readonly #harmlessSizeBytes: number;

  constructor(options: { crc32: Crc32; limits: MessageLimits }) {
    this.#crc32 = options.crc32;
    this.#limits = options.limits;
    this.#harmlessSizeBytes = options.limits.segmentSizeBytes - ROOM_AFTER_RECORD_BYTES;
  }

  /** Why the message can't become a record; undefined when it can. `isTopicKnown`: a queue of its topic is there already. */
  problemOf(message: MessageToPut, isTopicKnown = false): PutRefused | undefined {
    if (!isTopicKnown) {
      const topicProblem = topicNameProblem(message.topic);
      if (topicProblem !== undefined) return illegal(topicProblem);
    }
    const { properties, body } = message;
    if (body.length > this.#limits.messageSizeBytesMax)
      return bodyTooLarge(body.length, this.#limits.messageSizeBytesMax);
    if (!hasLegalNumbers(message)) return illegal(numberProblem(message));
    if (properties.length * UTF8_BYTES_PER_UNIT_MAX > PROPERTIES_BYTES_MAX) {
      const propertiesBytes = Buffer.byteLength(properties);
      if (propertiesBytes > PROPERTIES_BYTES_MAX) return propertiesTooLarge(propertiesBytes);
    }
    if (this.sizeBytesMax(message) <= this.#harmlessSizeBytes) return undefined;
    return this.#recordProblem(message);
  }

  #recordProblem(message: MessageToPut): PutRefused | undefined {
    const sizeBytes = this.sizeBytes(message);
    const limit = Math.min(
      this.#limits.messageSizeBytesMax + RECORD_OVERHEAD_BYTES_MAX,
      this.#limits.segmentSizeBytes - ROOM_AFTER_RECORD_BYTES,
    );
    if (sizeBytes <= limit) return undefined;
    return illegal(
      `The message takes ${sizeBytes} bytes in the log, the limit is ${limit} ` +
        '(maxMessageSize plus 64 KiB, and what fits into one log segment); send a smaller one.',
    );
  }

  /** Never less than {@link sizeBytes}, and known without looking at the properties. */
  sizeBytesMax(message: MessageToPut): number {
    return sizeWithoutProperties(message) + message.properties.length * UTF8_BYTES_PER_UNIT_MAX;
  }

  /** Bytes of the record. */
  sizeBytes(message: MessageToPut): number {
    return sizeWithoutProperties(message) + Buffer.byteLength(message.properties);
  }

  /**
   * Writes the record and returns its size in bytes. The caller has made sure that `sizeBytesMax` or `sizeBytes` fits and that
   * {@link problemOf} found nothing. Size and magic are written last: whoever finds them finds the rest too, also after SIGKILL.
   */
  encode(target: EncodeTarget, message: MessageToPut, place: RecordPlace): number {
    const sizeBytes = this.encodeUnsealed(target, message, place);
    this.seal(target, message, place.position, sizeBytes);
    return sizeBytes;
  }

  /** {@link encode} but for size and magic: until {@link seal} writes them, no record begins there. */
  encodeUnsealed(target: EncodeTarget, message: MessageToPut, place: RecordPlace): number {
    const { buffer, view } = target;
    const { body, bornHost, storeHost, topic } = message;
    const start = place.position;
    let sysFlag = message.sysFlag & ~HOST_BITS;
    if (bornHost.address.length !== 4) sysFlag |= MessageSysFlag.BORN_HOST_V6;
    if (storeHost.address.length !== 4) sysFlag |= MessageSysFlag.STORE_HOST_V6;
    view.setInt32(start + BODY_CRC_POSITION, this.#crc32(body) & BODY_CRC_MASK);
    view.setInt32(start + QUEUE_ID_POSITION, message.queueId);
    view.setInt32(start + FLAG_POSITION, message.flag);
    setInt64(view, start + QUEUE_OFFSET_POSITION, place.queueOffset);
    setInt64(view, start + PHYSICAL_OFFSET_POSITION, place.physicalOffset);
    view.setInt32(start + SYS_FLAG_POSITION, sysFlag);
    setInt64(view, start + BORN_TIMESTAMP_POSITION, message.bornTimestampMs);
    let at = writeHost(target, start + BORN_HOST_POSITION, bornHost);
    setInt64(view, at, place.storeTimestampMs);
    at = writeHost(target, at + 8, storeHost);
    view.setInt32(at, message.reconsumeTimes);
    setInt64(view, at + 4, message.preparedTransactionOffset);
    view.setInt32(at + 12, body.length);
    at += 16;
    buffer.set(body, at);
    at += body.length;
    if (isLongTopic(topic)) view.setUint16(at++, topic.length);
    else view.setUint8(at, topic.length);
    at = writeTopic(buffer, at + 1, topic);
    const propertiesLength = writeText(buffer, at + PROPERTIES_LENGTH_SIZE_BYTES, message.properties);
    assert(propertiesLength <= PROPERTIES_BYTES_MAX, 'properties fit an int16 length');
    view.setInt16(at, propertiesLength);
    return at + PROPERTIES_LENGTH_SIZE_BYTES + propertiesLength - start;
  }

  /** Makes what {@link encodeUnsealed} wrote a record. */
  seal({ view }: EncodeTarget, message: MessageToPut, position: number, sizeBytes: number): void {
    view.setInt32(position + MAGIC_CODE_POSITION, isLongTopic(message.topic) ? MAGIC_CODE_V2 : MAGIC_CODE_V1);
    view.setInt32(position + TOTAL_SIZE_POSITION, sizeBytes);
  }
}

/** {@link MessageEncoder.problemOf} for one message and given limits. */
export function messageProblem(message: MessageToPut, limits: MessageLimits): PutRefused | undefined {
  return new MessageEncoder({ crc32: () => 0, limits }).problemOf(message);
}

function bodyTooLarge(sizeBytes: number, limitBytes: number): PutRefused {
  return illegal(`The body has ${sizeBytes} bytes, the limit (maxMessageSize) is ${limitBytes}; send a smaller one.`);
}

function propertiesTooLarge(propertiesBytes: number): PutRefused {
  return {
    status: 'PROPERTIES_SIZE_EXCEEDED',
    reason: `The properties take ${propertiesBytes} bytes, the limit is ${PROPERTIES_BYTES_MAX}; send fewer or shorter ones.`,
  };
}

/** A topic that may be used is ASCII: each character is one byte. */
const isLongTopic = (topic: string): boolean => topic.length > TOPIC_BYTES_MAX_V1;

function sizeWithoutProperties({ bornHost, storeHost, body, topic }: MessageToPut): number {
  return (
    BODY_POSITION_LESS_HOSTS +
    bornHost.address.length +
    storeHost.address.length +
    2 * PORT_SIZE_BYTES +
    body.length +
    (isLongTopic(topic) ? 2 : 1) +
    topic.length +
    PROPERTIES_LENGTH_SIZE_BYTES
  );
}

function setInt64(view: DataView, position: number, value: number): void {
  view.setInt32(position, Math.floor(value / TWO_32));
  view.setInt32(position + 4, value);
}

/** Returns the position after the host. */
function writeHost({ buffer, view }: EncodeTarget, position: number, { address, port }: HostAddress): number {
  const { length } = address;
  for (let index = 0; index < length; index++) buffer[position + index] = address[index] as number;
  view.setInt32(position + length, port);
  return position + length + PORT_SIZE_BYTES;
}

/** Returns the position after the topic. */
function writeTopic(buffer: Buffer, position: number, topic: string): number {
  const { length } = topic;
  for (let index = 0; index < length; index++) buffer[position + index] = topic.charCodeAt(index);
  return position + length;
}

/** UTF-8; returns the number of bytes. */
function writeText(buffer: Buffer, position: number, text: string): number {
  const { length } = text;
  if (length > SHORT_STRING_LENGTH_MAX) return buffer.write(text, position, 'utf8');
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) return buffer.write(text, position, 'utf8');
    buffer[position + index] = unit;
  }
  return length;
}

const isInt32 = (value: number): boolean => (value | 0) === value;
const isHost = (host: HostAddress): boolean =>
  (host.address.length === 4 || host.address.length === 16) &&
  host.port >= 0 &&
  host.port <= 0xffff &&
  isInt32(host.port);

function hasLegalNumbers(message: MessageToPut): boolean {
  return (
    isInt32(message.queueId) &&
    message.queueId >= 0 &&
    message.queueId <= QUEUE_ID_MAX &&
    isInt32(message.flag) &&
    isInt32(message.sysFlag) &&
    isInt32(message.reconsumeTimes) &&
    Number.isSafeInteger(message.bornTimestampMs) &&
    Number.isSafeInteger(message.preparedTransactionOffset) &&
    isHost(message.bornHost) &&
    isHost(message.storeHost)
  );
}

/** Which number it was. */
function numberProblem(message: MessageToPut): string {
  if (!(isInt32(message.queueId) && message.queueId >= 0 && message.queueId <= QUEUE_ID_MAX)) {
    return `The queue id ${message.queueId} is not a whole number from 0 to ${QUEUE_ID_MAX}.`;
  }
  for (const field of ['flag', 'sysFlag', 'reconsumeTimes'] as const) {
    if (!isInt32(message[field]))
      return `The field ${field} has the value ${message[field]}, which is not a 32-bit integer.`;
  }
  for (const field of ['bornTimestampMs', 'preparedTransactionOffset'] as const) {
    if (!Number.isSafeInteger(message[field]))
      return `The field ${field} has the value ${message[field]}, which is not an integer.`;
  }
  return 'The born host and the store host must have 4 or 16 address bytes and a port from 0 to 65535.';
}
