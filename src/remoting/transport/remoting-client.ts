// The client side of Remoting: one connection per address, opened when it is first needed and again after it was lost.

import { connect } from 'node:net';
import type { Socket } from 'node:net';

import type { Clock, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RemotingCommand, RemotingRequest, SerializeType } from '../protocol/remoting-command.ts';
import { RemotingError } from '../protocol/remoting-errors.ts';
import type { RequestHandler } from './connection.ts';
import { RateLimitedLog } from './rate-limited-log.ts';
import { defaultRemotingLimits } from './remoting-settings.ts';
import type { RemotingLimits } from './remoting-settings.ts';
import { RequestDispatcher } from './request-dispatcher.ts';
import { SocketConnection } from './socket-connection.ts';
import type { ConnectionContext } from './socket-connection.ts';
import { WriteSlabPool } from './write-slab.ts';

export interface RemotingClientOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<RemotingLimits>;
  /** 3 s by default. */
  readonly connectTimeoutMs?: number;
  /** Requests that the other side sends us, by code. */
  readonly handlers?: ReadonlyMap<number, RequestHandler>;
  readonly serializeType?: SerializeType;
}

const CONNECT_TIMEOUT_MS = 3000;
/** After a failed attempt the next one waits this long, twice as long after each further failure. */
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5000;
const SWEEP_INTERVAL_MS = 1000;

interface Peer {
  readonly host: string;
  readonly port: number;
  connection: SocketConnection | undefined;
  /** The attempt that is under way; all who need the connection wait for the same one. */
  connecting: Promise<SocketConnection> | undefined;
  failureCount: number;
  nextAttemptMs: number;
}

export class RemotingClient {
  readonly #options: RemotingClientOptions;
  readonly #context: ConnectionContext;
  readonly #peers = new Map<string, Peer>();
  readonly #connections = new Set<SocketConnection>();
  readonly #sweepTimer: { current: Timer | undefined } = { current: undefined };
  #closed = false;

