// Everything that has to hold before a change is taken, in one run: `npm test` first, then the slower suites. Each suite leaves its
// counts in a file; a suite that leaves none has not run, and that is a failure. The last line has the sums.
//   node scripts/ci.mjs [WORD ...]      only the suites whose name has one of the words

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countsOf, reportingTo } from './suite-counts.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const reports = mkdtempSync(join(tmpdir(), 'cometmq-ci-'));
const node = process.execPath;
const vitest = join('node_modules', 'vitest', 'vitest.mjs');

/** `npm test` has run under one of them. */
const otherNodes = ['20', '22', '24', '26'].filter((major) => !process.version.startsWith(`v${major}.`)).join(',');

const vitestSuite = (name, config, more = {}) => ({
  name,
  command: (report) => [node, [vitest, 'run', ...reportingTo(report), '--config', config]],
  ...more,
});
/** Passed or not: one count. */
const check = (name, script) => ({ name, command: () => ['npm', ['run', '--silent', script]], isCheck: true });

const suites = [
  { name: 'unit', command: (report) => ['npm', ['test', '--', ...reportingTo(report)]] },
  check('lint', 'lint'),
  check('types', 'typecheck'),
  {
    name: `addon and store on Node ${otherNodes}`,
    command: () => [node, ['scripts/test-node-versions.mjs', '--versions', otherNodes, 'test/native', 'test/store']],
  },
  { name: 'addon under AddressSanitizer', command: () => [node, ['scripts/test-asan.mjs']] },
  vitestSuite('crash and fault', 'vitest.slow.config.ts'),
  vitestSuite('interop with official clients, servers and mmap-io', 'vitest.interop.config.ts', {
    prepare: () => ({ COMETMQ_MMAP_IO: installMmapIo() }),
  }),
];

/** The folder that it is in now; without it the suite fails, with the installer's reason above. */
function installMmapIo() {
  const { status, stdout } = spawnSync(node, ['scripts/install-mmap-io.mjs'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) console.log('mmap-io could not be installed: its tests will fail');
  return stdout.trim();
}

function runSuite(suite, index) {
  const report = join(reports, `${index}.json`);
  const [command, args] = suite.command(report);
  console.log(`\n=== ${suite.name}`);
  const startedMs = Date.now();
  const environment = suite.prepare?.() ?? {};
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environment, COMETMQ_REPORT: report },
  });
  if (error !== undefined) console.log(`${command} could not be started: ${error.message}`);
  const seconds = Math.round((Date.now() - startedMs) / 1000);
  const passedCheck = { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  return { name: suite.name, seconds, ...(suite.isCheck ? passedCheck : countsOf(report, status)) };
}

const words = process.argv.slice(2);
const wanted = suites.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const results = wanted.map(runSuite);
rmSync(reports, { recursive: true, force: true });

console.log('\npassed  failed  skipped  seconds  suite');
const cell = (value, width) => String(value).padStart(width);
for (const { name, passed, failed, skipped, seconds } of results) {
  console.log(`${cell(passed, 6)}  ${cell(failed, 6)}  ${cell(skipped, 7)}  ${cell(seconds, 7)}  ${name}`);
}
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
process.exitCode = sum('failed') === 0 && results.length > 0 ? 0 : 1;
