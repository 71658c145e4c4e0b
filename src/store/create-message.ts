// A message from what a program has at hand, for those who embed the store and have no protocol in front of it.

import type { HostAddress } from '../model/host-address.ts';
import type { MessageToPut } from '../model/message.ts';
import {
  formatProperties,
  NAME_VALUE_SEPARATOR,
  PROPERTY_SEPARATOR,
  PropertyName,
} from '../model/message-properties.ts';
import { StoreError } from './store-errors.ts';

export interface NewMessage {
  readonly topic: string;
  /** Text is stored as UTF-8. */
  readonly body: Uint8Array | string;
  /** Default 0. */
  readonly queueId?: number;
  readonly tags?: string;
  /** The message is found by each of them; they can't have spaces. */
  readonly keys?: readonly string[];
  readonly properties?: Readonly<Record<string, string>>;
  /** When it was made, milliseconds since 1970. Default 0: unknown. */
  readonly bornTimestampMs?: number;
}

const LOOPBACK: HostAddress = { address: Uint8Array.of(127, 0, 0, 1), port: 0 };
const RESERVED = new RegExp(`[${NAME_VALUE_SEPARATOR}${PROPERTY_SEPARATOR}]`);

/** Throws ERR_STORE_INVALID_ARGUMENT when a key, tag or property can't be written down. The store checks the rest at `put`. */
export function createMessage(message: NewMessage): MessageToPut {
  const pairs: (readonly [string, string])[] = [];
  if (message.keys !== undefined && message.keys.length > 0) {
    const spaced = message.keys.find((key) => /\s/.test(key) || key === '');
    if (spaced !== undefined) throw invalid(`The key ${JSON.stringify(spaced)} is empty or has a space in it.`);
    pairs.push([PropertyName.KEYS, message.keys.join(' ')]);
  }
  if (message.tags !== undefined && message.tags !== '') pairs.push([PropertyName.TAGS, message.tags]);
  pairs.push(...Object.entries(message.properties ?? {}));
  for (const [name, value] of pairs) {
    if (name === '' || value === '') throw invalid('A property needs a name and a value.');
    if (RESERVED.test(name + value))
      throw invalid(`The property ${JSON.stringify(name)} has a character below \\u0003.`);
  }
  return {
    topic: message.topic,
    queueId: message.queueId ?? 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: message.bornTimestampMs ?? 0,
    bornHost: LOOPBACK,
    storeHost: LOOPBACK,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body: typeof message.body === 'string' ? Buffer.from(message.body) : message.body,
    properties: formatProperties(pairs),
  };
}

function invalid(sentence: string): StoreError {
  return new StoreError('ERR_STORE_INVALID_ARGUMENT', sentence);
}
