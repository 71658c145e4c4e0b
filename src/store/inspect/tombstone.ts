// What a repair writes in the place of a damaged record: a good record of exactly its size, for the same queue and offset, so that
// every record behind it and every unit of the queue keeps its place, for us and for Apache.

import { crc32 } from '../../base/crc32.ts';
import { assert } from '../../base/assert.ts';
import { NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR, PropertyName } from '../../model/message-properties.ts';
import { MessageSysFlag } from '../../model/sys-flag.ts';
import { MessageEncoder } from '../commit-log/message-encoder.ts';

/** The tag of a tombstone, where there is room for it: nobody subscribes to it by accident. */
export const TOMBSTONE_TAG = 'COMETMQ_DAMAGED';
const PROPERTIES = `${PropertyName.TAGS}${NAME_VALUE_SEPARATOR}${TOMBSTONE_TAG}${PROPERTY_SEPARATOR}`;
const SENTENCE = 'This message was damaged on disk; cometmq store repair has put this text in its place. ';
/** Holds bytes that belonged to no message that is known; in no consume queue. */
export const FILLER_TOPIC = 'rmq_sys_cometmq_damaged';

export interface TombstonePlace {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly sizeBytes: number;
  readonly storeTimestampMs: number;
}

const NO_HOST = { address: Uint8Array.of(0, 0, 0, 0), port: 0 };

/** The bytes of the record; undefined when none of that size can be made. */
export function encodeTombstone(place: TombstonePlace): Buffer | undefined {
  return encode(place, MessageSysFlag.TRANSACTION_NOT);
}

/**
 * Bridges bytes of no known message. It says that it is a prepared transaction: such records get no unit, here and in Apache, and the
 * topic is nobody's.
 */
export function encodeFiller(
  place: Pick<TombstonePlace, 'physicalOffset' | 'sizeBytes' | 'storeTimestampMs'>,
): Buffer | undefined {
  return encode({ ...place, topic: FILLER_TOPIC, queueId: 0, queueOffset: 0 }, MessageSysFlag.TRANSACTION_PREPARED);
}

function encode(place: TombstonePlace, sysFlag: number): Buffer | undefined {
  const { topic, queueId, queueOffset, physicalOffset, sizeBytes, storeTimestampMs } = place;
  const limits = { messageSizeBytesMax: sizeBytes, segmentSizeBytes: sizeBytes };
  const encoder = new MessageEncoder({ crc32, limits });
  const message = (body: Uint8Array, properties: string): Parameters<typeof encoder.sizeBytes>[0] => ({
    topic,
    queueId,
    flag: 0,
    sysFlag,
    bornTimestampMs: storeTimestampMs,
    bornHost: NO_HOST,
    storeHost: NO_HOST,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body,
    properties,
  });
  const nothing = new Uint8Array(0);
  const properties = encoder.sizeBytes(message(nothing, PROPERTIES)) <= sizeBytes ? PROPERTIES : '';
  const bodySizeBytes = sizeBytes - encoder.sizeBytes(message(nothing, properties));
  if (bodySizeBytes < 0) return undefined;
  const body = Buffer.alloc(bodySizeBytes, ' ');
  body.write(SENTENCE);
  const bytes = Buffer.alloc(sizeBytes);
  const target = { buffer: bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  const written = encoder.encode(target, message(body, properties), {
    position: 0,
    queueOffset,
    physicalOffset,
    storeTimestampMs,
  });
  assert(written === sizeBytes, 'a tombstone has the size of what it replaces');
  return bytes;
}

/** Of a record that a repair wrote; one that was too small for the tag is not recognised. */
export function isTombstone(topic: string, properties: string): boolean {
  return properties === PROPERTIES || topic === FILLER_TOPIC;
}
