// Everything that has to hold before a change is taken, in one run: `npm test` first, then the slower suites. Each suite leaves its
// counts in a file; a suite that leaves none has not run, and that is a failure. The last line has the sums.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const reports = mkdtempSync(join(tmpdir(), 'cometmq-ci-'));
const node = process.execPath;
const vitest = join('node_modules', 'vitest', 'vitest.mjs');

/** Reporters that print for people and leave the counts in a file. */
const reporting = (report) => ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
const vitestSuite = (name, ...args) => ({
  name,
  command: (report) => [node, [vitest, 'run', ...reporting(report), ...args]],
});

const suites = [
  { name: 'unit', command: (report) => ['npm', ['test', '--', ...reporting(report)]] },
  { name: 'lint', command: () => ['npm', ['run', '--silent', 'lint']], counts: 'status' },
  { name: 'types', command: () => ['npm', ['run', '--silent', 'typecheck']], counts: 'status' },
  {
    name: 'addon and store on Node 22, 24, 26',
    command: () => [
      node,
      ['scripts/test-node-versions.mjs', '--versions', '22,24,26', 'test/native', 'test/store'],
    ],
  },
  { name: 'addon under AddressSanitizer', command: () => [node, ['scripts/test-asan.mjs']] },
  vitestSuite('crash and fault', '--config', 'vitest.slow.config.ts'),
  vitestSuite('interop with official clients and servers', '--config', 'vitest.interop.config.ts'),
];

function countsOf(suite, report, status) {
  if (suite.counts === 'status') return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const found = JSON.parse(readFileSync(report, 'utf8'));
  const passed = found.passed ?? found.numPassedTests ?? 0;
  const failed = found.failed ?? found.numFailedTests ?? 0;
  const skipped = found.skipped ?? (found.numPendingTests ?? 0) + (found.numTodoTests ?? 0);
  // A suite whose files could not be loaded reports no failed test; its status tells.
  return { passed, failed: failed === 0 && (status !== 0 || passed === 0) ? 1 : failed, skipped };
}

const results = [];
for (const [index, suite] of suites.entries()) {
  const report = join(reports, `${index}.json`);
  const [command, args] = suite.command(report);
  console.log(`\n=== ${suite.name}`);
  const startedMs = Date.now();
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, COMETMQ_REPORT: report },
  });
  const seconds = Math.round((Date.now() - startedMs) / 1000);
  results.push({ name: suite.name, seconds, ...countsOf(suite, report, status) });
}
rmSync(reports, { recursive: true, force: true });

console.log('\npassed  failed  skipped  seconds  suite');
const cell = (value, width) => String(value).padStart(width);
for (const { name, passed, failed, skipped, seconds } of results) {
  console.log(`${cell(passed, 6)}  ${cell(failed, 6)}  ${cell(skipped, 7)}  ${cell(seconds, 7)}  ${name}`);
}
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
process.exitCode = sum('failed') === 0 ? 0 : 1;
