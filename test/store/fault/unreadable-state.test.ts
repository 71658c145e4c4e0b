// LMDB's files on a real disk: unreadable ones are kept aside, and the tables come from Apache's files.

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createMessage } from '../../../src/store/create-message.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts';

const config = {
  commitLogSegmentSizeBytes: 1024 * 1024,
  consumeQueueSegmentSizeBytes: 2_000,
  indexHashSlotCount: 1_000,
  indexEntryCountMax: 4_000,
};
let directory: TemporaryDirectory;
beforeEach(() => {
  directory = makeTemporaryDirectory();
});
afterEach(() => directory.remove());

it('an unreadable key-value store is kept aside, and topics, offsets and messages are there', async () => {
  const dir = directory.path;
  const store = await openStore({ dir, config });
  await store.put(createMessage({ topic: 'orders', body: 'x' }));
  store.commitOffset('kitchen', 'orders', 0, 1);
  await store.close();
  const data = join(dir, 'cometmq/state/data.mdb');
  expect(existsSync(data)).toBe(true);
  writeFileSync(data, Buffer.alloc(40_960, 'garbage '));
  const again = await openStore({ dir, config });
  expect(again.fetchOffset('kitchen', 'orders', 0)).toBe(1);
  expect(again.maxOffset('orders', 0)).toBe(1);
  expect(readdirSync(join(dir, 'cometmq/quarantine')).length).toBeGreaterThan(0);
  await again.close();
});
