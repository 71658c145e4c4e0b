// CI believes reports, so what it reads out of them must never be better than what happened.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
const { countsOf } = (await import(new URL('../../scripts/suite-counts.mjs', import.meta.url).href)) as {
  countsOf: (reportFile: string, status: number | null) => Counts;
};

/** What is read out of a report with this text; undefined is no report at all. */
function read(text: string | undefined, status: number | null): Counts {
  const file = join(temporaryDirectory(), 'report.json');
  if (text !== undefined) writeFileSync(file, text);
  return countsOf(file, status);
}

const ours = (passed: number, failed: number, skipped: number): string => JSON.stringify({ passed, failed, skipped });

describe('the counts of a suite', () => {
  it("are those of vitest's report, things that are still to be done among the skipped", () => {
    const report = { numPassedTests: 7, numFailedTests: 2, numPendingTests: 3, numTodoTests: 1, numTotalTests: 13 };
    expect(read(JSON.stringify(report), 1)).toEqual({ passed: 7, failed: 2, skipped: 4 });
  });

  it('are those of a script of ours', () => {
    expect(read(ours(5, 0, 1), 0)).toEqual({ passed: 5, failed: 0, skipped: 1 });
  });

  it.each([
    ['left no report', undefined, 0],
    ['left half a report', '{"numPassedTests": 7', 0],
    ['tested nothing', ours(0, 0, 0), 0],
    ['skipped everything', ours(0, 0, 9), 0],
    ['ended badly although no test failed', ours(7, 0, 0), 1],
    ['was killed', ours(7, 0, 0), null],
  ] as const)('have a failure when the suite %s', (_what, text, status) => {
    expect(read(text, status).failed).toBe(1);
  });
});
