// What the crash suite once found, one by one, each in the smallest story that shows it.

import { describe, expect, it } from 'vitest';
import { segmentName } from '../../../src/store/mapped-file/segment-names.ts';
import { SimulatedMachine, type CrashKind } from './simulated-machine.ts';
import { bodies, close, config, numbers, opened, present, put, putMany, QUEUES, TAIL } from './simulated-store.ts';

const seeds = Array.from({ length: 25 }, (_, index) => index + 1);
const kinds: readonly CrashKind[] = ['power', 'kill'];

/** As after a crash of somebody who keeps no durable offset, before the first checkpoint. */
async function forgetWhatIsDurable({ fileSystem }: SimulatedMachine): Promise<void> {
  for (const file of ['checkpoint', 'cometmq/durable-offset']) await fileSystem.remove(`/store/${file}`);
}

/** The next machine, after an open without anything known to be durable that was cut short at its n-th operation. */
async function cutShort(killed: SimulatedMachine, at: number, how: CrashKind): Promise<SimulatedMachine> {
  await forgetWhatIsDurable(killed);
  const { fileSystem } = killed;
  fileSystem.crashAt(fileSystem.operationCount + at, how);
  await killed.run(killed.open(config));
  return killed.next(how);
}

describe('a deleted topic', () => {
  it('stays deleted when the consume queues are built again from the log', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine);
    await putMany(machine, store, 5);
    await putMany(machine, store, 3, 'kept');
    present(await machine.run(store.deleteTopic('orders')));
    await close(machine, store);
    present(await machine.run(machine.fileSystem.removeTree(QUEUES)));
    const again = await opened(machine);
    expect(again.maxOffset('orders', 0)).toBe(0);
    expect(await bodies(machine, again, 'kept')).toEqual(numbers(3));
  });

  it.each(kinds)('that is used again has its new messages only, after a crash (%s)', async (how) => {
    for (const seed of seeds) {
      const machine = new SimulatedMachine({ seed });
      const store = await opened(machine, { flushDiskType: 'SYNC_FLUSH' });
      await putMany(machine, store, 12);
      present(await machine.run(store.deleteTopic('orders')));
      expect((await put(machine, store, 'new')).queueOffset).toBe(0);
      const next = machine.next(how);
      expect(await bodies(next, await opened(next))).toEqual(['new']);
    }
  });

  it('that was used again is told by the log when nothing else remembers the deletion', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine);
    await putMany(machine, store, 12);
    present(await machine.run(store.deleteTopic('orders')));
    await putMany(machine, store, 3);
    await close(machine, store);
    present(await machine.run(machine.fileSystem.removeTree(QUEUES)));
    machine.forgetState();
    expect(await bodies(machine, await opened(machine))).toEqual(numbers(3));
  });

  it('is one whose records may be lost in a power cut, and the next ones there are not taken for them', async () => {
    for (const seed of seeds) {
      const machine = new SimulatedMachine({ seed });
      const store = await opened(machine, { flushIntervalMs: 1_000_000, checkpointIntervalMs: 1_000_000 });
      await putMany(machine, store, 8);
      present(await machine.run(store.deleteTopic('orders')));
      const second = machine.next('power');
      const again = await opened(second);
      await put(second, again, 'new');
      const third = second.next('kill');
      expect(await bodies(third, await opened(third))).toEqual(['new']);
    }
  });
});

