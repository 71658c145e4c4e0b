// How much of the speed of ASYNC_FLUSH is left when every put waits for the disk, with 256 puts in flight.

import type { Benchmark, BenchmarkGroup } from './benchmark.ts';
import { benchMessage, benchStore } from './bench-store.ts';

const IN_FLIGHT = 256;
const COUNT = 10_000;

/** `toDisk`: the run ends when all its messages are durable. Without it ASYNC_FLUSH leaves the disk's work to others. */
function inFlight(flushDiskType: 'ASYNC_FLUSH' | 'SYNC_FLUSH', toDisk: boolean): Benchmark {
  return {
    name: `1 KiB, ${IN_FLIGHT} in flight, ${flushDiskType}${toDisk ? ', all of them on disk' : ''}`,
    unit: 'message',
    unitsPerRun: COUNT,
    bytesPerRun: COUNT * 1024,
    secondsMax: 1,
    async setUp() {
      const { store, end } = await benchStore({ flushDiskType });
      const message = benchMessage(1024);
      let left = 0;
      // Each of the writers awaits its put, whatever the mode: only the waiting differs.
      const writer = async (): Promise<void> => {
        while (left-- > 0) await store.put(message);
      };
      const run = async (): Promise<void> => {
        left = COUNT;
        await Promise.all(Array.from({ length: IN_FLIGHT }, writer));
        if (toDisk) await store.flush();
      };
      return { run, end };
    },
  };
}

export const groupCommitBenchmarks: BenchmarkGroup = {
  name: 'group commit',
  benchmarks: [inFlight('ASYNC_FLUSH', false), inFlight('ASYNC_FLUSH', true), inFlight('SYNC_FLUSH', true)],
};
