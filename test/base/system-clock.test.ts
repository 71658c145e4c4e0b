import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';

/** Timers that keep this process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('systemClock', () => {
  it('keeps the process alive for a call only when somebody waits for it', () => {
    const before = timers();
    const quiet = systemClock.schedule(60_000, () => undefined);
    expect(timers()).toBe(before);
    const awaited = systemClock.schedule(60_000, () => undefined, true);
    expect(timers()).toBe(before + 1);
    awaited.cancel();
    quiet.cancel();
    expect(timers()).toBe(before);
  });
});
