// Runs many seeds and says, for each that fails, what is wrong and the one command that repeats it.

import { runSeed, type RunOptions } from './power-cut-run.ts';

const FAILURES_SHOWN = 5;
const VIOLATIONS_SHOWN = 4;

export interface SuiteOutcome {
  readonly seedCount: number;
  readonly crashCount: number;
  readonly messageCount: number;
  /** One text a failed seed. */
  readonly failures: readonly string[];
}

/** The seeds that the environment asks for (`SEED=k` one, `SEEDS=n` the first n), else the first `seedCount`. */
export function seedsToRun(seedCount: number): number[] {
  const only = Number(process.env['SEED'] ?? Number.NaN);
  if (!Number.isNaN(only)) return [only];
  return Array.from({ length: Number(process.env['SEEDS'] ?? seedCount) }, (_, index) => index + 1);
}

export async function runSeeds(
  seeds: readonly number[],
  options: Omit<RunOptions, 'seed'> & { readonly stopAfterFailures?: number } = {},
): Promise<SuiteOutcome> {
  const failures: string[] = [];
  let seedCount = 0;
  let crashCount = 0;
  let messageCount = 0;
  for (const seed of seeds) {
    const outcome = await runSeed({ ...options, seed });
    seedCount++;
    crashCount += outcome.crashCount;
    messageCount += outcome.messageCount;
    if (outcome.violations.length > 0) failures.push(describeFailure(seed, outcome.violations));
    if (failures.length >= (options.stopAfterFailures ?? FAILURES_SHOWN)) break;
  }
  return { seedCount, crashCount, messageCount, failures };
}

function describeFailure(seed: number, violations: readonly string[]): string {
  const shown = violations.slice(0, VIOLATIONS_SHOWN).map((violation) => `  ${violation}`);
  const command = `SEED=${seed} npx vitest run test/store/crash/power-cut.test.ts`;
  return [`seed ${seed}: ${violations.length} violations; repeat with: ${command}`, ...shown].join('\n');
}
