// The offset message id: store host and physical offset in upper-case hex (Java: MessageDecoder.createMessageId).

import { readInt64OrNaN, writeInt64 } from '../base/int64.ts';
import type { HostAddress } from './host-address.ts';

/** 32 characters for an IPv4 store host, 56 for IPv6. */
export function createMessageId(storeHost: HostAddress, physicalOffset: number): string {
  const bytes = Buffer.allocUnsafe(storeHost.address.length + 12);
  bytes.set(storeHost.address, 0);
  bytes.writeInt32BE(storeHost.port, storeHost.address.length);
  writeInt64(bytes, physicalOffset, storeHost.address.length + 4);
  return bytes.toString('hex').toUpperCase();
}

/** undefined when the text is not an offset message id. */
export function parseMessageId(text: string): { storeHost: HostAddress; physicalOffset: number } | undefined {
  if (!/^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{56})$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'hex');
  const addressLength = bytes.length - 12;
  const physicalOffset = readInt64OrNaN(bytes, addressLength + 4);
  if (!(physicalOffset >= 0)) return undefined;
  return {
    storeHost: { address: bytes.subarray(0, addressLength), port: bytes.readInt32BE(addressLength) },
    physicalOffset,
  };
}
