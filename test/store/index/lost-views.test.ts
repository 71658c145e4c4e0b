import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStore } from '../../../src/store/open-store.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const config = {
  commitLogSegmentSizeBytes: 64 * 1024,
  consumeQueueSegmentSizeBytes: 2_000,
  indexHashSlotCount: 64,
  indexEntryCountMax: 256,
};
const host = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };

it.each(['index', 'consumequeue'])('a store that lost %s builds it again from the log', async (lost) => {
  const dir = temporaryDirectory();
  const first = await openStore({ dir, config });
  for (let n = 0; n < 300; n++) {
    await first.put({
      topic: 'Orders',
      queueId: 0,
      flag: 0,
      sysFlag: 0,
      bornTimestampMs: 1_763_800_000_000,
      bornHost: host,
      storeHost: host,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
      body: Buffer.from(`body ${n}`),
      properties: `KEYS\u0001key-${n}\u0002`,
    });
  }
  await first.close();
  rmSync(join(dir, lost), { recursive: true });
  const second = await openStore({ dir, config });
  expect(second.maxOffset('Orders', 0)).toBe(300);
  const found = await second.query('Orders', 'key-7', { countMax: 10 });
  expect(found.map(({ queueOffset, body }) => [queueOffset, Buffer.from(body).toString()])).toEqual([[7, 'body 7']]);
  await second.close();
});
