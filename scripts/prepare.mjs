// Runs before `npm start` and `npm test`: installs and builds what is missing or stale, and does nothing otherwise.
// Uses Node's own modules only, because nothing else is there on a fresh clone.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stampDirectory = join(root, 'node_modules', '.cometmq');

/** Changes when a file is added, removed or written. Sizes and times are enough and take a millisecond. */
function fingerprint(paths) {
  const hash = createHash('sha1').update(process.versions.modules);
  const visit = (path) => {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status === undefined) return hash.update(`${path} missing\n`);
    if (!status.isDirectory()) return hash.update(`${path} ${status.size} ${status.mtimeMs}\n`);
    for (const name of readdirSync(path).sort()) if (name !== 'build') visit(join(path, name));
  };
  for (const path of paths) visit(join(root, path));
  return hash.digest('hex');
}

function run(step, command, args) {
  process.stderr.write(`cometmq: ${step} …\n`);
  const startedMs = Date.now();
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}\n`);
    process.stderr.write(`cometmq: ${step} failed; the lines above say why.\n`);
    process.exit(1);
  }
  process.stderr.write(`cometmq: ${step} took ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
}

/** Runs `work` unless its inputs are what they were when it last succeeded and its output is there. */
function when(name, inputs, output, work) {
  const stampPath = join(stampDirectory, name);
  const now = fingerprint(inputs);
  const last = existsSync(stampPath) ? readFileSync(stampPath, 'utf8') : '';
  if (last === now && existsSync(join(root, output))) return;
  work();
  mkdirSync(stampDirectory, { recursive: true });
  writeFileSync(stampPath, fingerprint(inputs));
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  process.stderr.write(`cometmq: Node ${process.versions.node} is too old; install Node 20.19 or newer.\n`);
  process.exit(1);
}

requireNode();
// `npm ci` takes its own scripts' word for nothing: what has to be compiled is compiled below, where a failure can be explained.
when('install', ['package.json', 'package-lock.json'], 'node_modules/lmdb', () =>
  run('installing packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']),
);
when('native', ['native', 'scripts/build-native.mjs'], 'native/build/cometmq_native.node', () =>
  run('building the native addon', process.execPath, [join('scripts', 'build-native.mjs')]),
);
when('build', ['src', 'tsconfig.json', 'tsconfig.build.json'], 'dist/cli/cometmq.js', () =>
  run('building', process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json']),
);
