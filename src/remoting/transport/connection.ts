// What request handlers see of a connection and of the server: interfaces only, so that processors can be tested without sockets.

import type { RemotingCommand, RemotingRequest, RemotingResponse } from '../protocol/remoting-command.ts';

/**
 * A handler's promise that it answers by itself, later, with `connection.respond` (long polling). Such a request no longer
 * counts as in flight, so parked polls do not stop the connection from being read: who parks requests bounds them.
 */
export const DEFERRED: unique symbol = Symbol('deferred');

/** A response; DEFERRED; or undefined for a request that gets no answer at all. */
export type HandlerResult = RemotingResponse | typeof DEFERRED | undefined;

/** Answers one request. A handler that does not need to wait returns plainly: no promise is made for it then. */
export type RequestHandler = (
  request: RemotingCommand,
  connection: Connection,
) => HandlerResult | Promise<HandlerResult>;

export interface Connection {
  /** Unique within the process. */
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The address and port that the peer dialled. IPv4 in its plain form. */
  readonly localAddress: string;
  readonly localPort: number;
  /** For services that keep something per connection (client id, broker identity). */
  readonly attributes: Map<symbol, unknown>;
  readonly isOpen: boolean;
  /** Called once, when the connection is gone; at once when it is gone already. */
  onClose(listener: (connection: Connection) => void): void;
  /** Sends a request to the peer. Rejects with RemotingError: timeout, closed, too many requests. */
  invoke(request: RemotingRequest, timeoutMs: number): Promise<RemotingCommand>;
  /** Sends a request that gets no answer. Does nothing when the connection is gone. */
  invokeOneway(request: RemotingRequest): void;
  /** Answers a request that the handler deferred. Releases the body and does nothing more when the connection is gone or the request one-way. */
  respond(request: RemotingCommand, response: RemotingResponse): void;
  /** `reason` goes to the log. */
  close(reason: string): void;
}
