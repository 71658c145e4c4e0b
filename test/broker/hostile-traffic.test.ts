// Hostile traffic against a whole server. Seeded: SEED and CASES repeat a run or make it longer.

import { expect, test } from 'vitest';
import { hostileTraffic } from './support/hostile-traffic.ts';

const seed = Number(process.env['SEED'] ?? 1);
const cases = Number(process.env['CASES'] ?? 10_000);

test(
  `hostile requests harm nobody else, nor the store, nor anything outside it (SEED=${seed} CASES=${cases})`,
  { timeout: 900_000 },
  async () => {
    const report = await hostileTraffic(seed, cases);
    expect(report.frames).toBeGreaterThanOrEqual(cases);
    // Most are answered, if only with a refusal; and the honest client was busy all the time.
    expect(report.answers).toBeGreaterThan(cases / 20);
    expect(report.honestMessages).toBeGreaterThan(80);
  },
);
