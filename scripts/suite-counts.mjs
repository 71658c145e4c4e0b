// What came out of a test run, read from the report it left: vitest's JSON, or { passed, failed, skipped } of a script of ours.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/**
 * A run that left no report, tested nothing or ended badly without a failed test (its files could not be loaded, it was killed) did
 * not do what it was for: that counts as one failure.
 */
export function countsOf(reportFile, status) {
  const { passed, failed, skipped } = readReport(reportFile);
  return { passed, failed: failed === 0 && (status !== 0 || passed === 0) ? 1 : failed, skipped };
}

function readReport(reportFile) {
  if (!existsSync(reportFile)) return { passed: 0, failed: 0, skipped: 0 };
  let found;
  try {
    found = JSON.parse(readFileSync(reportFile, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }; // cut off while it was written
  }
  return {
    passed: found.passed ?? found.numPassedTests ?? 0,
    failed: found.failed ?? found.numFailedTests ?? 0,
    skipped: found.skipped ?? (found.numPendingTests ?? 0) + (found.numTodoTests ?? 0),
  };
}

/** Leaves the counts where CI looks for them. */
export function writeCounts({ passed, failed, skipped }) {
  const reportFile = process.env.COMETMQ_REPORT;
  if (reportFile !== undefined) writeFileSync(reportFile, `${JSON.stringify({ passed, failed, skipped })}\n`);
}

/** Arguments that let vitest print for people and leave its counts in a file. */
export function reportingTo(reportFile) {
  return ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
}
