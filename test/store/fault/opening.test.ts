// An open that fails leaves nothing behind, and a close ends everything that waits.

import { describe, expect, it } from 'vitest';
import { createMessage } from '../../../src/store/create-message.ts';
import type { FileSystem } from '../../../src/store/file-system.ts';
import { fileSystemProblem } from '../../../src/store/file-system-problems.ts';
import { StoreError } from '../../../src/store/store-errors.ts';
import type { OperationKind } from '../../support/crashable-file-system.ts';
import { SimulatedMachine } from '../crash/simulated-machine.ts';
import { bodies, close, config, numbers, opened, put, putMany } from '../crash/simulated-store.ts';

const kinds: readonly OperationKind[] = [
  'openRegion',
  'readFile',
  'readFileAt',
  'replaceFile',
  'writeFiles',
  'region.sync',
  'region.readAt',
  'region.zeroRange',
  'syncAll',
  'makeDirectory',
  'list',
  'status',
  'spaceOf',
];

describe('an open', () => {
  it.each(kinds)('at which %s fails gives the directory back, and the next one finds everything', async (kind) => {
    let failedCount = 0;
    for (let nth = 1; nth <= 8; nth++) {
      const before = new SimulatedMachine({ seed: nth });
      const first = await opened(before, { flushDiskType: 'SYNC_FLUSH', checkpointIntervalMs: 20 });
      await putMany(before, first, 12);
      await before.pass(100);
      for (let number = 12; number < 20; number++) await put(before, first, String(number));
      const machine = before.next('kill');
      machine.fileSystem.failNth(kind, nth, 'EIO');
      const hasFailed = await machine.run(machine.open(config)).then(
        () => false,
        (error: unknown) => {
          expect(String(error)).toMatch(/EIO|I\/O|input\/output|could not|failed/i);
          return true;
        },
      );
      if (!hasFailed) continue;
      failedCount++;
      machine.fileSystem.endFailures();
      const store = await opened(machine);
      expect(await bodies(machine, store)).toEqual(numbers(20));
    }
    expect(failedCount).toBeGreaterThanOrEqual(kind === 'writeFiles' || kind === 'region.zeroRange' ? 0 : 1);
  });

  it('of a directory that another process owns names it and changes nothing', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    machine.fileSystem.makeDirectorySync('/store');
    const lock = machine.fileSystem.lockByStranger('/store/lock', '4711\n');
    await expect(machine.run(machine.open(config))).rejects.toMatchObject({
      code: 'ERR_STORE_LOCKED',
      message: expect.stringContaining('4711') as string,
    });
    expect([...machine.fileSystem.files().keys()]).toEqual(['/store/lock']);
    lock.release();
    await opened(machine);
  });

  it('on a disk that cannot preallocate is refused in one sentence', async () => {
    const wrap = (fileSystem: FileSystem): FileSystem =>
      new Proxy(fileSystem, {
        get(target, name) {
          const value = Reflect.get(target, name, target) as unknown;
          if (name === 'openRegion') {
            return (path: string, options: Parameters<FileSystem['openRegion']>[1]) =>
              options.mode === 'create'
                ? Promise.reject(fileSystemProblem('EOPNOTSUPP', { doing: 'create', path }))
                : target.openRegion(path, options);
          }
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    const machine = new SimulatedMachine({ seed: 1, wrap });
    await expect(machine.run(machine.open(config))).rejects.toMatchObject({ code: 'ERR_FS_CANNOT_PREALLOCATE' });
    // The directory is free again: the next one meets the same disk, not a lock.
    await expect(machine.run(machine.open(config))).rejects.toMatchObject({ code: 'ERR_FS_CANNOT_PREALLOCATE' });
  });
});

describe('a close', () => {
  it('while puts wait for room answers each of them, and loses none that was acknowledged', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine);
    machine.fileSystem.hold('openRegion');
    const results = Array.from({ length: 60 }, (_, index) =>
      Promise.resolve(store.put(createMessage({ topic: 'orders', body: `${index}`.padEnd(1_000, '.') }))),
    );
    await machine.pass(20);
    expect(store.stats().waitingPuts).toBeGreaterThan(0);
    const closing = store.close();
    machine.fileSystem.release('openRegion');
    await machine.run(closing);
    const outcomes = (await Promise.all(results)).map(({ status }) => status);
    const stored = outcomes.filter((status) => status === 'PUT_OK').length;
    expect(new Set(outcomes.slice(stored))).toEqual(new Set(['SERVICE_NOT_AVAILABLE']));
    expect(await bodies(machine, await opened(machine))).toEqual(numbers(stored));
  });

  it('at which the state tables fail still gives the directory back and tells of it', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine);
    await putMany(machine, store, 5);
    machine.refuseState(new StoreError('ERR_STORE_FENCED', 'The key-value store is gone.'));
    store.commitOffset('kitchen', 'orders', 0, 1);
    await expect(machine.run(store.close())).rejects.toMatchObject({ code: 'ERR_STORE_FENCED' });
    machine.refuseState(undefined);
    const again = await opened(machine);
    expect(await bodies(machine, again)).toEqual(numbers(5));
    await close(machine, again);
  });
});
