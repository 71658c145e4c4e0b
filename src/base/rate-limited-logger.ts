// A logger for what peers can cause at will (clients that come and go, limits that are reached): of each event so many lines a
// second reach the log, the rest are counted in the next line. Errors are never held back.

import type { Clock } from './clock.ts';
import type { LogFields, Logger } from './logger.ts';

const LINES_PER_WINDOW = 50;
const WINDOW_MS = 1000;

interface EventCount {
  windowStartMs: number;
  lines: number;
  suppressedCount: number;
}

export function rateLimitedLogger(logger: Logger, clock: Clock): Logger {
  /** Events are names in the program text: few. */
  const counts = new Map<string, EventCount>();
  const limit = (level: 'info' | 'warn', event: string, fields: LogFields | undefined): void => {
    const nowMs = clock.monotonicMs();
    let count = counts.get(event);
    if (count === undefined) counts.set(event, (count = { windowStartMs: nowMs, lines: 0, suppressedCount: 0 }));
    if (nowMs - count.windowStartMs >= WINDOW_MS) {
      count.windowStartMs = nowMs;
      count.lines = 0;
    }
    if (count.lines >= LINES_PER_WINDOW) {
      count.suppressedCount++;
      return;
    }
    count.lines++;
    const { suppressedCount } = count;
    count.suppressedCount = 0;
    logger[level](event, suppressedCount === 0 ? fields : { ...fields, suppressedCount });
  };
  return {
    debug: (event, fields) => logger.debug(event, fields),
    info: (event, fields) => limit('info', event, fields),
    warn: (event, fields) => limit('warn', event, fields),
    error: (event, fields) => logger.error(event, fields),
  };
}
