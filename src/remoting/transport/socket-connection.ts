// One connection, seen from either end: reads frames, has requests answered, matches answers to our own requests, and stops
// reading when the peer asks faster than it is answered.

import type { Socket } from 'node:net';

import type { Clock } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { OutgoingHeader } from '../protocol/json-header-writer.ts';
import { CommandFlag } from '../protocol/remoting-command.ts';
import type {
  RemotingCommand,
  RemotingRequest,
  RemotingResponse,
  SerializeType,
} from '../protocol/remoting-command.ts';
import { RemotingError } from '../protocol/remoting-errors.ts';
import { ResponseCode } from '../protocol/response-code.ts';
import { fitsRocketmqHeader } from '../protocol/rocketmq-header.ts';
import { DEFERRED } from './connection.ts';
import type { Connection, HandlerResult } from './connection.ts';
import { FrameReader } from './frame-reader.ts';
import { Outbox } from './outbox.ts';
import { PendingRequests } from './pending-requests.ts';
import type { RateLimitedLog } from './rate-limited-log.ts';
import type { RemotingLimits } from './remoting-settings.ts';
import type { RequestDispatcher } from './request-dispatcher.ts';
import type { WriteSlabPool } from './write-slab.ts';

/** What all connections of a server or client share. */
export interface ConnectionContext {
  readonly clock: Clock;
  readonly log: RateLimitedLog;
  readonly limits: RemotingLimits;
  readonly dispatcher: RequestDispatcher;
  readonly slabs: WriteSlabPool;
  /** Of what we send. Apache's servers do the same: their own setting, whatever the request used. */
  readonly serializeType: SerializeType;
  /** Counts up with the sweep: the age of a connection without reading a clock per chunk. */
  readonly sweep: { count: number };
}

let lastConnectionId = 0;

