// One look over the properties that a producer sent: what in them matters to the broker, and whether they can be stored as they
// are with the broker's own appended, which is the normal case and costs no map and no copy.

import { NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR, PropertyName } from '../../model/message-properties.ts';

export interface ScannedProperties {
  uniqueKey: string | undefined;
  /** The text of DELAY, or undefined. */
  delay: string | undefined;
  isTransactionPrepared: boolean;
  /** A timer property is there (delivery at a given time, which is not the same as a delay level). */
  hasTimer: boolean;
  hasInnerCount: boolean;
  /** Every entry is well formed and none is one that the broker sets itself: the string may be stored as it is. */
  isPlain: boolean;
}

/** A shortest entry that Java keeps: one character, a separator, one character. */
const ENTRY_LENGTH_MIN = 3;

const RESERVED: ReadonlySet<string> = new Set([
  PropertyName.POP_CHECK_POINT,
  PropertyName.CLUSTER,
  PropertyName.MSG_REGION,
  PropertyName.TRACE_ON,
  PropertyName.REAL_TOPIC,
  PropertyName.REAL_QUEUE_ID,
]);

/** Lengths of the names that mean something here, so that most entries are passed over without making a string of their name. */
const NAMES_OF_INTEREST: readonly string[] = [
  PropertyName.UNIQUE_KEY,
  PropertyName.DELAY,
  PropertyName.TRANSACTION_PREPARED,
  PropertyName.TIMER_DELIVER_MS,
  PropertyName.TIMER_DELAY_SEC,
  PropertyName.TIMER_DELAY_MS,
  'INNER_NUM',
  ...RESERVED,
];
const isLengthOfInterest: readonly boolean[] = Array.from({ length: 20 }, (_, length) =>
  NAMES_OF_INTEREST.some((name) => name.length === length),
);

export function scanProperties(properties: string): ScannedProperties {
  const scanned: ScannedProperties = {
    uniqueKey: undefined,
    delay: undefined,
    isTransactionPrepared: false,
    hasTimer: false,
    hasInnerCount: false,
    isPlain: true,
  };
  let separator = -1;
  for (let start = 0; start < properties.length;) {
    const found = properties.indexOf(PROPERTY_SEPARATOR, start);
    const end = found < 0 ? properties.length : found;
    // One that lies behind this entry belongs to a later one, and is not looked for again: a sender could make that quadratic.
    if (separator < start) separator = indexOrEnd(properties, NAME_VALUE_SEPARATOR, start);
    if (end - start < ENTRY_LENGTH_MIN || separator <= start || separator >= end - 1) scanned.isPlain = false;
    else if (isLengthOfInterest[separator - start] === true) {
      note(scanned, properties.slice(start, separator), properties, separator + 1, end);
    }
    start = end + 1;
  }
  return scanned;
}

function indexOrEnd(text: string, character: string, from: number): number {
  const index = text.indexOf(character, from);
  return index < 0 ? text.length : index;
}

function note(scanned: ScannedProperties, name: string, properties: string, start: number, end: number): void {
  switch (name) {
    case PropertyName.UNIQUE_KEY:
      scanned.uniqueKey = properties.slice(start, end);
      return;
    case PropertyName.DELAY:
      scanned.delay = properties.slice(start, end);
      return;
    case PropertyName.TRANSACTION_PREPARED:
      scanned.isTransactionPrepared = properties.slice(start, end).toLowerCase() === 'true';
      return;
    case PropertyName.TIMER_DELIVER_MS:
    case PropertyName.TIMER_DELAY_SEC:
    case PropertyName.TIMER_DELAY_MS:
      scanned.hasTimer = true;
      return;
    case 'INNER_NUM':
      scanned.hasInnerCount = true;
      return;
    default:
      if (RESERVED.has(name)) scanned.isPlain = false;
  }
}
