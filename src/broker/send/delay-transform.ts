// A message with a delay level goes to the schedule topic first, its own topic and queue kept as properties
// (Java: HookUtils.transformDelayLevelMessage).

import { formatProperties, parseProperties, PropertyName } from '../../model/message-properties.ts';
import { SCHEDULE_TOPIC } from '../../model/names.ts';
import { PROPERTIES_BYTES_MAX } from '../../store/commit-log/message-layout.ts';

export interface Destination {
  readonly topic: string;
  readonly queueId: number;
  readonly properties: string;
}

export const queueIdOfLevel = (level: number): number => level - 1;
export const levelOfQueueId = (queueId: number): number => queueId + 1;

/** Where a message for `destination` waits. A level above the highest is the highest; a delay overrules a delivery time. */
export function delayed(destination: Destination, level: number, maxLevel: number): Destination {
  const map = parseProperties(destination.properties);
  const levelUsed = Math.min(level, maxLevel);
  map.delete(PropertyName.TIMER_DELIVER_MS);
  map.delete(PropertyName.TIMER_DELAY_SEC);
  map.delete(PropertyName.TIMER_DELAY_MS);
  map.set(PropertyName.DELAY, String(levelUsed));
  map.set(PropertyName.REAL_TOPIC, destination.topic);
  map.set(PropertyName.REAL_QUEUE_ID, String(destination.queueId));
  return { topic: SCHEDULE_TOPIC, queueId: queueIdOfLevel(levelUsed), properties: formatProperties(map) };
}

/** The reverse, when the time has come; undefined when the record does not say where it wants to go. */
export function delivered(properties: string): Destination | undefined {
  const map = parseProperties(properties);
  const topic = map.get(PropertyName.REAL_TOPIC);
  const queueId = Number(map.get(PropertyName.REAL_QUEUE_ID) ?? Number.NaN);
  if (topic === undefined || !Number.isInteger(queueId)) return undefined;
  map.delete(PropertyName.DELAY);
  map.delete(PropertyName.TIMER_DELIVER_MS);
  map.delete(PropertyName.TIMER_DELAY_SEC);
  // Nobody waits for this put; without the property it would wait for the disk under SYNC_FLUSH.
  map.set(PropertyName.WAIT, 'false');
  const formatted = formatProperties(map);
  if (Buffer.byteLength(formatted) <= PROPERTIES_BYTES_MAX) return { topic, queueId, properties: formatted };
  // They filled the record to the last byte: without an addition they fit, because DELAY is gone.
  map.delete(PropertyName.WAIT);
  return { topic, queueId, properties: formatProperties(map) };
}
