// Messages of every kind that the log knows, from a seed. Each carries its number, so that it is known wherever it turns up.

import type { Prng } from '../../../src/base/prng.ts';
import { hostAddress } from '../../../src/model/host-address.ts';
import { formatProperties, getProperty, PropertyName } from '../../../src/model/message-properties.ts';
import type { MessageToPut, StoredMessage } from '../../../src/model/message.ts';
import { MessageSysFlag } from '../../../src/model/sys-flag.ts';

const NUMBER_PROPERTY = 'NUMBER';
const hosts = [
  hostAddress('127.0.0.1', 10_911),
  hostAddress('10.1.2.3', 65_535),
  hostAddress('fe80::1', 1),
  hostAddress('2001:db8::ff', 10_909),
];
const HOST_BITS = MessageSysFlag.BORN_HOST_V6 | MessageSysFlag.STORE_HOST_V6;

export interface MessageKind {
  readonly topic: string;
  readonly queueId: number;
  readonly number: number;
  readonly bodySizeMax: number;
  /** May it be a prepared or rolled-back transaction record, which is in no queue? */
  readonly mayBePrepared: boolean;
}

export const keyOf = (number: number): string => `key-${number}`;

export function randomMessage(prng: Prng, kind: MessageKind): MessageToPut {
  const { topic, queueId, number, bodySizeMax, mayBePrepared } = kind;
  const bodySize = prng.chance(0.1) ? bodySizeMax : prng.below(prng.chance(0.7) ? 200 : bodySizeMax + 1);
  const pairs: [string, string][] = [[NUMBER_PROPERTY, String(number)]];
  if (prng.chance(0.7)) pairs.push([PropertyName.KEYS, `${keyOf(number)} shared`]);
  if (prng.chance(0.5)) pairs.push([PropertyName.TAGS, `tag-${prng.below(4)}`]);
  if (prng.chance(0.1)) pairs.push([PropertyName.WAIT, 'false']);
  if (prng.chance(0.1)) pairs.push(['long', 'ü'.repeat(prng.below(1_500))]);
  let sysFlag = prng.chance(0.1) ? MessageSysFlag.COMPRESSED : 0;
  if (mayBePrepared && prng.chance(0.1)) {
    sysFlag |= prng.pick([MessageSysFlag.TRANSACTION_PREPARED, MessageSysFlag.TRANSACTION_ROLLBACK]);
  } else if (prng.chance(0.1)) sysFlag |= MessageSysFlag.TRANSACTION_COMMIT;
  return {
    topic,
    queueId,
    flag: prng.nextUint32() | 0,
    sysFlag,
    bornTimestampMs: 1_600_000_000_000 + prng.below(1_000_000),
    bornHost: prng.pick(hosts),
    storeHost: prng.pick(hosts),
    reconsumeTimes: prng.below(17),
    preparedTransactionOffset: prng.chance(0.1) ? prng.below(100_000) : 0,
    // Never a zero byte at the front: a page that is missing must show.
    body: prng.chance(0.5) ? prng.bytes(bodySize) : Buffer.alloc(bodySize, 1 + prng.below(255)),
    properties: formatProperties(pairs),
  };
}

/** Which message this is; NaN for one that nobody sent. */
export function numberOf(properties: string): number {
  return Number(getProperty(properties, NUMBER_PROPERTY) ?? Number.NaN);
}

export const hasKey = (message: MessageToPut): boolean =>
  getProperty(message.properties, PropertyName.KEYS) !== undefined;

/** In what the stored message is not the one that was sent; undefined when it is. */
export function difference(sent: MessageToPut, stored: StoredMessage): string | undefined {
  if (sent.topic !== stored.topic) return `its topic is ${stored.topic}`;
  if (sent.queueId !== stored.queueId) return `its queue is ${stored.queueId}`;
  if (sent.properties !== stored.properties) return 'its properties differ';
  if (Buffer.compare(sent.body, stored.body) !== 0) return 'its body differs';
  if (sent.flag !== stored.flag || (sent.sysFlag ^ stored.sysFlag) & ~HOST_BITS) return 'its flags differ';
  if (sent.bornTimestampMs !== stored.bornTimestampMs) return 'its born time differs';
  if (sent.reconsumeTimes !== stored.reconsumeTimes) return 'its reconsume times differ';
  if (sent.preparedTransactionOffset !== stored.preparedTransactionOffset) return 'its prepared offset differs';
  for (const host of ['bornHost', 'storeHost'] as const) {
    const isSame =
      Buffer.compare(sent[host].address, stored[host].address) === 0 && sent[host].port === stored[host].port;
    if (!isSame) return `its ${host} differs`;
  }
  return undefined;
}
