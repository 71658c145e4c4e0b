// Opening a directory whose owner was killed before its first checkpoint: everything is read, checked and dispatched again.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../src/store/open-store.ts';
import type { Benchmark, BenchmarkGroup } from './benchmark.ts';
import { turn } from './benchmark.ts';
import { benchMessage, benchStore } from './bench-store.ts';

const MESSAGES = 400_000;
const GIB = 1024 ** 3;
const config = {
  commitLogSegmentSizeBytes: 256 * 1024 * 1024,
  indexHashSlotCount: 500_000,
  indexEntryCountMax: 2_000_000,
  // No checkpoint comes in between.
  checkpointIntervalMs: 3_600_000,
} as const;

function recoveryOf(indexEnabled: boolean): Benchmark {
  return {
    name: `queues${indexEnabled ? ' and index' : ''} lost, nothing known to be durable`,
    unit: 'GiB',
    unitsPerRun: (MESSAGES * (1024 + 150)) / GIB,
    secondsMax: 6,
    async setUp() {
      const { store, directory, end } = await benchStore({ ...config, indexEnabled });
      const message = benchMessage(1024);
      for (let index = 0; index < MESSAGES; index++) {
        await store.put(message);
        if (index % 256 === 255) await turn();
      }
      await store.close();
      const run = async (): Promise<void> => {
        for (const view of ['consumequeue', 'index', 'checkpoint', 'cometmq/durable-offset']) {
          rmSync(join(directory, view), { recursive: true, force: true });
        }
        writeFileSync(join(directory, 'abort'), '');
        const opened = await openStore({ dir: directory, config: { ...config, indexEnabled } });
        await opened.close();
      };
      return { run, end };
    },
  };
}

export const recoveryBenchmarks: BenchmarkGroup = {
  name: 'recovery (open after a kill, and close)',
  benchmarks: [recoveryOf(false), recoveryOf(true)],
};
