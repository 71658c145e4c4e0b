// Runs test folders under several Node versions. npm's own package `node` brings each version into the cache folder
// (.cache, or COMETMQ_CACHE); the addon is not rebuilt, because one binary has to serve them all. Node's own modules only.
//   node scripts/test-node-versions.mjs [--versions 20,22,24,26] [folder ...]      folders default to test/native
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countsOf, reportingTo, writeCounts } from './suite-counts.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = resolve(process.env.COMETMQ_CACHE ?? join(root, '.cache'), 'node');
const { versions, folders } = readArguments(process.argv.slice(2));

const results = versions.map((version) => runUnder(version));
console.log('\nNode      passed  failed  skipped');
for (const result of results) console.log(row(result.name, result));
const total = { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
console.log(row('all', total));
writeCounts(total);
const broken = results.filter((result) => result.failed > 0);
for (const result of broken)
  console.error(`test-node-versions: not clean under ${result.name} (status ${result.status})`);
process.exit(broken.length === 0 ? 0 : 1);

function readArguments(given) {
  let versions = ['20', '22', '24', '26'];
  const at = given.indexOf('--versions');
  if (at >= 0) versions = (given.splice(at, 2)[1] ?? '').split(',').filter((version) => /^\d+$/.test(version));
  if (versions.length === 0 || given.some((folder) => folder.startsWith('-'))) {
    stop('usage: node scripts/test-node-versions.mjs [--versions 20,22,24,26] [folder ...]');
  }
  return { versions, folders: given.length > 0 ? given : ['test/native'] };
}

function runUnder(version) {
  const node = nodeBinary(version);
  const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\n== Node ${name}: ${folders.join(' ')}`);
  const report = join(cache, `report-${version}.json`);
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const { status, signal } = spawnSync(node, [vitest, 'run', ...reportingTo(report), ...folders], {
    cwd: root,
    stdio: 'inherit',
  });
  return { name, status: status ?? signal, ...countsOf(report, status) };
}

/** The binary of a major version: this process's own when it fits, otherwise from npm. */
function nodeBinary(version) {
  if (process.version.startsWith(`v${version}.`)) return process.execPath;
  const folder = join(cache, version);
  const found = findBinary(folder);
  if (found !== undefined) return found;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  console.log(`fetching node@${version} from the npm registry`);
  const npm = ['install', '--no-audit', '--no-fund', '--no-save', `node@${version}`];
  const { status } = spawnSync('npm', npm, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return findBinary(folder) ?? stop(`npm brought no node@${version} (status ${status})`);
}

// The package's install script puts the binary of this platform below it.
function findBinary(folder) {
  const packageFolder = join(folder, 'node_modules', 'node');
  const platformFolder = join(packageFolder, 'node_modules', `node-${process.platform}-${process.arch}`);
  return [join(packageFolder, 'bin', 'node'), join(platformFolder, 'bin', 'node')].find((file) => existsSync(file));
}

function sum(field) {
  return results.reduce((total, result) => total + result[field], 0);
}

function row(name, counts) {
  const columns = [counts.passed, counts.failed, counts.skipped].map((count) => String(count).padStart(8));
  return `${name.padEnd(9)}${columns.join('')}`;
}

function stop(message) {
  console.error(`test-node-versions: ${message}`);
  process.exit(1);
}
