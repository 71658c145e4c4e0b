// A message's properties: one string, `name \u0001 value \u0002` repeated (Java: MessageDecoder.string2messageProperties).
// The hot path reads single properties out of the string and never builds a map.

export const NAME_VALUE_SEPARATOR = '\u0001';
export const PROPERTY_SEPARATOR = '\u0002';

/** Names with a meaning to the broker (Java: MessageConst). */
export const PropertyName = {
  KEYS: 'KEYS',
  TAGS: 'TAGS',
  WAIT: 'WAIT',
  DELAY: 'DELAY',
  RETRY_TOPIC: 'RETRY_TOPIC',
  REAL_TOPIC: 'REAL_TOPIC',
  REAL_QUEUE_ID: 'REAL_QID',
  TRANSACTION_PREPARED: 'TRAN_MSG',
  PRODUCER_GROUP: 'PGROUP',
  UNIQUE_KEY: 'UNIQ_KEY',
  ORIGIN_MESSAGE_ID: 'ORIGIN_MESSAGE_ID',
  RECONSUME_TIME: 'RECONSUME_TIME',
  MAX_RECONSUME_TIMES: 'MAX_RECONSUME_TIMES',
  CLUSTER: 'CLUSTER',
  MSG_REGION: 'MSG_REGION',
  TRACE_ON: 'TRACE_ON',
  INNER_MULTI_DISPATCH: 'INNER_MULTI_DISPATCH',
  POP_CHECK_POINT: 'POP_CK',
  DLQ_ORIGIN_TOPIC: 'DLQ_ORIGIN_TOPIC',
  DLQ_ORIGIN_MESSAGE_ID: 'DLQ_ORIGIN_MESSAGE_ID',
  TIMER_DELIVER_MS: 'TIMER_DELIVER_MS',
  TIMER_DELAY_SEC: 'TIMER_DELAY_SEC',
  TIMER_DELAY_MS: 'TIMER_DELAY_MS',
} as const;

const NAME_VALUE_CODE = NAME_VALUE_SEPARATOR.charCodeAt(0);

/**
 * The value of one property, or undefined. Of a name that stands there twice the last one with a value counts, as in Java's map.
 * Entry by entry: searching for the name itself, which is mostly not there, takes longer.
 */
export function getProperty(properties: string, name: string): string | undefined {
  const first = name.charCodeAt(0);
  let value: string | undefined;
  for (let at = 0; at < properties.length;) {
    const found = properties.indexOf(PROPERTY_SEPARATOR, at);
    const end = found < 0 ? properties.length : found;
    const start = at + name.length + 1;
    if (
      start < end &&
      properties.charCodeAt(at) === first &&
      properties.charCodeAt(start - 1) === NAME_VALUE_CODE &&
      properties.startsWith(name, at)
    ) {
      value = properties.slice(start, end);
    }
    at = end + 1;
  }
  return value;
}

/** All properties, in their order; entries without a separator, a name or a value are dropped, as Java drops them. */
export function parseProperties(properties: string): Map<string, string> {
  const parsed = new Map<string, string>();
  for (const entry of properties.split(PROPERTY_SEPARATOR)) {
    const at = entry.indexOf(NAME_VALUE_SEPARATOR);
    if (at > 0 && at < entry.length - 1) parsed.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return parsed;
}

/** The reverse of {@link parseProperties}, with the trailing separator that current Java writers emit. */
export function formatProperties(properties: Iterable<readonly [string, string]>): string {
  let text = '';
  for (const [name, value] of properties) text += name + NAME_VALUE_SEPARATOR + value + PROPERTY_SEPARATOR;
  return text;
}

/** Adds one property at the end; inserts the separator that some writers leave out. The name must not be there yet. */
export function appendProperty(properties: string, name: string, value: string): string {
  const separator = properties.length === 0 || properties.endsWith(PROPERTY_SEPARATOR) ? '' : PROPERTY_SEPARATOR;
  return properties + separator + name + NAME_VALUE_SEPARATOR + value + PROPERTY_SEPARATOR;
}
