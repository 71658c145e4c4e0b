import { expect, test } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { Prng } from '../../../src/base/prng.ts';
import { UniqueKeys } from '../../../src/broker/send/unique-key.ts';
import { hostAddress } from '../../../src/model/host-address.ts';

const MID_JUNE = new Date(2026, 5, 15).getTime();

test('a key has the host, the process, and the milliseconds since the start of the month', () => {
  const clock = new ManualClock(MID_JUNE);
  const keys = new UniqueKeys({ clock, host: hostAddress('127.0.0.1', 0), pid: 0x1_2345, prng: new Prng(1) });
  const key = keys.next();
  expect(key).toMatch(/^7F0000012345[0-9A-F]{20}$/);
  expect(Number.parseInt(key.slice(20, 28), 16)).toBe(14 * 86_400_000);
  clock.advance(5);
  expect(Number.parseInt(keys.next().slice(20, 28), 16)).toBe(14 * 86_400_000 + 5);
});

test('keys differ within a millisecond, across the turn of the month, and when the clock is set back a month', () => {
  const clock = new ManualClock(new Date(2026, 6, 1).getTime() - 1);
  const keys = new UniqueKeys({ clock, host: hostAddress('::1', 0), pid: 1, prng: new Prng(1) });
  const made = new Set<string>();
  for (let count = 0; count < 1_000; count++) made.add(keys.next());
  clock.advance(2);
  made.add(keys.next());
  clock.jumpWallClock(-40 * 86_400_000);
  made.add(keys.next());
  expect(made.size).toBe(1_002);
  expect([...made].every((key) => /^[0-9A-F]{56}$/.test(key))).toBe(true);
});
