// What a benchmark is: something that is set up once, run many times, and ended. The runner does the timing.

export interface RunningBenchmark {
  /** One measured run; does `unitsPerRun` units of work. */
  run: () => void | Promise<void>;
  end?: () => void | Promise<void>;
}

export interface Benchmark {
  readonly name: string;
  /** What is counted: 'message', 'header', 'GiB'. */
  readonly unit: string;
  readonly unitsPerRun: number;
  readonly bytesPerRun?: number;
  /** Bounds the bytes that a case writes. Default 0.5 s. */
  readonly secondsMax?: number;
  readonly setUp: () => RunningBenchmark | Promise<RunningBenchmark>;
}

export interface BenchmarkGroup {
  readonly name: string;
  readonly benchmarks: readonly Benchmark[];
}

/** Lets I/O that has finished be seen, as a server's loop does between two chunks of input. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
