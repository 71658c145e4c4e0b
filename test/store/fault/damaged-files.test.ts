// Damaged files: what is only a view is built again, what was durable and is damaged stops the open, and every byte stays.

import { describe, expect, it } from 'vitest';
import type { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import { SimulatedMachine } from '../crash/simulated-machine.ts';
import {
  bodies,
  close,
  config,
  numbers,
  opened,
  present,
  put,
  putMany,
  QUEUES,
  TAIL,
} from '../crash/simulated-store.ts';

const never = { checkpointIntervalMs: 1_000_000, flushIntervalMs: 1_000_000 };
/** Where record `index` of {@link putMany} begins. */
const recordBytes = 1_000 + 91 + 'orders'.length;

function bytesOf(fileSystem: CrashableFileSystem, part: string): string {
  const files = [...fileSystem.files()].filter(([path]) => path.startsWith(`/store/${part}`));
  return files.map(([path, bytes]) => `${path} ${bytes.toString('base64')}`).join('\n');
}

/** Ten messages that were durable under SYNC_FLUSH when the process was killed. */
async function killed(count = 10): Promise<{ machine: SimulatedMachine; offsets: number[] }> {
  const before = new SimulatedMachine({ seed: 1 });
  const store = await opened(before, { ...never, flushDiskType: 'SYNC_FLUSH' });
  const offsets: number[] = [];
  for (let index = 0; index < count; index++) {
    offsets.push((await put(before, store, String(index).padEnd(1_000, '.'))).physicalOffset);
  }
  return { machine: before.next('kill'), offsets };
}

async function stopped(count = 30): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await opened(machine);
  await putMany(machine, store, count);
  await close(machine, store);
  return machine;
}

describe('the log', () => {
  it('with a flipped bit below the durable offset is refused with file and position, and keeps every byte', async () => {
    const { machine, offsets } = await killed();
    const { fileSystem } = machine;
    const position = offsets[4] as number;
    fileSystem.flipBit(TAIL, position + 200, 3);
    const parts = ['commitlog', 'consumequeue', 'index', 'config', 'checkpoint', 'cometmq/durable'];
    const before = parts.map((part) => bytesOf(fileSystem, part));
    const refused = { code: 'ERR_STORE_CORRUPT', details: { path: TAIL, position } };
    await expect(machine.run(machine.open(config))).rejects.toMatchObject(refused);
    await expect(machine.run(machine.open(config))).rejects.toMatchObject({
      message: expect.stringMatching(/store repair/) as string,
    });
    expect(parts.map((part) => bytesOf(fileSystem, part))).toEqual(before);
    fileSystem.flipBit(TAIL, position + 200, 3);
    expect(await bodies(machine, await opened(machine))).toEqual(numbers(10));
  });

  it('with a flipped bit above the durable offset is cut there', async () => {
    const before = new SimulatedMachine({ seed: 1 });
    const store = await opened(before, never);
    await putMany(before, store, 5);
    present(await before.run(store.flush()));
    await putMany(before, store, 5);
    const { physicalOffset } = await put(before, store, 'last'.padEnd(1_000, '.'));
    const machine = before.next('kill');
    machine.fileSystem.flipBit(TAIL, physicalOffset + 200, 3);
    const again = await opened(machine);
    expect(await bodies(machine, again)).toEqual([...numbers(5), ...numbers(5)]);
    expect((await put(machine, again, 'next')).physicalOffset).toBe(physicalOffset);
  });

  it.each([100, 16 * 1024 - 1, 16 * 1024 + 1])(
    'with a file of %i bytes is refused, and keeps it',
    async (sizeBytes) => {
      const { machine } = await killed();
      machine.fileSystem.truncate(TAIL, sizeBytes);
      const details = { path: TAIL, sizeBytes, expectedBytes: 16 * 1024 };
      await expect(machine.run(machine.open(config))).rejects.toMatchObject({ code: 'ERR_STORE_BAD_FILE', details });
      expect(machine.fileSystem.statusSync(TAIL)?.sizeBytes).toBe(sizeBytes);
    },
  );

  it('with a missing segment in the middle is refused with the place of the gap', async () => {
    const machine = await stopped();
    machine.fileSystem.removeSync('/store/commitlog/00000000000000016384');
    const refused = { code: 'ERR_STORE_CORRUPT', details: { physicalOffset: 16_384 } };
    await expect(machine.run(machine.open(config))).rejects.toMatchObject(refused);
  });

  it('that lost its end below the durable offset is refused', async () => {
    const { machine, offsets } = await killed();
    const { fileSystem } = machine;
    const content = fileSystem.files().get(TAIL) as Buffer;
    const zeros = Buffer.alloc(content.length - (offsets[7] as number));
    const position = offsets[7] as number;
    await machine.run(fileSystem.writeFiles([{ path: TAIL, fileSizeBytes: content.length, position, bytes: zeros }]));
    const refused = { code: 'ERR_STORE_CORRUPT', details: { path: TAIL, position } };
    await expect(machine.run(machine.open(config))).rejects.toMatchObject(refused);
  });

  it('with a damaged body that was never scanned is not served as the message', async () => {
    const machine = await stopped(5);
    machine.fileSystem.flipBit(TAIL, 2 * recordBytes + 200, 1);
    const store = await opened(machine);
    expect(await bodies(machine, store)).not.toContain(undefined);
    expect((await bodies(machine, store)).every((body) => numbers(5).includes(body))).toBe(true);
  });
});

