import { expect, it } from 'vitest';
import { runSeeds, seedsToRun } from './power-cut-suite.ts';

it('keeps every promise through power cuts and kills at any operation', { timeout: 120_000 }, async () => {
  const outcome = await runSeeds(seedsToRun(40));
  expect(outcome.failures.join('\n')).toBe('');
  expect(outcome.crashCount).toBeGreaterThanOrEqual(outcome.seedCount);
});
