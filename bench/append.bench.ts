// Appends through the store's front door: encode, CRC, consume queue unit, index entry.

import type { BenchmarkGroup, Benchmark } from './benchmark.ts';
import { turn } from './benchmark.ts';
import { benchMessage, benchStore } from './bench-store.ts';

const PER_TURN = 256;

function appendOf(name: string, bodyBytes: number, count: number, indexEnabled: boolean): Benchmark {
  return {
    name,
    unit: 'message',
    unitsPerRun: count,
    bytesPerRun: count * bodyBytes,
    async setUp() {
      const { store, end } = await benchStore({ indexEnabled });
      const message = benchMessage(bodyBytes);
      const run = async (): Promise<void> => {
        for (let index = 0; index < count; index++) {
          const result = store.put(message);
          if (result instanceof Promise) await result;
          if (index % PER_TURN === PER_TURN - 1) await turn();
        }
      };
      return { run, end };
    },
  };
}

function batchOf(size: number, bodyBytes: number, batches: number): Benchmark {
  return {
    name: `batches of ${size}, ${bodyBytes} B each`,
    unit: 'message',
    unitsPerRun: size * batches,
    bytesPerRun: size * batches * bodyBytes,
    async setUp() {
      const { store, end } = await benchStore();
      const messages = Array.from({ length: size }, () => benchMessage(bodyBytes));
      const run = async (): Promise<void> => {
        for (let index = 0; index < batches; index++) {
          const result = store.putBatch(messages);
          if (result instanceof Promise) await result;
          if (index % 16 === 15) await turn();
        }
      };
      return { run, end };
    },
  };
}

export const appendBenchmarks: BenchmarkGroup = {
  name: 'append (ASYNC_FLUSH)',
  benchmarks: [
    appendOf('96 B', 96, 10_000, true),
    appendOf('1 KiB', 1024, 10_000, true),
    appendOf('1 KiB, no index', 1024, 10_000, false),
    appendOf('64 KiB', 64 * 1024, 256, true),
    batchOf(16, 1024, 500),
  ],
};
