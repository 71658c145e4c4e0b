import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readInt64 } from '../../../src/base/int64.ts';
import { INDEX_MSG_TIMESTAMP_POSITION } from '../../../src/store/checkpoint/store-checkpoint-layout.ts';
import { HEADER_END_TIMESTAMP_POSITION } from '../../../src/store/index/index-layout.ts';
import { closedStore } from '../inspect/inspected-store.ts';

it('the checkpoint names the end of the newest full index file, for Apache to fill the index again from there', async () => {
  // Two entries a message, 399 in a file.
  const { dir } = await closedStore(100);
  const indexTimestampMs = (): number => readInt64(readFileSync(join(dir, 'checkpoint')), INDEX_MSG_TIMESTAMP_POSITION);
  expect(indexTimestampMs()).toBe(0);
  await closedStore(400, dir);
  const names = readdirSync(join(dir, 'index')).sort();
  expect(names).toHaveLength(3);
  const full = readFileSync(join(dir, 'index', names[1] as string));
  expect(indexTimestampMs()).toBe(readInt64(full, HEADER_END_TIMESTAMP_POSITION));
});
