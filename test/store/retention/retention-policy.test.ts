import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { GuardedClock } from '../../../src/store/retention/guarded-clock.ts';
import {
  decideRetention,
  type RetentionFacts,
  type RetentionSettings,
} from '../../../src/store/retention/retention-policy.ts';

const HOUR = 3_600_000;
const settings: RetentionSettings = {
  fileReservedMs: 72 * HOUR,
  deleteWhenHours: [4],
  deleteFileBatchMax: 10,
  diskMaxUsedPercent: 75,
  diskCleanForciblyPercent: 85,
  diskWarningPercent: 90,
  cleanFileForciblyEnabled: true,
};
const now = 1_000 * HOUR;
const facts = (changes: Partial<RetentionFacts>): RetentionFacts => ({
  hour: 12,
  nowMs: now,
  diskUsedPercent: 10,
  lastWrittenMs: [now - 100 * HOUR, now - 80 * HOUR, now - HOUR],
  ...changes,
});

describe('retention policy', () => {
  it('removes nothing outside the hour while the disk has room', () => {
    expect(decideRetention(settings, facts({}))).toEqual({ removeCount: 0, reason: 'none', refuseWrites: false });
  });
  it('removes what has expired at the hour', () => {
    expect(decideRetention(settings, facts({ hour: 4 }))).toMatchObject({ removeCount: 2, reason: 'hour' });
  });
  it('removes what has expired at any hour above diskMaxUsedSpaceRatio', () => {
    expect(decideRetention(settings, facts({ diskUsedPercent: 76 }))).toMatchObject({ removeCount: 2, reason: 'disk' });
  });
  it('gives up one unexpired segment a round above diskSpaceCleanForciblyRatio', () => {
    const young = facts({ diskUsedPercent: 86, lastWrittenMs: [now - HOUR, now] });
    expect(decideRetention(settings, young)).toMatchObject({ removeCount: 1, reason: 'forced', refuseWrites: false });
    expect(decideRetention({ ...settings, cleanFileForciblyEnabled: false }, young).removeCount).toBe(0);
  });
  it('refuses writes above diskSpaceWarningLevelRatio', () => {
    expect(decideRetention(settings, facts({ diskUsedPercent: 90.1 })).refuseWrites).toBe(true);
    expect(decideRetention(settings, facts({ diskUsedPercent: 90 })).refuseWrites).toBe(false);
  });
  it('removes at most deleteFileBatchMax a round', () => {
    const old = new Array<number>(30).fill(0);
    expect(decideRetention(settings, facts({ hour: 4, lastWrittenMs: old })).removeCount).toBe(10);
  });
  it('stops at the first segment that has not expired, also when a later one has', () => {
    const mixed = facts({ hour: 4, lastWrittenMs: [now - 100 * HOUR, now, now - 100 * HOUR] });
    expect(decideRetention(settings, mixed).removeCount).toBe(1);
  });
});

describe('guarded clock', () => {
  it('does not follow a jump forward, and says so', () => {
    const clock = new ManualClock(now);
    const jumps: number[] = [];
    const guarded = new GuardedClock(clock, (jump) => jumps.push(jump));
    clock.advance(HOUR);
    expect(guarded.nowMs()).toBe(now + HOUR);
    clock.jumpWallClock(365 * 24 * HOUR);
    clock.advance(1_000);
    expect(guarded.nowMs()).toBe(now + HOUR + 1_000);
    expect(jumps).toEqual([365 * 24 * HOUR]);
  });
  it('follows a jump back at once', () => {
    const clock = new ManualClock(now);
    const guarded = new GuardedClock(clock, () => undefined);
    clock.jumpWallClock(-10 * HOUR);
    expect(guarded.nowMs()).toBe(now - 10 * HOUR);
  });
});
