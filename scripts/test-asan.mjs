// Builds the addon with AddressSanitizer and runs the native tests over it; any report fails. Node's own modules only.
//   node scripts/test-asan.mjs [folder ...]      folders default to test/native
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countsOf, reportingTo, writeCounts } from './suite-counts.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
if (process.platform !== 'linux') stop('AddressSanitizer is preloaded into Node on Linux only');

const build = spawnSync(process.execPath, [join(root, 'scripts', 'build-native.mjs'), '--asan'], { stdio: 'inherit' });
if (build.status !== 0) process.exit(1);

const addon = join(root, 'native', 'build', 'asan', 'cometmq_native.node');
const reports = mkdtempSync(join(tmpdir(), 'cometmq-asan-'));
const environment = {
  ...process.env,
  COMETMQ_NATIVE: addon,
  LD_PRELOAD: runtimeLibrary(),
  // Node leaves memory to the end of the process on purpose, hence no leak detection.
  ASAN_OPTIONS: `detect_leaks=0:abort_on_error=1:log_path=${join(reports, 'report')}`,
};

proveThatItBites();
const folders = process.argv.length > 2 ? process.argv.slice(2) : ['test/native'];
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const countsFile = `${reports}.json`;
const run = spawnSync(process.execPath, [vitest, 'run', '--pool=forks', ...reportingTo(countsFile), ...folders], {
  cwd: root,
  stdio: 'inherit',
  env: environment,
});
const found = takeReports();
const counts = countsOf(countsFile, run.status);
writeCounts({ ...counts, failed: counts.failed + found.length });
rmSync(reports, { recursive: true, force: true });
rmSync(countsFile, { force: true });
for (const report of found) console.error(report);
console.log(`AddressSanitizer: ${found.length} reports`);
process.exit(run.status === 0 && found.length === 0 ? 0 : 1);

/** The addon's one deliberate error has to be reported, or a clean run would mean nothing. */
function proveThatItBites() {
  const code = 'require(process.env.COMETMQ_NATIVE).readPastTheEnd()';
  spawnSync(process.execPath, ['-e', code], { env: environment, stdio: 'ignore' });
  if (!takeReports().some((report) => report.includes('heap-buffer-overflow'))) {
    stop('AddressSanitizer did not report a deliberate read past the end; the run would prove nothing');
  }
}

function takeReports() {
  return readdirSync(reports).map((name) => {
    const text = readFileSync(join(reports, name), 'utf8');
    rmSync(join(reports, name));
    return text;
  });
}

function runtimeLibrary() {
  const compiler = (process.env.CXX ?? 'c++').split(' ').filter((part) => part !== '');
  const [command, ...prefix] = compiler;
  const asked = spawnSync(command, [...prefix, '-print-file-name=libasan.so'], { encoding: 'utf8' });
  const library = (asked.stdout ?? '').trim();
  if (!existsSync(library)) stop('libasan is missing; install it with the compiler (Debian: apt-get install libasan8)');
  return library;
}

function stop(message) {
  console.error(`test-asan: ${message}`);
  process.exit(1);
}
