// Who this broker is for name servers: names, id, and the addresses under which it can be reached.

import type { ListenAddress } from '../../remoting/transport/remoting-server.ts';
import type { BrokerSettings } from '../broker-settings.ts';

export interface BrokerIdentity {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly brokerId: number;
  readonly brokerHost: string;
  /** 'host:port' */
  readonly brokerAddr: string;
  /** 'host:port' of the replication port. */
  readonly haServerAddr: string;
}

const ANY_ADDRESS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

/**
 * `externalHosts`: the machine's own addresses, the likeliest first. One of them is told when the broker listens on all; it is
 * only where name servers can't tell better: ours answer each client with the address that the client itself dialled.
 */
export function brokerIdentity(
  settings: BrokerSettings,
  listening: ListenAddress,
  externalHosts: () => readonly string[],
): BrokerIdentity {
  const reachable = ANY_ADDRESS.has(listening.host) ? (externalHosts()[0] ?? '127.0.0.1') : listening.host;
  const host = settings.advertisedHost ?? reachable;
  return {
    brokerName: settings.brokerName,
    clusterName: settings.clusterName,
    brokerId: settings.brokerId,
    brokerHost: host,
    brokerAddr: join(host, listening.port),
    haServerAddr: join(settings.replicationHost ?? host, settings.replicationPort ?? listening.port + 1),
  };
}

const join = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
