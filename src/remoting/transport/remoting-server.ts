// The server side of Remoting: listens, keeps the connections, and hands each request to the handler of its code.

import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

import { assert } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { describeError, errorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { SerializeType } from '../protocol/remoting-command.ts';
import { RemotingError } from '../protocol/remoting-errors.ts';
import type { Connection, RequestHandler } from './connection.ts';
import { RateLimitedLog } from './rate-limited-log.ts';
import { defaultRemotingLimits } from './remoting-settings.ts';
import type { RemotingLimits } from './remoting-settings.ts';
import { RequestDispatcher } from './request-dispatcher.ts';
import { SocketConnection } from './socket-connection.ts';
import type { ConnectionContext } from './socket-connection.ts';
import { WriteSlabPool } from './write-slab.ts';

export interface RemotingServerOptions {
  /** For log lines and error messages: 'broker', 'name server'. */
  readonly name: string;
  readonly listenHost: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<RemotingLimits>;
  /** By request code. Others are answered with "not supported". */
  readonly handlers: ReadonlyMap<number, RequestHandler>;
  /** Of our responses and requests; JSON by default. */
  readonly serializeType?: SerializeType;
  readonly onConnectionClosed?: (connection: Connection) => void;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const BACKLOG = 1024;
/** How long a stop waits for requests that are being handled, and for peers to take their last answers. */
const STOP_GRACE_MS = 6000;

export class RemotingServer {
  readonly #options: RemotingServerOptions;
  readonly #limits: RemotingLimits;
  readonly #context: ConnectionContext;
  readonly #connections = new Set<SocketConnection>();
  readonly #sweepIntervalMs: number;
  #server: Server | undefined;
  #address: ListenAddress | undefined;
  #sweepTimer: Timer | undefined;

  constructor(options: RemotingServerOptions) {
    const { clock, logger, handlers } = options;
    this.#options = options;
    this.#limits = { ...defaultRemotingLimits, ...options.limits };
    const log = new RateLimitedLog(logger, clock);
    this.#context = {
      clock,
      log,
      limits: this.#limits,
      dispatcher: new RequestDispatcher(handlers, log),
      slabs: new WriteSlabPool(),
      serializeType: options.serializeType ?? 'JSON',
      sweep: { count: 0 },
    };
    const { idleTimeoutMs, firstFrameTimeoutMs, frameProgressTimeoutMs } = this.#limits;
    const shortestMs = Math.min(idleTimeoutMs, firstFrameTimeoutMs, frameProgressTimeoutMs);
    this.#sweepIntervalMs = Math.min(1000, Math.max(10, shortestMs / 4));
  }

  /** Where it listens; only between start and stop. */
  get address(): ListenAddress {
    assert(this.#address !== undefined, 'a remoting server has an address while it is started');
    return this.#address;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  connections(): Iterable<Connection> {
    return this.#connections;
  }

  /** Resolves when the port answers. Throws RemotingError ERR_REMOTING_ADDRESS_IN_USE or ERR_REMOTING_LISTEN. */
  async start(): Promise<ListenAddress> {
    assert(this.#server === undefined, 'a remoting server is started once');
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
    this.#server = server;
    await this.#listen(server);
    const bound = server.address();
    assert(typeof bound === 'object' && bound !== null, 'a listening TCP server has an address');
    this.#address = { host: this.#options.listenHost, port: bound.port };
    this.#planSweep();
    return this.#address;
  }

  /** Stops listening, takes no more requests, answers those that are being handled and closes the connections. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined || this.#address === undefined) return;
    this.#address = undefined;
    this.#sweepTimer?.cancel();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.end('the server stops');
    const grace = this.#options.clock.schedule(STOP_GRACE_MS, () => {
      for (const connection of this.#connections) connection.close('the server stops');
    });
    await closed;
    grace.cancel();
    // The last sockets are gone; their connections hear of it within this turn of the loop.
    await Promise.all([...this.#connections].map((each) => new Promise<void>((gone) => each.onClose(() => gone()))));
  }

  #listen(server: Server): Promise<void> {
    const { listenHost: host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const refuse = (cause: Error): void => reject(this.#listenError(cause));
      server.once('error', refuse);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', refuse);
        // Accepting can fail later, for want of file descriptors; those that are connected go on.
        server.on('error', (error) => this.#context.log.warn('remoting.accept.failed', { error: error.message }));
        resolve();
      });
    });
  }

  #listenError(cause: Error): RemotingError {
    const { name, listenHost, port } = this.#options;
    const facts = { name, host: listenHost, port };
    if (errorCode(cause) === 'EADDRINUSE') {
      const message =
        `Port ${port} on ${listenHost}, which the ${name} wants, is taken: ` +
        'end the program that uses it, or choose another port.';
      return new RemotingError('ERR_REMOTING_ADDRESS_IN_USE', message, facts, { cause });
    }
    const message =
      `The ${name} can't listen on ${listenHost}, port ${port} (${describeError(cause)}): ` +
      'choose an address of this machine and a port that this user may open.';
    return new RemotingError('ERR_REMOTING_LISTEN', message, facts, { cause });
  }

  #accept(socket: Socket): void {
    const { connectionCountMax } = this.#limits;
    if (this.#connections.size >= connectionCountMax) {
      this.#context.log.warn('remoting.connection.refused', { peer: socket.remoteAddress, connectionCountMax });
      socket.destroy();
      return;
    }
    const connection = new SocketConnection(socket, this.#context);
    this.#connections.add(connection);
    connection.onClose(() => {
      this.#connections.delete(connection);
      this.#options.logger.debug('remoting.connection.closed', {
        peer: connection.remoteAddress,
        reason: connection.closeReason,
      });
      this.#options.onConnectionClosed?.(connection);
    });
  }

  /** One timer for all connections. */
  #planSweep(): void {
    this.#sweepTimer = this.#options.clock.schedule(this.#sweepIntervalMs, () => {
      this.#context.sweep.count++;
      const { idleTimeoutMs, firstFrameTimeoutMs, frameProgressTimeoutMs } = this.#limits;
      const sweeps = (timeoutMs: number): number => Math.ceil(timeoutMs / this.#sweepIntervalMs);
      const maxSweeps = {
        idle: sweeps(idleTimeoutMs),
        firstFrame: sweeps(firstFrameTimeoutMs),
        frameProgress: sweeps(frameProgressTimeoutMs),
      };
      for (const connection of this.#connections) connection.checkIdle(maxSweeps);
      this.#planSweep();
    });
  }
}
