// A disk without room refuses writes with a number and a path, reads go on, and writes resume by themselves.

import { describe, expect, it } from 'vitest';
import type { FileSystem } from '../../../src/store/file-system.ts';
import { fileSystemProblem } from '../../../src/store/file-system-problems.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import { StoreError } from '../../../src/store/store-errors.ts';
import type { PutMessageResult } from '../../../src/store/store-types.ts';
import { SimulatedMachine } from '../crash/simulated-machine.ts';
import { bodies, close, config, numbers, opened, present, put, putMany, tryToPut } from '../crash/simulated-store.ts';

/** Writes stop for lack of room here, not because a share of the disk is used. */
const noRatios = { diskMaxUsedPercent: 100, diskCleanForciblyPercent: 100, diskWarningPercent: 100 };
const RESUMES_WITHIN_MS = 5_000;

async function putUntilRefused(
  machine: SimulatedMachine,
  store: MessageStore,
): Promise<{ stored: number; refusal: PutMessageResult }> {
  for (let stored = 0; stored < 500; stored++) {
    const result = await tryToPut(machine, store, String(stored).padEnd(1_000, '.'));
    if (result.status !== 'PUT_OK') return { stored, refusal: result };
    if (stored % 4 === 0) await machine.pass(4);
  }
  throw new Error('nothing was refused');
}

describe.each(['SYNC_FLUSH', 'ASYNC_FLUSH'] as const)('a full disk under %s', (flushDiskType) => {
  const settings = { ...noRatios, flushDiskType };

  it('without room for the next segment refuses puts, reads on, and takes puts again when there is room', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine, settings);
    await putMany(machine, store, 5);
    machine.fileSystem.setCapacity(machine.fileSystem.usedBytes + 20_000);
    const { stored, refusal } = await putUntilRefused(machine, store);
    expect(refusal.status).toBe('SERVICE_NOT_AVAILABLE');
    expect((refusal as { reason: string }).reason).toMatch(/\/store\/commitlog\/\d{20}.*16384 bytes needed/);
    expect((await bodies(machine, store)).length).toBe(5 + stored);
    expect(store.stats().refusal).toContain('/store/commitlog/');
    await machine.pass(RESUMES_WITHIN_MS);
    expect((await tryToPut(machine, store, 'still full')).status).toBe('SERVICE_NOT_AVAILABLE');
    machine.fileSystem.setCapacity(undefined);
    await machine.pass(RESUMES_WITHIN_MS);
    expect((await put(machine, store, 'there is room')).queueOffset).toBe(5 + stored);
    expect(machine.fatalErrors).toEqual([]);
    await close(machine, store);
    const again = await opened(machine, settings);
    expect((await bodies(machine, again)).length).toBe(6 + stored);
    expect(await machine.check(config, new Set())).toEqual([]);
  });

  it('without room for queue units refuses puts, reads on, and loses none of them', async () => {
    const machine = new SimulatedMachine({ seed: 2 });
    const store = await opened(machine, { ...settings, consumeQueuePendingBytesMax: 8_192 });
    machine.fileSystem.failNth('writeFiles', 1, 'ENOSPC', 1_000_000);
    let stored = 0;
    let reason: string | undefined;
    while (reason === undefined && stored < 2_000) {
      const result = await tryToPut(machine, store, String(stored), `topic-${stored % 20}`);
      if (result.status === 'PUT_OK') stored++;
      else reason = (result as { reason: string }).reason;
      await machine.pass(8);
    }
    expect(reason).toMatch(/disk is full/);
    expect(await bodies(machine, store, 'topic-3')).toEqual(
      numbers(stored).filter((number) => Number(number) % 20 === 3),
    );
    machine.fileSystem.endFailures();
    await machine.pass(RESUMES_WITHIN_MS);
    await put(machine, store, 'there is room');
    await close(machine, store);
    const again = await opened(machine, settings);
    expect((await bodies(machine, again, 'topic-3')).length).toBe(Math.ceil((stored - 3) / 20));
    expect(await machine.check(config, new Set())).toEqual([]);
  });
});

describe('a full disk', () => {
  it('without room for an index file takes puts, and finds their keys when there is room', async () => {
    let isFull = true;
    const wrap = (fileSystem: FileSystem): FileSystem =>
      new Proxy(fileSystem, {
        get(target, name) {
          const value = Reflect.get(target, name, target) as unknown;
          if (name === 'openRegion') {
            return (path: string, options: Parameters<FileSystem['openRegion']>[1]) =>
              isFull && options.mode === 'create' && path.includes('/index/')
                ? Promise.reject(fileSystemProblem('ENOSPC', { doing: 'create', path }))
                : target.openRegion(path, options);
          }
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    const machine = new SimulatedMachine({ seed: 3, wrap });
    const store = await opened(machine, { ...noRatios, checkpointIntervalMs: 50 });
    await putMany(machine, store, 300);
    await machine.pass(3_000);
    expect((await bodies(machine, store)).length).toBe(300);
    isFull = false;
    await machine.pass(RESUMES_WITHIN_MS);
    const found = present(await machine.run(store.query('orders', 'key-7', { countMax: 4 })));
    expect(found.map(({ queueOffset }) => queueOffset)).toEqual([7]);
    expect(machine.fatalErrors).toEqual([]);
    await close(machine, store);
    expect(await machine.check(config, new Set())).toEqual([]);
  });

  it('under the state tables keeps commits in memory until there is room', async () => {
    const machine = new SimulatedMachine({ seed: 4 });
    const store = await opened(machine, noRatios);
    machine.refuseState(new StoreError('ERR_STORE_NO_SPACE', 'There is no room for the key-value store.'));
    store.commitOffset('kitchen', 'orders', 0, 7);
    await machine.pass(500);
    await putMany(machine, store, 3);
    expect(store.fetchOffset('kitchen', 'orders', 0)).toBe(7);
    machine.refuseState(undefined);
    await machine.pass(RESUMES_WITHIN_MS);
    expect(machine.fatalErrors).toEqual([]);
    const next = machine.next('kill');
    expect((await opened(next, noRatios)).fetchOffset('kitchen', 'orders', 0)).toBe(7);
  });

  it("under Apache's files does not stop the store, and they are written when there is room", async () => {
    const machine = new SimulatedMachine({ seed: 5 });
    const store = await opened(machine, { ...noRatios, offsetExportIntervalMs: 100 });
    machine.fileSystem.failNth('replaceFile', 1, 'ENOSPC', 1_000_000);
    store.commitOffset('kitchen', 'orders', 0, 7);
    await machine.pass(1_000);
    await putMany(machine, store, 3);
    machine.fileSystem.endFailures();
    store.commitOffset('kitchen', 'orders', 0, 8);
    await machine.pass(RESUMES_WITHIN_MS);
    expect(machine.fatalErrors).toEqual([]);
    expect(machine.fileSystem.files().get('/store/config/consumerOffset.json')?.toString()).toMatch(/0:8/);
    await close(machine, store);
  });
});
