// Wall time that a jump can't carry forward. Retention deletes by age, so a clock that is suddenly a year ahead would delete
// everything; the monotonic clock knows how much time has really gone by.

import type { Clock } from '../../base/clock.ts';

/** Ordinary drift and NTP steps stay below this. */
const JUMP_MS = 60_000;

export class GuardedClock {
  readonly #clock: Clock;
  readonly #onJump: (jumpMs: number) => void;
  #baseWallMs: number;
  #baseMonotonicMs: number;

  constructor(clock: Clock, onJump: (jumpMs: number) => void) {
    this.#clock = clock;
    this.#onJump = onJump;
    this.#baseWallMs = clock.nowMs();
    this.#baseMonotonicMs = clock.monotonicMs();
  }

  /** The earlier of wall time and the time that must have come by the monotonic clock. Tells of a jump once each time. */
  nowMs(): number {
    const elapsedMs = this.#clock.monotonicMs() - this.#baseMonotonicMs;
    const expectedMs = this.#baseWallMs + elapsedMs;
    const wallMs = this.#clock.nowMs();
    const jumpMs = wallMs - expectedMs;
    if (jumpMs < -JUMP_MS || (jumpMs <= JUMP_MS && jumpMs !== 0)) {
      // Backwards, or ordinary drift: the wall clock is believed from here on.
      if (jumpMs < -JUMP_MS) this.#onJump(jumpMs);
      this.#baseWallMs = wallMs;
      this.#baseMonotonicMs += elapsedMs;
      return wallMs;
    }
    if (jumpMs > JUMP_MS) this.#onJump(jumpMs);
    return Math.min(wallMs, expectedMs);
  }
}
