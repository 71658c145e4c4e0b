// A throw-away server for tests: free ports, a temporary directory that goes away with it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type RunningServer, type StartServerOptions } from './start-server.ts';

export type TestServerOptions = Partial<Omit<StartServerOptions, 'freePorts' | 'portOffset'>>;

/** Small files, so that a test costs little disk. A test that wants others sets them. */
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
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'cometmq-')));
  const server = await startServer({
    ...options,
    dataDir,
    freePorts: true,
    brokerConfig: { ...SMALL_FILES, ...options.brokerConfig },
  });
  if (options.dataDir !== undefined) return server;
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { ...server, stop, [Symbol.asyncDispose]: stop };
}

export type { RunningServer };
