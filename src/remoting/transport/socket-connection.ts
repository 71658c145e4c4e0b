// One connection, seen from either end: reads frames, has requests answered, matches answers to our own requests, and stops
// reading when the peer asks faster than it is answered.

import type { Socket } from 'node:net';

import type { Clock, Timer } from '../../base/clock.ts';
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

/** After our last byte: how long a peer has to close its side. Closing first would reset the connection, and the reset may
 * overtake answers that the peer has not read yet. */
const LINGER_MS = 1000;
/** A frame that is under way must bring this much in each frameProgressTimeoutMs. */
const FRAME_PROGRESS_BYTES_MIN = 16 * 1024;

export interface SweepLimits {
  readonly idle: number;
  readonly firstFrame: number;
  readonly frameProgress: number;
}

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
    /** Until nothing is sent any more. */
    open: true,
    /** It closes once the requests that are being handled are answered; no others are taken. */
    ending: false,
    /** The socket is gone. */
    gone: false,
    /** Frames are being worked off: what is answered now is flushed at the end. */
    inTurn: false,
    flushPlanned: false,
    readingPaused: false,
    inFlightCount: 0,
    openedAtSweep: 0,
    activeAtSweep: 0,
    /** When the last frame was whole; -1 before the first one. */
    frameAtSweep: -1,
    /** When the frame that is under way was last seen to get on, and what had been read then. */
    progressAtSweep: 0,
    progressBytes: 0,
    closeReason: '',
  };
  #closeListeners: ((connection: Connection) => void)[] = [];
  #lingerTimer: Timer | undefined;

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
    this.#state.openedAtSweep = this.#state.activeAtSweep = this.#state.progressAtSweep = context.sweep.count;
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
    const problem = this.#state.open ? this.#pending.problem() : this.#closedError();
    if (problem !== undefined) return Promise.reject(problem);
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

  /** Takes no more requests, answers those that are being handled, and then closes. */
  end(reason: string): void {
    const state = this.#state;
    if (!state.open || state.ending) return;
    state.ending = true;
    state.closeReason = reason;
    // What still arrives is read and dropped: bytes left unread would turn the close into a reset.
    if (state.readingPaused) this.#socket.resume();
    this.#endWhenAnswered();
  }

  #endWhenAnswered(): void {
    if (!this.#state.ending || !this.#state.open || this.#state.inFlightCount > 0) return;
    this.#outbox.flush();
    this.#noteClose(this.#state.closeReason);
    this.#socket.end();
    this.#lingerTimer = this.#context.clock.schedule(LINGER_MS, () => this.#socket.destroy());
  }

  /** Called by the owner's coarse timer. */
  checkIdle(maxSweeps: SweepLimits): void {
    const { count } = this.#context.sweep;
    const state = this.#state;
    if (count - state.activeAtSweep > maxSweeps.idle) {
      this.close('idle');
    } else if (state.frameAtSweep < 0 && count - state.openedAtSweep > maxSweeps.firstFrame) {
      this.#context.log.warn('remoting.connection.no-first-frame', { peer: this.remoteAddress });
      this.close('no request came in time');
    } else if (this.#isFrameStalled(maxSweeps.frameProgress)) {
      this.#context.log.warn('remoting.connection.stalled-frame', { peer: this.remoteAddress });
      this.close('a frame did not get on');
    }
  }

  #isFrameStalled(maxSweeps: number): boolean {
    const { count } = this.#context.sweep;
    const state = this.#state;
    const isWaiting =
      this.#reader.hasPartialFrame && !state.readingPaused && state.frameAtSweep < state.progressAtSweep;
    const { bytesRead } = this.#socket;
    if (isWaiting && bytesRead - state.progressBytes < FRAME_PROGRESS_BYTES_MIN) {
      return count - state.progressAtSweep > maxSweeps;
    }
    state.progressAtSweep = count;
    state.progressBytes = bytesRead;
    return false;
  }

  #onData(chunk: Buffer): void {
    if (!this.#state.open || this.#state.ending) return;
    this.#state.activeAtSweep = this.#context.sweep.count;
    this.#reader.feed(chunk);
    this.#workOff();
  }

  /** Handles the frames at hand and flushes their answers; stops early where a limit says so. */
  #workOff(): void {
    const state = this.#state;
    if (state.inTurn) return;
    let stopped = true;
    while (stopped && state.open && !state.ending && !this.#mustPause()) {
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
      this.#state.frameAtSweep = this.#context.sweep.count;
      if (command.isResponse) this.#pending.resolve(command);
      else this.#answer(command);
      if (!this.#state.open || this.#state.ending) return false;
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
      if (this.#state.ending) this.#endWhenAnswered();
      else if (this.#state.readingPaused) this.#updateReading();
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
    if (!state.open || state.ending || state.inTurn) return;
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
    if (this.#state.open && !this.#state.ending) this.#state.closeReason = reason;
    this.#state.open = false;
  }

  #onClosed(): void {
    this.#noteClose('closed by the peer');
    this.#state.gone = true;
    this.#lingerTimer?.cancel();
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