describe('a view', () => {
  const damages: Record<string, (fileSystem: CrashableFileSystem) => void> = {
    'a queue file that is too short': (fileSystem) =>
      fileSystem.truncate(`${QUEUES}/orders/0/00000000000000000160`, 100),
    'a queue file that is too long': (fileSystem) =>
      fileSystem.truncate(`${QUEUES}/orders/0/00000000000000000000`, 161),
    'a queue file that is missing': (fileSystem) => fileSystem.removeSync(`${QUEUES}/orders/0/00000000000000000160`),
    'a queue without files': (fileSystem) => {
      for (const name of fileSystem.listSync(`${QUEUES}/orders/0`)) fileSystem.removeSync(`${QUEUES}/orders/0/${name}`);
    },
    'an index file of a wrong size': (fileSystem) => {
      for (const name of fileSystem.listSync('/store/index')) fileSystem.truncate(`/store/index/${name}`, 77);
    },
    'no queues': (fileSystem) => void fileSystem.removeTree(QUEUES),
    'no index': (fileSystem) => void fileSystem.removeTree('/store/index'),
  };
  it.each(Object.keys(damages))('with %s is built again from the log', async (name) => {
    const machine = await stopped();
    damages[name]?.(machine.fileSystem);
    await machine.pass(20);
    const store = await opened(machine);
    expect(await bodies(machine, store)).toEqual(numbers(30));
    const found = present(await machine.run(store.query('orders', 'key-3', { countMax: 4 })));
    expect(found.map(({ queueOffset }) => queueOffset)).toEqual([3]);
    await close(machine, store);
    expect(await machine.check(config, new Set())).toEqual([]);
  });
});

describe('a small file', () => {
  it('checkpoint that is missing costs time only', async () => {
    const { machine } = await killed();
    machine.fileSystem.removeSync('/store/checkpoint');
    expect(await bodies(machine, await opened(machine))).toEqual(numbers(10));
  });

  it('checkpoint that is none is refused with what to do', async () => {
    const { machine } = await killed();
    machine.fileSystem.truncate('/store/checkpoint', 5_000);
    await expect(machine.run(machine.open(config))).rejects.toMatchObject({
      code: 'ERR_STORE_BAD_FILE',
      message: expect.stringMatching(/Remove the file/) as string,
    });
    machine.fileSystem.removeSync('/store/checkpoint');
    expect(await bodies(machine, await opened(machine))).toEqual(numbers(10));
  });

  it('durable offset that is damaged is refused with what to do', async () => {
    const { machine } = await killed();
    for (const position of [8, 2_056]) machine.fileSystem.flipBit('/store/cometmq/durable-offset', position);
    await expect(machine.run(machine.open(config))).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT' });
    machine.fileSystem.removeSync('/store/cometmq/durable-offset');
    expect(await bodies(machine, await opened(machine))).toEqual(numbers(10));
  });

  it.each(['topics.json', 'consumerOffset.json'])(
    '%s that is unreadable does not matter beside the tables',
    async (name) => {
      const machine = new SimulatedMachine({ seed: 1 });
      const store = await opened(machine);
      store.commitOffset('kitchen', 'orders', 0, 3);
      await close(machine, store);
      const garbage = Buffer.from('{"no json');
      present(await machine.run(machine.fileSystem.replaceFile(`/store/config/${name}`, garbage)));
      const again = await opened(machine);
      expect(again.fetchOffset('kitchen', 'orders', 0)).toBe(3);
      await close(machine, again);
      expect(machine.fileSystem.files().get(`/store/config/${name}`)?.equals(garbage)).toBe(false);
    },
  );

  it('consumerOffset.json that is unreadable when the tables are lost too is refused by name', async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await opened(machine);
    store.commitOffset('kitchen', 'orders', 0, 3);
    await close(machine, store);
    machine.forgetState();
    for (const name of machine.fileSystem.listSync('/store/config')) {
      if (!name.startsWith('consumerOffset.json')) continue;
      present(await machine.run(machine.fileSystem.replaceFile(`/store/config/${name}`, Buffer.from('{"no json'))));
    }
    await expect(machine.run(machine.open(config))).rejects.toMatchObject({
      code: 'ERR_STORE_BAD_FILE',
      message: expect.stringMatching(/consumerOffset\.json/) as string,
    });
  });
});
