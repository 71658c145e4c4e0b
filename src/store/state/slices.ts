// Long work on the one event loop, cut into slices: between two slices everything that waits is handled.

import type { Clock } from '../../base/clock.ts';

/** How long one slice may hold the loop. */
export const SLICE_MS = 2;

/** Reading the clock costs more than a step, so it is read once in so many. */
const STEPS_PER_CLOCK_READ = 32;

/** Resolves at the end of this turn of the loop. */
export function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.defer(resolve));
}

/** Says when a slice is over: after so many steps or so much time, whichever comes first. */
export class Slice {
  readonly #clock: Clock;
  readonly #stepCountMax: number;
  #stepCount = 0;
  #startMs: number;

  constructor(clock: Clock, stepCountMax: number) {
    this.#clock = clock;
    this.#stepCountMax = stepCountMax;
    this.#startMs = clock.monotonicMs();
  }

  /** Counts one step; true when the caller should let the loop go now. */
  isOverAfterStep(): boolean {
    this.#stepCount += 1;
    if (this.#stepCount >= this.#stepCountMax) return true;
    if (this.#stepCount % STEPS_PER_CLOCK_READ !== 0) return false;
    return this.#clock.monotonicMs() - this.#startMs >= SLICE_MS;
  }

  restart(): void {
    this.#stepCount = 0;
    this.#startMs = this.#clock.monotonicMs();
  }
}
