// The server side of Remoting: listens, keeps the connections, and hands each request to the handler of its code.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Connection, RequestHandler } from './connection.ts';
import type { RemotingLimits } from './remoting-settings.ts';

export interface RemotingServerOptions {
  /** For log lines and error messages: 'broker', 'name server'. */
  readonly name: string;
  readonly listenHost: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<RemotingLimits>;
  /** By request code. */
  readonly handlers: ReadonlyMap<number, RequestHandler>;
  readonly onConnectionClosed?: (connection: Connection) => void;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface RemotingServer {
  /** Where it listens; only between start and stop. */
  readonly address: ListenAddress;
  readonly connectionCount: number;
  connections(): Iterable<Connection>;
  /** Resolves when the port answers. Throws RemotingError ERR_REMOTING_ADDRESS_IN_USE or ERR_REMOTING_LISTEN. */
  start(): Promise<ListenAddress>;
  /** Stops listening, sends what is already answered and closes the connections. */
  stop(): Promise<void>;
}
