// The package's front door: start and stop whole servers from a program.

export { ManualClock, systemClock, type Clock, type Timer } from '../base/clock.ts';
export { CometError } from '../base/errors.ts';
export { createJsonLogger, silentLogger, type LogFields, type Logger, type LogLevel } from '../base/logger.ts';
export { startServer, type RunningServer, type StartServerOptions } from './start-server.ts';