  constructor(options: RemotingClientOptions) {
    const { clock, logger } = options;
    this.#options = options;
    const log = new RateLimitedLog(logger, clock);
    this.#context = {
      clock,
      log,
      limits: { ...defaultRemotingLimits, ...options.limits },
      dispatcher: new RequestDispatcher(options.handlers ?? new Map(), log),
      slabs: new WriteSlabPool(),
      serializeType: options.serializeType ?? 'JSON',
      sweep: { count: 0 },
    };
  }

  /**
   * Sends a request to `address` ('host:port') and waits for its answer, connecting first when need be; `timeoutMs` covers both.
   * Any response code resolves. Rejects with RemotingError: ERR_REMOTING_CONNECT, _TIMEOUT, _CONNECTION_CLOSED, _TOO_MANY_REQUESTS.
   */
  async invoke(address: string, request: RemotingRequest, timeoutMs: number): Promise<RemotingCommand> {
    const deadlineMs = this.#options.clock.monotonicMs() + timeoutMs;
    const connection = await this.#connected(address, deadlineMs);
    return connection.invoke(request, Math.max(1, deadlineMs - this.#options.clock.monotonicMs()));
  }

  /** Resolves when the request was handed to the connection. Rejects as invoke does when there is none in time. */
  async invokeOneway(address: string, request: RemotingRequest, timeoutMs: number): Promise<void> {
    const connection = await this.#connected(address, this.#options.clock.monotonicMs() + timeoutMs);
    connection.invokeOneway(request);
  }

  /** Sends what was handed over, then closes; requests that still wait are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#sweepTimer.current?.cancel();
    const gone = [...this.#connections].map(
      (connection) => new Promise<void>((resolve) => connection.onClose(() => resolve())),
    );
    for (const connection of this.#connections) connection.end('the client closes');
    await Promise.all(gone);
  }

  #connected(address: string, deadlineMs: number): Promise<SocketConnection> | SocketConnection {
    if (this.#closed) throw connectError(address, 'this client is closed');
    let peer = this.#peers.get(address);
    if (peer === undefined) {
      const { host, port } = parseAddress(address);
      peer = { host, port, connection: undefined, connecting: undefined, failureCount: 0, nextAttemptMs: 0 };
      this.#peers.set(address, peer);
    }
    if (peer.connection?.isOpen === true) return peer.connection;
    peer.connecting ??= this.#connect(address, peer);
    return this.#withDeadline(address, peer.connecting, deadlineMs);
  }

  async #connect(address: string, peer: Peer): Promise<SocketConnection> {
    const { clock } = this.#options;
    try {
      const waitMs = peer.nextAttemptMs - clock.monotonicMs();
      if (peer.failureCount > 0 && waitMs > 0) {
        await new Promise<void>((resolve) => clock.schedule(waitMs, resolve));
      }
      if (this.#closed) throw connectError(address, 'this client is closed');
      const connection = await this.#open(address, peer);
      peer.failureCount = 0;
      peer.connection = connection;
      return connection;
    } catch (error) {
      const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(peer.failureCount, 10));
      peer.failureCount++;
      peer.nextAttemptMs = clock.monotonicMs() + backoffMs;
      throw error;
    } finally {
      peer.connecting = undefined;
    }
  }

  #open(address: string, peer: Peer): Promise<SocketConnection> {
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      const socket = connect({ host: peer.host, port: peer.port, noDelay: true, keepAlive: true });
      const timer = this.#options.clock.schedule(timeoutMs, () => {
        socket.destroy(connectError(address, `no answer within ${timeoutMs} ms`));
      });
      const refuse = (error: Error): void => {
        timer.cancel();
        reject(error instanceof RemotingError ? error : connectError(address, describeError(error), error));
      };
      socket.once('error', refuse);
      socket.once('connect', () => {
        timer.cancel();
        socket.off('error', refuse);
        resolve(this.#adopt(socket));
      });
    });
  }

  #adopt(socket: Socket): SocketConnection {
    const connection = new SocketConnection(socket, this.#context);
    if (this.#closed) {
      connection.close('the client closes');
      return connection;
    }
    this.#connections.add(connection);
    connection.onClose(() => {
      this.#connections.delete(connection);
      this.#options.logger.debug('remoting.connection.closed', {
        peer: connection.remoteAddress,
        reason: connection.closeReason,
      });
    });
    this.#startSweep();
    return connection;
  }

  /** A connection on which nothing moves is closed here too, as Apache's clients do; it is opened again when needed. */
  #startSweep(): void {
    this.#sweepTimer.current ??= this.#options.clock.schedule(SWEEP_INTERVAL_MS, () => {
      this.#sweepTimer.current = undefined;
      this.#context.sweep.count++;
      const { idleTimeoutMs, frameProgressTimeoutMs } = this.#context.limits;
      const maxSweeps = {
        idle: Math.ceil(idleTimeoutMs / SWEEP_INTERVAL_MS),
        firstFrame: Infinity,
        frameProgress: Math.ceil(frameProgressTimeoutMs / SWEEP_INTERVAL_MS),
      };
      for (const connection of this.#connections) connection.checkIdle(maxSweeps);
      if (this.#connections.size > 0) this.#startSweep();
    });
  }

  #withDeadline(address: string, attempt: Promise<SocketConnection>, deadlineMs: number): Promise<SocketConnection> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = clock.schedule(deadlineMs - clock.monotonicMs(), () => {
        reject(connectError(address, 'no connection in time'));
      });
      attempt.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

function connectError(address: string, reason: string, cause?: Error): RemotingError {
  const message = `Can't connect to ${address} (${reason}): check the address, and that the server there is running.`;
  return new RemotingError('ERR_REMOTING_CONNECT', message, { address }, cause === undefined ? undefined : { cause });
}

/** 'host:port', '[::1]:port'. */
function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address.trim());
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port >= 1 && port <= 65_535))
    throw connectError(address, 'it is not of the form host:port');
  return { host, port };
}
