// Requests of ours that wait for the peer's answer, by opaque. Timeouts are found by one coarse timer that runs only while
// something waits: a timer per request would cost more than the request.

import { assert } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { RemotingCommand } from '../protocol/remoting-command.ts';
import { RemotingError } from '../protocol/remoting-errors.ts';

const SWEEP_INTERVAL_MS = 50;
const OPAQUE_MAX = 0x7fff_ffff;

interface Waiting {
  readonly code: number;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly resolve: (response: RemotingCommand) => void;
  readonly reject: (error: RemotingError) => void;
}

export class PendingRequests {
  readonly #clock: Clock;
  readonly #countMax: number;
  readonly #peer: string;
  readonly #waiting = new Map<number, Waiting>();
  #nextOpaque = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, countMax: number, peer: string) {
    this.#clock = clock;
    this.#countMax = countMax;
    this.#peer = peer;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** A number for a request. Each side counts for itself: the peer may use the same one at the same time. */
  takeOpaque(): number {
    const opaque = this.#nextOpaque;
    this.#nextOpaque = opaque === OPAQUE_MAX ? 0 : opaque + 1;
    return opaque;
  }

  /** Why no more requests may wait now; undefined when one may. To be asked before a request is sent. */
  problem(): RemotingError | undefined {
    if (this.#waiting.size < this.#countMax) return undefined;
    const message = `${this.#countMax} requests to ${this.#peer} wait for an answer already; try again later.`;
    return new RemotingError('ERR_REMOTING_TOO_MANY_REQUESTS', message, { peer: this.#peer });
  }

  /** Waits for the answer to `opaque`. Rejects with RemotingError: timeout, or what `rejectAll` was given. */
  wait(opaque: number, code: number, timeoutMs: number): Promise<RemotingCommand> {
    assert(this.#waiting.size < this.#countMax, 'a request waits although too many do');
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
      this.#waiting.set(opaque, { code, deadlineMs, timeoutMs, resolve, reject });
      this.#startTimer();
    });
  }

  /** False when nobody waits for this answer: it came too late, or the peer made it up. */
  resolve(response: RemotingCommand): boolean {
    const waiting = this.#waiting.get(response.opaque);
    if (waiting === undefined) return false;
    this.#waiting.delete(response.opaque);
    waiting.resolve(response);
    return true;
  }

  /** The request could not be sent. */
  reject(opaque: number, error: RemotingError): void {
    this.#waiting.get(opaque)?.reject(error);
    this.#waiting.delete(opaque);
  }

  rejectAll(error: RemotingError): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const waiting of all) waiting.reject(error);
  }

  #startTimer(): void {
    this.#timer ??= this.#clock.schedule(SWEEP_INTERVAL_MS, () => {
      this.#timer = undefined;
      this.#rejectOverdue();
      if (this.#waiting.size > 0) this.#startTimer();
    });
  }

  #rejectOverdue(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [opaque, waiting] of this.#waiting) {
      if (waiting.deadlineMs > nowMs) continue;
      this.#waiting.delete(opaque);
      waiting.reject(
        new RemotingError('ERR_REMOTING_TIMEOUT', `${this.#peer} did not answer within ${waiting.timeoutMs} ms.`, {
          peer: this.#peer,
          code: waiting.code,
          timeoutMs: waiting.timeoutMs,
        }),
      );
    }
  }
}
