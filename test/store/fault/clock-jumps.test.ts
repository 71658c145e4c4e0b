// A wall clock that jumps: nothing is deleted for it, nothing is refused, and offsets by time stay inside of the queue.

import { expect, it } from 'vitest';
import { SimulatedMachine } from '../crash/simulated-machine.ts';
import { bodies, close, numbers, opened, present, put, putMany } from '../crash/simulated-store.ts';

const YEAR_MS = 365 * 24 * 3_600_000;
const hours = Array.from({ length: 24 }, (_, hour) => hour);
const settings = { deleteWhenHours: hours, fileReservedMs: 24 * 3_600_000, cleanIntervalMs: 100 };

it.each([YEAR_MS, -YEAR_MS])('a jump of %i ms under load deletes nothing and stops nothing', async (jumpMs) => {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await opened(machine, settings);
  await putMany(machine, store, 40);
  machine.clock.jumpWallClock(jumpMs);
  await machine.pass(1_000);
  await putMany(machine, store, 40);
  expect(await bodies(machine, store)).toEqual([...numbers(40), ...numbers(40)]);
  expect(store.stats()).toMatchObject({ minPhysicalOffset: 0, refusal: undefined });
  for (const shiftMs of [-2 * YEAR_MS, -YEAR_MS, -1, 0, 1, YEAR_MS, 2 * YEAR_MS]) {
    for (const boundary of ['LOWER', 'UPPER'] as const) {
      const timeMs = machine.clock.nowMs() + shiftMs;
      const offset = present(await machine.run(store.offsetByTime('orders', 0, timeMs, boundary)));
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(offset).toBeLessThanOrEqual(80);
    }
  }
  const found = present(await machine.run(store.query('orders', 'key-7', { countMax: 8 })));
  expect(found.map(({ queueOffset }) => queueOffset).sort((a, b) => a - b)).toEqual([7, 47]);
  expect(machine.fatalErrors).toEqual([]);
  await close(machine, store);
  const again = await opened(machine, settings);
  expect((await bodies(machine, again)).length).toBe(80);
});

it('a clock that goes back again and again while messages come stops nothing, also across a kill', async () => {
  const machine = new SimulatedMachine({ seed: 2 });
  const store = await opened(machine, { ...settings, flushDiskType: 'SYNC_FLUSH' });
  for (let index = 0; index < 60; index++) {
    machine.clock.jumpWallClock(index % 2 === 0 ? -3_600_000 : 60_000);
    expect((await put(machine, store, String(index))).queueOffset).toBe(index);
    await machine.pass(8);
  }
  const next = machine.next('kill');
  expect(await bodies(next, await opened(next, settings))).toEqual(numbers(60));
});

it('messages that are really old go at their time', async () => {
  const machine = new SimulatedMachine({ seed: 3 });
  const store = await opened(machine, { ...settings, fileReservedMs: 1_000 });
  await putMany(machine, store, 40);
  await machine.pass(2_500);
  expect(store.minOffset('orders', 0)).toBeGreaterThan(0);
});
