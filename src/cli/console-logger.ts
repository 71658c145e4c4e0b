// The server's log on standard error: JSON lines, from the level that the command line asks for.

import { createJsonLogger, type Logger, type LogLevel } from '../base/logger.ts';
import { UsageError } from './usage-error.ts';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export function consoleLogger(level: string, help: string): Logger {
  const minimumLevel = LEVELS.find((known) => known === level);
  if (minimumLevel === undefined) {
    throw new UsageError(`--log-level takes one of ${LEVELS.join(', ')}, not "${level}".`, help);
  }
  return createJsonLogger({ write: (line) => process.stderr.write(line), nowMs: () => Date.now(), minimumLevel });
}
