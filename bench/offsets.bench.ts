// Committing consumer offsets: in memory at once, in LMDB within 50 ms.

import type { BenchmarkGroup } from './benchmark.ts';
import { benchStore } from './bench-store.ts';

const GROUPS = 1_000;
const PER_RUN = 10_000;

export const offsetBenchmarks: BenchmarkGroup = {
  name: 'consumer offsets',
  benchmarks: [
    {
      name: `commit, ${GROUPS} groups of 8 queues`,
      unit: 'commit',
      unitsPerRun: PER_RUN,
      secondsMax: 1,
      async setUp() {
        const { store, end } = await benchStore();
        const groups = Array.from({ length: GROUPS }, (_, index) => `group-${index}`);
        let offset = 0;
        const run = (): void => {
          for (let index = 0; index < PER_RUN; index++) {
            store.commitOffset(groups[index % GROUPS]!, 'BenchmarkTest', (index / GROUPS) & 7, offset++);
          }
        };
        return { run, end };
      },
    },
    {
      name: `commit and durable, ${GROUPS} groups of 8 queues`,
      unit: 'commit',
      unitsPerRun: PER_RUN,
      secondsMax: 2,
      async setUp() {
        const { store, end } = await benchStore();
        const groups = Array.from({ length: GROUPS }, (_, index) => `group-${index}`);
        let offset = 0;
        const run = async (): Promise<void> => {
          for (let index = 0; index < PER_RUN; index++) {
            store.commitOffset(groups[index % GROUPS]!, 'BenchmarkTest', (index / GROUPS) & 7, offset++);
          }
          await store.state.consumerOffsets.flush();
        };
        return { run, end };
      },
    },
  ],
};
