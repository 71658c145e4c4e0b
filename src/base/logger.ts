// Structured logging: an event name plus fields. Nothing per message, no bodies, no credentials.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** `info` is a change of state, `warn` is degraded and handled, `error` wants a person. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

const severity: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Drops everything. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** One JSON object a line (so a newline in a field can't forge a line), written by `write`. */
export function createJsonLogger(options: {
  write: (line: string) => void;
  nowMs: () => number;
  minimumLevel?: LogLevel;
}): Logger {
  const floor = severity[options.minimumLevel ?? 'info'];
  const log = (level: LogLevel, event: string, fields: LogFields | undefined): void => {
    if (severity[level] < floor) return;
    const time = new Date(options.nowMs()).toISOString();
    options.write(`${JSON.stringify({ time, level, event, ...fields }, jsonSafe)}\n`);
  };
  return {
    debug: (event, fields) => log('debug', event, fields),
    info: (event, fields) => log('info', event, fields),
    warn: (event, fields) => log('warn', event, fields),
    error: (event, fields) => log('error', event, fields),
  };
}

function jsonSafe(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return value.message;
  return value;
}
