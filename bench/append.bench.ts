// Appends through the store's front door: encode, CRC, consume queue unit, index entry.
//
// What the disk allows: a record of 1 KiB takes about 1.17 KiB of the log, so 1.5 M appends a second are 1.8 GB/s. For as long as
// the kernel may hold that much in memory the bound is not the disk but its pages: each record needs 0.29 new ones, and making
// a page of a file writable costs about 1.3 µs on tmpfs and 6 µs on ext4, on the thread that makes pages ahead (or more, as a
// fault, on the event loop). One thread so makes room for about 0.5 M appends a second on ext4, whatever the engine does. After
// that the disk decides: its MB/s (printed first) divided by 1.17 KiB. The column of the event loop's CPU shows the engine; with
// TMPDIR=/dev/shm the rate does too.

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
