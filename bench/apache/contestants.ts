// The two servers, started the same way: name server and broker on loopback, one core, an empty data directory.

import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { startApacheBroker, startApacheNamesrv } from '../../test/interop/support/apache.ts';
import { cometmqCommand, startCometmq } from '../../test/interop/support/cometmq.ts';

export type Name = 'apache' | 'cometmq';
export type FlushDiskType = 'ASYNC_FLUSH' | 'SYNC_FLUSH';

export interface Contestant {
  readonly name: Name;
  readonly namesrvAddress: string;
  readonly brokerPort: number;
  readonly pids: readonly number[];
  /** From the start of the first process until the broker answered. */
  readonly readyMs: number;
  stop(): Promise<void>;
}

const NAMESRV_PORT = 22_876;
const BROKER_PORT = 23_911;

export async function startContestant(
  name: Name,
  directory: string,
  flushDiskType: FlushDiskType,
): Promise<Contestant> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return name === 'apache' ? startApache(directory, flushDiskType) : startOurs(directory, flushDiskType);
}

async function startApache(directory: string, flushDiskType: FlushDiskType): Promise<Contestant> {
  const startedMs = performance.now();
  const namesrvAddress = `127.0.0.1:${NAMESRV_PORT}`;
  const namesrv = await startApacheNamesrv({ port: NAMESRV_PORT, home: path.join(directory, 'namesrv') });
  const broker = await startApacheBroker({
    listenPort: BROKER_PORT,
    namesrv: namesrvAddress,
    home: path.join(directory, 'broker'),
    storeDir: path.join(directory, 'store'),
    conf: { flushDiskType },
  });
  return {
    name: 'apache',
    namesrvAddress,
    brokerPort: BROKER_PORT,
    pids: [namesrv.pid, broker.pid],
    readyMs: performance.now() - startedMs,
    async stop() {
      await broker.stop();
      await namesrv.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function startOurs(directory: string, flushDiskType: FlushDiskType): Promise<Contestant> {
  cometmqCommand(); // builds, when that is needed, before the time is taken
  const startedMs = performance.now();
  const server = await startCometmq({
    dataDir: path.join(directory, 'store'),
    namesrvPort: NAMESRV_PORT,
    brokerPort: BROKER_PORT,
    settings: { flushDiskType },
  });
  return {
    name: 'cometmq',
    namesrvAddress: server.namesrv,
    brokerPort: BROKER_PORT,
    pids: [server.pid],
    readyMs: performance.now() - startedMs,
    async stop() {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
