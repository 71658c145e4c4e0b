// What the broker counts (Java: StoreStatsService, BrokerStats): totals, rates, how long puts take. Counting costs a few
// additions; a timer runs only while there is something new to sample.

import type { Clock, Timer } from '../../base/clock.ts';
import { SampledCounter } from './sampled-counter.ts';

const SAMPLE_INTERVAL_MS = 1_000;

/** Upper bounds of the classes of Apache's putMessageDistributeTime, in ms, with its labels. The last class has no bound. */
const PUT_TIME_CLASSES: readonly (readonly [number, string])[] = [
  [0, '[<=0ms]'],
  [10, '[0~10ms]'],
  [50, '[10~50ms]'],
  [100, '[50~100ms]'],
  [200, '[100~200ms]'],
  [500, '[200~500ms]'],
  [1_000, '[500ms~1s]'],
  [2_000, '[1~2s]'],
  [3_000, '[2~3s]'],
  [4_000, '[3~4s]'],
  [5_000, '[4~5s]'],
  [10_000, '[5~10s]'],
  [Number.POSITIVE_INFINITY, '[10s~]'],
];

export class BrokerStatistics {
  readonly startedMs: number;
  readonly putMessages: SampledCounter;
  /** Gets that found messages, that found none, and the messages that went out. */
  readonly getsFound: SampledCounter;
  readonly getsMissed: SampledCounter;
  readonly transferredMessages: SampledCounter;
  putBytes = 0;
  putsRefused = 0;
  putTimeMaxMs = 0;
  getTimeMaxMs = 0;
  readonly #clock: Clock;
  readonly #putTimes = new Float64Array(PUT_TIME_CLASSES.length);
  readonly #putsOfDay: DayTotals;
  readonly #getsOfDay: DayTotals;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    const nowMs = clock.nowMs();
    this.startedMs = nowMs;
    const counter = (): SampledCounter => new SampledCounter(clock.monotonicMs());
    this.putMessages = counter();
    this.getsFound = counter();
    this.getsMissed = counter();
    this.transferredMessages = counter();
    this.#putsOfDay = new DayTotals(nowMs);
    this.#getsOfDay = new DayTotals(nowMs);
  }

  put(messageCount: number, sizeBytes: number, tookMs: number): void {
    this.putMessages.total += messageCount;
    this.putBytes += sizeBytes;
    if (tookMs > this.putTimeMaxMs) this.putTimeMaxMs = tookMs;
    // As Apache: whole milliseconds, so what takes less counts as none.
    const index = tookMs < 1 ? 0 : putTimeClassOf(Math.floor(tookMs));
    this.#putTimes[index] = (this.#putTimes[index] as number) + 1;
    if (this.#timer === undefined) this.#arm();
  }

  got(messageCount: number, tookMs: number): void {
    if (messageCount > 0) {
      this.getsFound.total++;
      this.transferredMessages.total += messageCount;
    } else {
      this.getsMissed.total++;
    }
    if (tookMs > this.getTimeMaxMs) this.getTimeMaxMs = tookMs;
    if (this.#timer === undefined) this.#arm();
  }

  /** '[<=0ms]:12 [0~10ms]:3 …' */
  describePutTimes(): string {
    return PUT_TIME_CLASSES.map(([, label], index) => `${label}:${String(this.#putTimes[index])} `).join('');
  }

  /** The time within which this share of the puts was done, to the precision of the classes. */
  putTimeQuantileMs(share: number): number {
    const wanted = share * this.#putTimes.reduce((sum, count) => sum + count, 0);
    let seen = 0;
    for (const [index, [boundMs]] of PUT_TIME_CLASSES.entries()) {
      seen += this.#putTimes[index] as number;
      if (seen >= wanted) return Math.min(boundMs, this.putTimeMaxMs);
    }
    return this.putTimeMaxMs;
  }

  /** Totals at local midnight, the last and the one before. */
  putsAtMidnight(): MidnightTotals {
    return this.#putsOfDay.at(this.#clock.nowMs(), this.putMessages.total);
  }

  getsAtMidnight(): MidnightTotals {
    return this.#getsOfDay.at(this.#clock.nowMs(), this.transferredMessages.total);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    if (this.#isStopped) return;
    this.#timer = this.#clock.schedule(SAMPLE_INTERVAL_MS, () => this.#sample());
  }

  #sample(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    let isChanged = false;
    for (const counter of [this.putMessages, this.getsFound, this.getsMissed, this.transferredMessages]) {
      isChanged = counter.sample(nowMs) || isChanged;
    }
    this.putsAtMidnight();
    this.getsAtMidnight();
    if (isChanged) this.#arm();
  }
}

function putTimeClassOf(wholeMs: number): number {
  return PUT_TIME_CLASSES.findIndex(([boundMs]) => wholeMs <= boundMs);
}

export interface MidnightTotals {
  readonly yesterdayMorning: number;
  readonly todayMorning: number;
}

/** Remembers a total as it was at the last two midnights. Looked at each second of activity, so what it keeps is that exact. */
class DayTotals {
  #day: string;
  #lastTotal = 0;
  #totals: MidnightTotals = { yesterdayMorning: 0, todayMorning: 0 };

  constructor(nowMs: number) {
    this.#day = localDay(nowMs);
  }

  at(nowMs: number, total: number): MidnightTotals {
    const day = localDay(nowMs);
    if (day !== this.#day) {
      const wasYesterday = localDay(nowMs - 86_400_000) === this.#day;
      const yesterdayMorning = wasYesterday ? this.#totals.todayMorning : this.#lastTotal;
      this.#totals = { yesterdayMorning, todayMorning: this.#lastTotal };
      this.#day = day;
    }
    this.#lastTotal = total;
    return this.#totals;
  }
}

function localDay(ms: number): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
}
