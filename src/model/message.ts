// A message on its way into the log, and a message read back (Java: MessageExtBrokerInner, MessageExt).

import type { HostAddress } from './host-address.ts';

/** What `put` takes. Owned by the caller, who must not change it before `put` has answered: it may wait for a new segment. */
export interface MessageToPut {
  readonly topic: string;
  /** 0..65535 */
  readonly queueId: number;
  /** Application flag, int32; means nothing to the broker. */
  readonly flag: number;
  /** {@link MessageSysFlag} bits. The host bits are set by the store from the address lengths. */
  readonly sysFlag: number;
  readonly bornTimestampMs: number;
  readonly bornHost: HostAddress;
  readonly storeHost: HostAddress;
  readonly reconsumeTimes: number;
  /** Physical offset of the half message for a committed transaction, else 0. */
  readonly preparedTransactionOffset: number;
  readonly body: Uint8Array;
  /** `name \u0001 value \u0002` …; at most 32,767 bytes of UTF-8. */
  readonly properties: string;
}

/** One record of the log, decoded. `body` may be a borrowed view: the docstring of whoever returns it says so. */
export interface StoredMessage extends MessageToPut {
  /** Bytes of the whole record. */
  readonly sizeBytes: number;
  /** CRC-32 of the body & 0x7fffffff, as stored. */
  readonly bodyCrc: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly storeTimestampMs: number;
}
