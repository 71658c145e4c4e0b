// A real disk that is full: a small tmpfs, mapped files, LMDB. The process must live, say what is missing, and go on by itself. Needs root.

import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createMessage } from '../../../src/store/create-message.ts';
import { findViolations } from '../../../src/store/inspect/check-store.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { canMountTmpfs, mountTmpfs } from '../../native/support/scratch.ts';
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts';

const MIB = 1 << 20;
const CYCLES = 4;
const parent = makeTemporaryDirectory();
afterAll(() => parent.remove());

const config = {
  commitLogSegmentSizeBytes: MIB,
  consumeQueueSegmentSizeBytes: 20_000,
  indexHashSlotCount: 1_000,
  indexEntryCountMax: 4_000,
  checkpointIntervalMs: 50,
  offsetExportIntervalMs: 100,
  diskMaxUsedPercent: 100,
  diskCleanForciblyPercent: 100,
  diskWarningPercent: 100,
} as const;

/** Takes all that is left of the disk. */
function fill(disk: string): string {
  const { bavail, bsize } = statfsSync(disk);
  const path = join(disk, 'filler');
  writeFileSync(path, Buffer.alloc(Math.max(0, (bavail - 4) * bsize)));
  return path;
}

async function countOf(store: MessageStore): Promise<number> {
  let count = 0;
  for (let queueId = 0; queueId < 4; queueId++) {
    for await (const { queueOffset } of store.iterate('orders', queueId)) {
      expect(queueOffset).toBeGreaterThanOrEqual(0);
      count++;
    }
  }
  return count;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error('the condition did not come true in 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

it.skipIf(!canMountTmpfs(parent.path)).each(['SYNC_FLUSH', 'ASYNC_FLUSH'] as const)(
  `refuses writes, reads on and goes on by itself, again and again, under %s`,
  async (flushDiskType) => {
    const disk = mountTmpfs(parent.path, 32 * MIB);
    const dir = join(disk, 'store');
    const fatal: Error[] = [];
    const options = { dir, config: { ...config, flushDiskType }, onFatal: (error: Error) => void fatal.push(error) };
    let store = await openStore(options);
    let stored = 0;
    const put = async (): Promise<string | undefined> => {
      const body = 'x'.repeat(1 + ((stored * 977) % 3_000));
      const message = { topic: 'orders', queueId: stored % 4, body, keys: [`key-${stored}`] };
      const result = await store.put(createMessage(message));
      if (result.status === 'PUT_OK') stored++;
      return result.status === 'PUT_OK' ? undefined : 'reason' in result ? result.reason : result.status;
    };
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const filler = fill(disk);
      let reason: string | undefined;
      for (let tries = 0; tries < 20_000 && reason === undefined; tries++) {
        reason = await put();
        store.commitOffset('kitchen', 'orders', 0, stored);
        if (tries % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(reason).toMatch(new RegExp(`${dir}/.*disk is full|disk is full.*${dir}/`));
      expect(await countOf(store)).toBe(stored);
      expect(store.fetchOffset('kitchen', 'orders', 0)).toBeGreaterThan(0);
      rmSync(filler);
      await until(async () => (await put()) === undefined);
      expect(fatal).toEqual([]);
      if (cycle % 3 === 2) {
        await store.close();
        store = await openStore(options);
        expect(await countOf(store)).toBe(stored);
      }
    }
    await store.close();
    expect(await findViolations({ dir, strict: true })).toEqual([]);
  },
);
