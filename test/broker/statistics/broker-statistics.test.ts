import { expect, test } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { BrokerStatistics } from '../../../src/broker/statistics/broker-statistics.ts';

const NOON = new Date(2026, 5, 15, 12, 0, 0).getTime();
const HOUR_MS = 3_600_000;

test('rates are those of the last ten seconds, minute and ten minutes', () => {
  const clock = new ManualClock(NOON);
  const statistics = new BrokerStatistics(clock);
  const rate = (windowMs: number): number => statistics.putMessages.ratePerSecond(windowMs, clock.monotonicMs());
  clock.advance(3_600_000);
  for (let second = 0; second < 30; second++) {
    statistics.put(100, 1_000, 0);
    clock.advance(1_000);
  }
  expect(rate(10_000)).toBeCloseTo(100, 5);
  expect(rate(60_000)).toBeCloseTo(50, 5);
  expect(rate(600_000)).toBeCloseTo(5, 5);
  clock.advance(10_000);
  expect(rate(10_000)).toBe(0);
  expect(rate(60_000)).toBeCloseTo(50, 5);
});

test('a young counter tells its rate over its life', () => {
  const clock = new ManualClock(NOON);
  const statistics = new BrokerStatistics(clock);
  expect(statistics.putMessages.ratePerSecond(10_000, clock.monotonicMs())).toBe(0);
  statistics.put(50, 1, 0);
  clock.advance(5_000);
  expect(statistics.putMessages.ratePerSecond(10_000, clock.monotonicMs())).toBe(10);
});

test('nothing is sampled while nothing happens', () => {
  const clock = new ManualClock(NOON);
  const statistics = new BrokerStatistics(clock);
  statistics.got(1, 0);
  clock.advance(5_000);
  let scheduled = 0;
  clock.schedule = () => {
    scheduled++;
    return { cancel() {} };
  };
  clock.advance(600_000);
  expect(scheduled).toBe(0);
});

test('puts are told by how long they took', () => {
  const statistics = new BrokerStatistics(new ManualClock(NOON));
  for (const tookMs of [0.2, 0.9, 1, 10, 10.5, 11, 99_999]) statistics.put(1, 1, tookMs);
  expect(statistics.describePutTimes()).toMatch(/^\[<=0ms\]:2 \[0~10ms\]:3 \[10~50ms\]:1 .* \[10s~\]:1 $/);
  expect(statistics.putTimeMaxMs).toBe(99_999);
});

test('the slowest hundredth of the puts is told by the class that it begins in', () => {
  const statistics = new BrokerStatistics(new ManualClock(NOON));
  expect(statistics.putTimeQuantileMs(0.99)).toBe(0);
  for (let put = 0; put < 990; put++) statistics.put(1, 1, 0.1);
  for (let put = 0; put < 9; put++) statistics.put(1, 1, 30);
  statistics.put(1, 1, 120);
  expect(statistics.putTimeQuantileMs(0.99)).toBe(0);
  expect(statistics.putTimeQuantileMs(0.991)).toBe(50);
  expect(statistics.putTimeQuantileMs(1)).toBe(120);
});

test('totals are remembered as they were at the last two midnights', () => {
  const clock = new ManualClock(NOON);
  const statistics = new BrokerStatistics(clock);
  const put = (count: number): void => {
    statistics.put(count, 1, 0);
    clock.advance(2_000);
  };
  put(10);
  expect(statistics.putsAtMidnight()).toEqual({ yesterdayMorning: 0, todayMorning: 0 });
  clock.advance(24 * HOUR_MS);
  expect(statistics.putsAtMidnight()).toEqual({ yesterdayMorning: 0, todayMorning: 10 });
  put(5);
  clock.advance(24 * HOUR_MS);
  put(1);
  expect(statistics.putsAtMidnight()).toEqual({ yesterdayMorning: 10, todayMorning: 15 });
  clock.advance(72 * HOUR_MS);
  expect(statistics.putsAtMidnight()).toEqual({ yesterdayMorning: 16, todayMorning: 16 });
});
