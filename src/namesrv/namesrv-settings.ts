// What a name server is told when it is made.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Connection } from '../remoting/transport/connection.ts';
import type { RemotingLimits } from '../remoting/transport/remoting-settings.ts';

/**
 * The address under which the asking client reaches a broker; called while a route or the cluster list is answered.
 * Whoever runs a broker beside this name server knows that the client, having reached the one, reaches the other by the same
 * address. The plain answer is `registeredAddress`.
 */
export type ResolveBrokerAddress = (
  brokerName: string,
  brokerId: number,
  registeredAddress: string,
  connection: Connection,
) => string;

export interface NamesrvOptions {
  readonly listenHost: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<RemotingLimits>;
  /** How often brokers are looked through for those that went silent; 5 s by default. */
  readonly scanIntervalMs?: number;
  readonly resolveBrokerAddress?: ResolveBrokerAddress;
}

export const SCAN_INTERVAL_MS = 5000;
/** A broker that said nothing for this long is gone, unless it asked for another time when it registered. */
export const HEARTBEAT_TIMEOUT_MS = 120_000;
