// Every group, in the order of the report.

import { appendBenchmarks } from './append.bench.ts';
import type { BenchmarkGroup } from './benchmark.ts';
import { codecBenchmarks } from './codec.bench.ts';
import { groupCommitBenchmarks } from './group-commit.bench.ts';
import { offsetBenchmarks } from './offsets.bench.ts';
import { providerBenchmarks } from './providers.bench.ts';
import { queueBenchmarks } from './queues.bench.ts';
import { readBenchmarks } from './read.bench.ts';
import { recoveryBenchmarks } from './recovery.bench.ts';

/** Codec calls take well below a microsecond; a run makes this many. */
const CALLS_PER_RUN = 1_000;

export async function allBenchmarks(): Promise<BenchmarkGroup[]> {
  const codecs = await codecBenchmarks();
  return [
    appendBenchmarks,
    groupCommitBenchmarks,
    readBenchmarks,
    queueBenchmarks,
    recoveryBenchmarks,
    offsetBenchmarks,
    {
      name: 'codecs',
      benchmarks: codecs.map(({ name, run, bytesPerRun }) => ({
        name,
        unit: 'call',
        unitsPerRun: CALLS_PER_RUN,
        ...(bytesPerRun === undefined ? {} : { bytesPerRun: bytesPerRun * CALLS_PER_RUN }),
        setUp: () => ({
          run: () => {
            for (let call = 0; call < CALLS_PER_RUN; call++) run();
          },
        }),
      })),
    },
    await providerBenchmarks(),
  ];
}
