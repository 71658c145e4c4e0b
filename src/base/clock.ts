// Time as a parameter. Store and services take a Clock; only the two classes here know where time comes from.

/** A pending call. */
export interface Timer {
  /** Does nothing when the call was made already. */
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since 1970 (may jump in either direction). */
  nowMs(): number;
  /** Monotonic milliseconds with a fraction; only differences mean something. */
  monotonicMs(): number;
  /** Calls `task` once after `delayMs`. A pending call does not keep the process alive, unless `keepsAlive` says that somebody waits. */
  schedule(delayMs: number, task: () => void, keepsAlive?: boolean): Timer;
  /** Calls `task` once, after the input that is already waiting has been handled (the end of this turn of the loop). */
  defer(task: () => void): void;
}

/** The real clock. Stateless. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule(delayMs, task, keepsAlive = false) {
    const handle = setTimeout(task, delayMs);
    if (!keepsAlive) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  defer(task) {
    setImmediate(task);
  },
};

interface ScheduledCall {
  readonly dueMs: number;
  readonly sequence: number;
  readonly task: () => void;
}

/**
 * A clock that moves only when told to: tests advance days in a millisecond.
 * Deferred tasks run on `runDeferred()` and at each step of `advance()`.
 */
export class ManualClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  #sequence = 0;
  #calls: ScheduledCall[] = [];
  #deferred: (() => void)[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, task: () => void): Timer {
    const call = { dueMs: this.#elapsedMs + Math.max(0, delayMs), sequence: this.#sequence++, task };
    this.#calls.push(call);
    return {
      cancel: () => {
        this.#calls = this.#calls.filter((other) => other !== call);
      },
    };
  }

  defer(task: () => void): void {
    this.#deferred.push(task);
  }

  /** Runs everything deferred, also what those tasks defer themselves. */
  runDeferred(): void {
    for (let task = this.#deferred.shift(); task !== undefined; task = this.#deferred.shift()) task();
  }

  /** Moves wall and monotonic time forward together and makes the calls that fall due, in order of their due time. */
  advance(milliseconds: number): void {
    const endMs = this.#elapsedMs + milliseconds;
    this.runDeferred();
    for (;;) {
      const due = this.#calls
        .filter((call) => call.dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.sequence - b.sequence)[0];
      if (due === undefined) break;
      this.#calls = this.#calls.filter((call) => call !== due);
      this.#wallMs += due.dueMs - this.#elapsedMs;
      this.#elapsedMs = due.dueMs;
      due.task();
      this.runDeferred();
    }
    this.#wallMs += endMs - this.#elapsedMs;
    this.#elapsedMs = endMs;
  }

  /** Moves only the wall clock, as an operator or NTP would. `milliseconds` may be negative. */
  jumpWallClock(milliseconds: number): void {
    this.#wallMs += milliseconds;
  }
}
