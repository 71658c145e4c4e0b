// A thousand simulated lives; `SEEDS=n` for more, `SEED=k` for one.

import { expect, it } from 'vitest';
import { runSeeds, seedsToRun } from './power-cut-suite.ts';

it('keeps every promise through power cuts and kills at any operation, a thousand times', async () => {
  const outcome = await runSeeds(seedsToRun(1_000));
  console.log(`${outcome.seedCount} seeds, ${outcome.crashCount} crashes, ${outcome.messageCount} messages`);
  expect(outcome.failures.join('\n')).toBe('');
});
