// A sync that failed may have lost what it was about, and the next one would not say so: the store stops acknowledging for good.

import { describe, expect, it } from 'vitest';
import { SimulatedMachine } from '../crash/simulated-machine.ts';
import { bodies, numbers, opened, put, putMany, tryToPut } from '../crash/simulated-store.ts';

const often = { checkpointIntervalMs: 40, flushIntervalMs: 20 };
const seldom = { checkpointIntervalMs: 1_000_000, flushIntervalMs: 20 };

describe('a failed sync of the log', () => {
  it('under SYNC_FLUSH: no put is acknowledged after it, and readers get no further than what is on disk', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine, { ...seldom, flushDiskType: 'SYNC_FLUSH' });
    await putMany(machine, store, 5);
    machine.fileSystem.failNth('region.sync', 1, 'EIO');
    const failed = await tryToPut(machine, store, 'not on disk');
    expect(failed.status).toBe('SERVICE_NOT_AVAILABLE');
    expect((failed as { reason: string }).reason).toMatch(/fenced.*EIO/s);
    await machine.pass(2_000);
    expect((await tryToPut(machine, store, 'later')).status).toBe('SERVICE_NOT_AVAILABLE');
    expect(machine.fatalErrors.map(({ message }) => message)).toEqual([expect.stringContaining('EIO')]);
    expect(await bodies(machine, store)).toEqual(numbers(5));
    expect(store.maxOffset('orders', 0)).toBe(5);
  });

  it('under ASYNC_FLUSH: the same, though puts were acknowledged before', async () => {
    const machine = new SimulatedMachine({ seed: 2 });
    const store = await opened(machine, seldom);
    await putMany(machine, store, 5);
    await machine.run(store.flush());
    machine.fileSystem.failNth('region.sync', 1, 'EIO');
    await put(machine, store, 'in memory only');
    await machine.pass(2_000);
    expect((await tryToPut(machine, store, 'later')).status).toBe('SERVICE_NOT_AVAILABLE');
    expect(machine.fatalErrors).toHaveLength(1);
    expect(await bodies(machine, store)).toEqual(numbers(5));
  });

  it('lets the store close without claiming a clean stop, and what was acknowledged is there afterwards', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const machine = new SimulatedMachine({ seed });
      const store = await opened(machine, { ...seldom, flushDiskType: 'SYNC_FLUSH' });
      await putMany(machine, store, 5);
      machine.fileSystem.failNth('region.sync', 1, 'EIO');
      await tryToPut(machine, store, 'not on disk');
      await machine.run(store.close().catch(() => undefined));
      expect(machine.fileSystem.statusSync('/store/abort')).toBeDefined();
      const next = machine.next('power');
      expect((await bodies(next, await opened(next))).slice(0, 5)).toEqual(numbers(5));
    }
  });
});

describe('a failed sync of the views', () => {
  it('fences the store, and no later checkpoint builds on it', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const machine = new SimulatedMachine({ seed });
      const store = await opened(machine, often);
      await putMany(machine, store, 4);
      machine.fileSystem.failNth('syncAll', 1, 'EIO');
      await machine.pass(1_000);
      expect(machine.fatalErrors).toHaveLength(1);
      expect((await tryToPut(machine, store, 'later')).status).toBe('SERVICE_NOT_AVAILABLE');
      await machine.run(store.close().catch(() => undefined));
      expect(machine.fileSystem.statusSync('/store/abort')).toBeDefined();
      const next = machine.next('power');
      const again = await opened(next, often);
      expect({ seed, found: await bodies(next, again) }).toEqual({ seed, found: numbers(4) });
    }
  });
});
