// The same hostile traffic for longer, and against a server whose sends wait for the disk.

import { expect, test } from 'vitest';
import { hostileTraffic } from './support/hostile-traffic.ts';

const seed = Number(process.env['SEED'] ?? 1_000);
const cases = Number(process.env['CASES'] ?? 60_000);

test.each(['ASYNC_FLUSH', 'SYNC_FLUSH'])(
  `hostile requests harm nothing under %s (SEED=${seed})`,
  async (flushDiskType) => {
    const report = await hostileTraffic(seed, cases, { flushDiskType });
    expect(report.frames).toBeGreaterThanOrEqual(cases);
    expect(report.answers).toBeGreaterThan(cases / 20);
  },
);
