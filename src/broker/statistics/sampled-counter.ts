// A counter whose past is kept in samples, one a second at most, so that a rate over the last seconds or minutes can be told.
// Nothing is sampled while nothing is counted: an idle broker has no ticking statistics.

/** Rates are told over at most ten minutes. */
const SAMPLES_MAX = 601;

interface Sample {
  readonly atMs: number;
  readonly total: number;
}

export class SampledCounter {
  total = 0;
  /** Ascending in time; the total between two samples is that of the earlier one, to within a second. */
  readonly #samples: Sample[];

  constructor(startMs: number) {
    this.#samples = [{ atMs: startMs, total: 0 }];
  }

  /** Keeps the total as it is now. False when it has not changed since the last sample. */
  sample(nowMs: number): boolean {
    const last = this.#samples.at(-1) as Sample;
    if (last.total === this.total) return false;
    this.#samples.push({ atMs: nowMs, total: this.total });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    return true;
  }

  /** Per second over the last `windowMs`, or over the counter's life when that is shorter. */
  ratePerSecond(windowMs: number, nowMs: number): number {
    const from = nowMs - windowMs;
    let base = this.#samples[0] as Sample;
    for (const sample of this.#samples) {
      if (sample.atMs > from) break;
      base = sample;
    }
    const elapsedMs = base.atMs > from ? nowMs - base.atMs : windowMs;
    return elapsedMs <= 0 ? 0 : ((this.total - base.total) * 1000) / elapsedMs;
  }
}