export class SocketConnection implements Connection {
  readonly id: number = ++lastConnectionId;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly attributes = new Map<symbol, unknown>();
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #reader: FrameReader;
  readonly #outbox: Outbox;
  readonly #pending: PendingRequests;
  readonly #state = {
    /** Until somebody decides to close it. */
    open: true,
    /** The socket is gone. */
    gone: false,
    /** Frames are being worked off: what is answered now is flushed at the end. */
    inTurn: false,
    flushPlanned: false,
    readingPaused: false,
    inFlightCount: 0,
    receivedFrame: false,
    openedAtSweep: 0,
    activeAtSweep: 0,
    closeReason: '',
  };
  #closeListeners: ((connection: Connection) => void)[] = [];

  /** `socket` is connected. */
  constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = plainAddress(socket.localAddress);
    this.localPort = socket.localPort ?? 0;
    this.#reader = new FrameReader(context.limits);
    this.#outbox = new Outbox(socket, context.slabs);
    const peer = `${this.remoteAddress}:${this.remotePort}`;
    this.#pending = new PendingRequests(context.clock, context.limits.pendingInvokesMax, peer);
    this.#state.openedAtSweep = this.#state.activeAtSweep = context.sweep.count;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#updateReading());
    socket.on('error', (error) => this.#noteClose(describeError(error)));
    socket.on('close', () => this.#onClosed());
  }

  get isOpen(): boolean {
    return this.#state.open;
  }

  get closeReason(): string {
    return this.#state.closeReason;
  }

  onClose(listener: (connection: Connection) => void): void {
    if (this.#state.gone) listener(this);
    else this.#closeListeners.push(listener);
  }

  invoke(request: RemotingRequest, timeoutMs: number): Promise<RemotingCommand> {
    if (!this.#state.open) return Promise.reject(this.#closedError());
    const opaque = this.#pending.takeOpaque();
    const answer = this.#pending.wait(opaque, request.code, timeoutMs);
    try {
      this.#sendRequest(request, 0, opaque);
    } catch (error) {
      if (!(error instanceof RemotingError)) throw error;
      this.#pending.reject(opaque, error);
    }
    return answer;
  }

  invokeOneway(request: RemotingRequest): void {
    if (this.#state.open) this.#sendRequest(request, CommandFlag.ONEWAY, this.#pending.takeOpaque());
  }

  respond(request: RemotingCommand, response: RemotingResponse): void {
    if (request.isOneway || !this.#state.open) {
      response.release?.();
      return;
    }
    const { opaque } = request;
    const { code, remark, extFields, body, release } = response;
    try {
      this.#push({ code, flag: CommandFlag.RESPONSE, opaque, remark, extFields }, body, release);
    } catch (error) {
      if (!(error instanceof RemotingError)) throw error;
      release?.();
      this.#context.log.warn('remoting.response.not-encodable', { request: request.code, error: error.message });
      this.respond(request, { code: ResponseCode.SYSTEM_ERROR, remark: error.message });
    }
  }

  close(reason: string): void {
    this.#noteClose(reason);
    this.#socket.destroy();
  }

  /** Sends what is answered so far and then closes. Nothing more is read. */
  end(reason: string): void {
    if (!this.#state.open) return;
    this.#outbox.flush();
    this.#noteClose(reason);
    this.#socket.destroySoon();
  }

  /** Called by the owner's coarse timer. */
  checkIdle(maxSweepsIdle: number, maxSweepsToFirstFrame: number): void {
    const { count } = this.#context.sweep;
    const state = this.#state;
    if (count - state.activeAtSweep > maxSweepsIdle) {
      this.close('idle');
    } else if (!state.receivedFrame && count - state.openedAtSweep > maxSweepsToFirstFrame) {
      this.#context.log.warn('remoting.connection.no-first-frame', { peer: this.remoteAddress });
      this.close('no request came in time');
    }
  }

  #onData(chunk: Buffer): void {
    if (!this.#state.open) return;
    this.#state.activeAtSweep = this.#context.sweep.count;
    this.#reader.feed(chunk);
    this.#workOff();
  }

  /** Handles the frames at hand and flushes their answers; stops early where a limit says so. */
  #workOff(): void {
    const state = this.#state;
    if (state.inTurn) return;
    let stopped = true;
    while (stopped && state.open && !this.#mustPause()) {
      state.inTurn = true;
      try {
        stopped = this.#handleFrames();
      } catch (error) {
        if (!(error instanceof RemotingError)) throw error;
        this.#context.log.warn('remoting.connection.malformed', { peer: this.remoteAddress, error: error.message });
        // What came before the bad bytes was fine and gets its answers.
        this.end(error.message);
      } finally {
        state.inTurn = false;
      }
      this.#flush();
    }
    this.#updateReading();
  }

  /** True when a limit stopped it before the last frame. */
  #handleFrames(): boolean {
    while (!this.#mustPause()) {
      const command = this.#reader.next();
      if (command === undefined) return false;
      this.#state.receivedFrame = true;
      if (command.isResponse) this.#pending.resolve(command);
      else this.#answer(command);
      if (!this.#state.open) return false;
    }
    return true;
  }

  #answer(request: RemotingCommand): void {
    const result = this.#context.dispatcher.dispatch(request, this);
    if (!(result instanceof Promise)) {
      this.#finish(request, result);
      return;
    }
    this.#state.inFlightCount++;
    void result.then((late) => {
      this.#state.inFlightCount--;
      this.#finish(request, late);
      if (this.#state.readingPaused) this.#updateReading();
    });
  }

  #finish(request: RemotingCommand, result: HandlerResult): void {
    if (result !== undefined && result !== DEFERRED) this.respond(request, result);
  }

  #sendRequest(request: RemotingRequest, flag: number, opaque: number): void {
    const { code, extFields, body } = request;
    this.#push({ code, flag, opaque, remark: undefined, extFields }, body, undefined);
  }

  #push(header: OutgoingHeader, body: RemotingResponse['body'], release: (() => void) | undefined): void {
    // A code that does not fit a binary header travels in a JSON one.
    const serializeType = fitsRocketmqHeader(header) ? this.#context.serializeType : 'JSON';
    this.#outbox.push(header, serializeType, body, release);
    this.#planFlush();
  }

  /** Everything sent in one turn of the loop goes out in one write. */
  #planFlush(): void {
    const state = this.#state;
    if (state.inTurn || state.flushPlanned) return;
    state.flushPlanned = true;
    this.#context.clock.defer(() => {
      state.flushPlanned = false;
      this.#flush();
      this.#updateReading();
    });
  }

  #flush(): void {
    if (!this.#state.open) return;
    if (!this.#outbox.isEmpty) {
      this.#outbox.flush();
      this.#state.activeAtSweep = this.#context.sweep.count;
    }
    const { writeBufferBytesMax } = this.#context.limits;
    const unsentBytes = this.#outbox.unsentBytes;
    if (unsentBytes <= writeBufferBytesMax) return;
    this.#context.log.warn('remoting.connection.slow-reader', { peer: this.remoteAddress, unsentBytes });
    this.close(`the peer does not read: ${unsentBytes} bytes wait, the limit is ${writeBufferBytesMax}`);
  }

  #mustPause(): boolean {
    const { inFlightRequestsMax, writeBufferPauseBytes } = this.#context.limits;
    return this.#state.inFlightCount >= inFlightRequestsMax || this.#outbox.unsentBytes >= writeBufferPauseBytes;
  }

  /** Stops or resumes reading as the limits say; frames that were read before a pause come first. */
  #updateReading(): void {
    const state = this.#state;
    if (!state.open || state.inTurn) return;
    const mustPause = this.#mustPause();
    if (mustPause === state.readingPaused) return;
    state.readingPaused = mustPause;
    if (mustPause) {
      this.#socket.pause();
    } else {
      this.#socket.resume();
      this.#workOff();
    }
  }

  #noteClose(reason: string): void {
    if (this.#state.open) this.#state.closeReason = reason;
    this.#state.open = false;
  }

  #onClosed(): void {
    this.#noteClose('closed by the peer');
    this.#state.gone = true;
    this.#outbox.discard();
    this.#pending.rejectAll(this.#closedError());
    const listeners = this.#closeListeners;
    this.#closeListeners = [];
    for (const listener of listeners) listener(this);
  }

  #closedError(): RemotingError {
    const peer = `${this.remoteAddress}:${this.remotePort}`;
    return new RemotingError(
      'ERR_REMOTING_CONNECTION_CLOSED',
      `The connection to ${peer} is closed (${this.closeReason}).`,
      { peer },
    );
  }
}

/** '127.0.0.1' for '::ffff:127.0.0.1'. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