describe('recovery', () => {
  it('that is cut short at any operation while it builds lost queues again goes on the next time', async () => {
    for (let at = 1; at < 130; at += 3) {
      const machine = new SimulatedMachine({ seed: at });
      const store = await opened(machine);
      await putMany(machine, store, 30);
      await close(machine, store);
      present(await machine.run(machine.fileSystem.removeTree(QUEUES)));
      const { fileSystem } = machine;
      fileSystem.crashAt(fileSystem.operationCount + at, 'kill');
      await machine.run(machine.open(config));
      const next = machine.next('kill');
      const again = await opened(next);
      expect({ at, max: again.maxOffset('orders', 0) }).toEqual({ at, max: 30 });
      expect(await bodies(next, again)).toEqual(numbers(30));
    }
  });

  it.each(kinds)('that knows of nothing durable is cut short at any operation and goes on (%s)', async (how) => {
    for (let at = 1; at < 130; at += 3) {
      const machine = new SimulatedMachine({ seed: at });
      await putMany(machine, await opened(machine, { flushDiskType: 'SYNC_FLUSH' }), 30);
      const killed = machine.next('kill');
      const next = await cutShort(killed, at, how);
      const again = await opened(next);
      expect({ at, max: again.maxOffset('orders', 0) }).toEqual({ at, max: 30 });
      expect(await bodies(next, again)).toEqual(numbers(30));
      expect(await next.run(again.query('orders', 'none', { countMax: 1 }))).toEqual([]);
    }
  });

  it('that knows of nothing durable ends before the first bad record, and stays there', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine);
    await putMany(machine, store, 20);
    const bad = await put(machine, store, 'bad');
    await putMany(machine, store, 5);
    const killed = machine.next('kill');
    await forgetWhatIsDurable(killed);
    const position = bad.physicalOffset % config.commitLogSegmentSizeBytes;
    const segment = `/store/commitlog/${segmentName(bad.physicalOffset - position)}`;
    killed.fileSystem.flipBit(segment, position + 90);
    const again = await opened(killed);
    expect(await bodies(killed, again)).toEqual(numbers(20));
    expect((await put(killed, again, '20')).physicalOffset).toBe(bad.physicalOffset);
    const last = killed.next('kill');
    expect(await bodies(last, await opened(last))).toEqual(numbers(21));
  });

  it.each(kinds)(
    'that knows of nothing durable gives up a queue only for a record that is on disk (%s)',
    async (how) => {
      for (let at = 1; at < 100; at += 3) {
        const machine = new SimulatedMachine({ seed: at });
        const store = await opened(machine, { flushIntervalMs: 1_000_000, checkpointIntervalMs: 1_000_000 });
        await putMany(machine, store, 12);
        present(await machine.run(store.deleteTopic('orders')));
        await putMany(machine, store, 3);
        const killed = machine.next('kill');
        killed.forgetState();
        const next = await cutShort(killed, at, how);
        const again = await opened(next);
        const found = await bodies(next, again);
        // A power cut may take records that nobody synced: then the log tells of the topic as it was before.
        expect([3, ...(how === 'power' ? Array.from({ length: 13 }, (_, count) => count) : [])]).toContain(
          found.length,
        );
        expect(found).toEqual(numbers(found.length));
      }
    },
  );

  it('finds all but the last segment whole, whatever a power cut left of the files', async () => {
    for (const seed of seeds) {
      const machine = new SimulatedMachine({ seed });
      const store = await opened(machine, { flushIntervalMs: 1_000_000, checkpointIntervalMs: 1_000_000 });
      await putMany(machine, store, 60);
      const next = machine.next('power');
      const again = await opened(next);
      const found = await bodies(next, again);
      expect(found).toEqual(numbers(found.length));
    }
  });

  it('reserves the blocks of a tail that somebody else made sparse, before it is written', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine);
    await putMany(machine, store, 3);
    await close(machine, store);
    const { fileSystem } = machine;
    const content = fileSystem.files().get(TAIL) as Buffer;
    fileSystem.removeSync(TAIL);
    const written = content.subarray(0, 4_096);
    await machine.run(
      fileSystem.writeFiles([{ path: TAIL, fileSizeBytes: content.length, position: 0, bytes: written }]),
    );
    present(await machine.run(fileSystem.remove('/store/cometmq/durable-offset')));
    fileSystem.setCapacity(fileSystem.usedBytes);
    await expect(machine.run(machine.open(config))).rejects.toMatchObject({ code: 'ERR_FS_NO_SPACE' });
    fileSystem.setCapacity(undefined);
    expect(await bodies(machine, await opened(machine))).toEqual(numbers(3));
  });
});

describe('retention', () => {
  it.each(kinds)(
    'removes nothing that no view has on disk: no offset is used twice after a crash (%s)',
    async (how) => {
      for (const seed of seeds) {
        const machine = new SimulatedMachine({ seed });
        const hours = Array.from({ length: 24 }, (_, hour) => hour);
        const store = await opened(machine, {
          fileReservedMs: 1,
          deleteWhenHours: hours,
          checkpointIntervalMs: 1_000_000,
          cleanIntervalMs: 1_000_000,
        });
        await putMany(machine, store, 40);
        await machine.pass(20);
        expect(present(await machine.run(store.deleteExpired()))).toBeGreaterThan(0);
        const next = machine.next(how);
        const again = await opened(next);
        const newest = await put(next, again, 'new');
        expect(newest.queueOffset).toBeGreaterThanOrEqual(how === 'kill' ? 40 : 30);
        expect(again.minOffset('orders', 0)).toBeGreaterThan(0);
        expect((await bodies(next, again)).length).toBe(newest.queueOffset + 1 - again.minOffset('orders', 0));
      }
    },
  );
});
