// Warnings that a peer can cause at will: so many a second reach the log, the rest are counted.

import type { Clock } from '../../base/clock.ts';
import type { LogFields, Logger } from '../../base/logger.ts';

const LINES_PER_WINDOW = 10;
const WINDOW_MS = 1000;

export class RateLimitedLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #windowStartMs = -Infinity;
  #lines = 0;
  #suppressedCount = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  warn(event: string, fields: LogFields): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines >= LINES_PER_WINDOW) {
      this.#suppressedCount++;
      return;
    }
    this.#lines++;
    const suppressedCount = this.#suppressedCount;
    this.#suppressedCount = 0;
    this.#logger.warn(event, suppressedCount === 0 ? fields : { ...fields, suppressedCount });
  }
}
