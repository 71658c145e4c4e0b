// The client side of Remoting: one lazily opened connection per address.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { RemotingCommand, RemotingRequest } from '../protocol/remoting-command.ts';
import type { RemotingLimits } from './remoting-settings.ts';
import type { RequestHandler } from './connection.ts';

export interface RemotingClientOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<RemotingLimits>;
  readonly connectTimeoutMs?: number;
  /** Requests that the other side sends us, by code. */
  readonly handlers?: ReadonlyMap<number, RequestHandler>;
}

export interface RemotingClient {
  /** `address` is 'host:port'. Rejects with RemotingError: connect, timeout, closed. Any response code resolves. */
  invoke(address: string, request: RemotingRequest, timeoutMs: number): Promise<RemotingCommand>;
  /** Resolves when the request was handed to the socket. */
  invokeOneway(address: string, request: RemotingRequest, timeoutMs: number): Promise<void>;
  /** Closes the connections; waiting requests are rejected. */
  close(): Promise<void>;
}
