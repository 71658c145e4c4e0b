// The addresses that go into a record, made once a connection: where the producer is (born host) and where this broker is for it
// (store host). The store host also makes the offset message id, which clients parse to find the broker again.

import type { HostAddress } from '../../model/host-address.ts';
import { hostAddress } from '../../model/host-address.ts';
import type { Connection } from '../../remoting/transport/connection.ts';

export interface ConnectionHosts {
  readonly bornHost: HostAddress;
  readonly storeHost: HostAddress;
  /** The offset message id's first part: all but the physical offset. */
  readonly messageIdPrefix: string;
}

export class HostsOfConnections {
  readonly #key = Symbol('hosts');
  readonly #fixedStoreHost: HostAddress | undefined;

  /** `fixedStoreHost`: the advertised address; without one, the address that the producer dialled. */
  constructor(fixedStoreHost: HostAddress | undefined) {
    this.#fixedStoreHost = fixedStoreHost;
  }

  of(connection: Connection): ConnectionHosts {
    const known = connection.attributes.get(this.#key) as ConnectionHosts | undefined;
    if (known !== undefined) return known;
    const storeHost = this.#fixedStoreHost ?? hostOf(connection.localAddress, connection.localPort);
    const hosts = {
      bornHost: hostOf(connection.remoteAddress, connection.remotePort),
      storeHost,
      messageIdPrefix: messageIdPrefix(storeHost),
    };
    connection.attributes.set(this.#key, hosts);
    return hosts;
  }
}

/** A peer that sent and hung up at once has no address any more by the time it is looked at. */
function hostOf(address: string, port: number): HostAddress {
  return hostAddress(address === '' ? '0.0.0.0' : address, port);
}

function messageIdPrefix(host: HostAddress): string {
  const port = host.port.toString(16).padStart(8, '0');
  return (Buffer.from(host.address).toString('hex') + port).toUpperCase();
}

/** Java: MessageDecoder.createMessageId. */
export function messageId(prefix: string, physicalOffset: number): string {
  return prefix + physicalOffset.toString(16).toUpperCase().padStart(16, '0');
}
