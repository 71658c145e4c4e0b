// A throw-away server for tests: free ports, a temporary directory that goes away with it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type RunningServer, type StartServerOptions } from './start-server.ts';

export type TestServerOptions = Partial<Omit<StartServerOptions, 'freePorts' | 'portOffset'>>;

/** Small files, so that a test costs little disk. A test that wants others sets them, or gives a file. */
const SMALL_FILES = {
  mappedFileSizeCommitLog: String(64 * 1024 * 1024),
  mappedFileSizeConsumeQueue: '200000',
  maxHashSlotNum: '10000',
  maxIndexNum: '40000',
} as const;

/**
 * Starts name server and broker on free loopback ports. `stop()` (or `await using`) ends them and removes the directory, unless
 * `dataDir` was given, which then stays.
 */
export async function startTestServer(options: TestServerOptions = {}): Promise<RunningServer> {
  if (options.dataDir !== undefined) return start(options, options.dataDir);
  const dataDir = await mkdtemp(join(tmpdir(), 'cometmq-'));
  const remove = (): Promise<void> => rm(dataDir, { recursive: true, force: true });
  try {
    const server = await start(options, dataDir);
    const stop = (): Promise<void> => server.stop().finally(remove);
    return { ...server, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await remove();
    throw error;
  }
}

function start(options: TestServerOptions, dataDir: string): Promise<RunningServer> {
  const sizes = options.brokerConfigFile === undefined ? SMALL_FILES : {};
  const brokerConfig = { ...sizes, ...options.brokerConfig };
  return startServer({ ...options, dataDir, freePorts: true, brokerConfig });
}

export type { RunningServer };
