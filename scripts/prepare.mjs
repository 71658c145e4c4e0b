// Runs before `npm start` and `npm test`: installs and builds what is missing or stale, and does nothing otherwise.
// Uses Node's own modules only, because nothing else is there on a fresh clone.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
// Beside node_modules, not in it: installing may remove that.
const notes = join(root, '.cache', 'prepare');
const lockFile = join(notes, 'lock');
/** npm writes it last: without it an installation was interrupted. */
const installed = join('node_modules', '.package-lock.json');

/** In this order. A step is due when its inputs are not what they were when it last succeeded, or when its output is gone. */
const steps = [
  { name: 'install', inputs: ['package.json', 'package-lock.json'], output: installed, work: install },
  {
    name: 'native',
    inputs: ['native', 'scripts/build-native.mjs'],
    output: 'native/build/cometmq_native.node',
    work: () => run('building the native addon', process.execPath, [join('scripts', 'build-native.mjs')]),
  },
  {
    name: 'build',
    inputs: ['src', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs'],
    output: 'dist/cli/cometmq.js',
    work: () => run('building', process.execPath, [join('scripts', 'build.mjs')]),
  },
];

requireNode();
// The usual case takes no lock and writes nothing.
if (steps.some(isDue)) whileNobodyElseBuilds(() => steps.filter(isDue).forEach(doStep));

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  stop(`Node ${process.versions.node} is too old; install Node 20.19 or newer (https://nodejs.org).`);
}

function isDue({ name, inputs, output }) {
  const stampPath = join(notes, name);
  const last = existsSync(stampPath) ? readFileSync(stampPath, 'utf8') : '';
  return last !== fingerprint(inputs) || !existsSync(join(root, output));
}

function doStep({ name, inputs, work }) {
  // Taken before the work, so that a file that is edited meanwhile is noticed the next time.
  const before = fingerprint(inputs);
  rmSync(join(notes, name), { force: true });
  work();
  writeFileSync(join(notes, name), before);
}

/** Changes when a file is added, removed or written. Sizes and times are enough and take a millisecond. */
function fingerprint(paths) {
  const hash = createHash('sha1').update(`${process.platform} ${process.arch}\n`);
  const visit = (path) => {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status === undefined) return;
    if (!status.isDirectory()) hash.update(`${path} ${status.size} ${status.mtimeMs}\n`);
    else for (const name of readdirSync(path).sort()) if (name !== 'build') visit(join(path, name));
  };
  for (const path of paths) visit(join(root, path));
  return hash.digest('hex');
}

/**
 * The exact versions of package-lock.json, as `npm ci` would; but that insists on entries for every platform's variant of a package,
 * and those are in the file only if they could be had where it was written. Scripts stay off: what has to be compiled is
 * compiled here, where a failure can be explained.
 */
function install() {
  // What an interrupted installation left can't be told from what is whole.
  if (!existsSync(join(root, installed))) rmSync(join(root, 'node_modules'), { recursive: true, force: true });
  rmSync(join(root, installed), { force: true });
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev'];
  run('installing packages', 'npm', args, {
    hint: 'Check the network, the registry (npm config get registry) and the room on the disk, then try again.',
  });
}

function run(step, command, args, { hint = 'The lines above say why.' } = {}) {
  process.stderr.write(`cometmq: ${step} …\n`);
  const startedMs = Date.now();
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    const why = result.error === undefined ? '' : ` (${result.error.message})`;
    stop(`${step} failed${why}. ${hint}`);
  }
  process.stderr.write(`cometmq: ${step} took ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
}

/** Two at once (`npm start` and `npm test`) take turns; the second then finds nothing to do. */
function whileNobodyElseBuilds(work) {
  mkdirSync(notes, { recursive: true });
  for (let said = false; !takeLock(); said = true) {
    if (!said) process.stderr.write('cometmq: waiting for another build of this folder to end …\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  process.on('exit', () => rmSync(lockFile, { force: true }));
  work();
}

function takeLock() {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (isHeld()) return false;
    rmSync(lockFile, { force: true });
    return takeLock();
  }
}

/** One that was killed holds nothing. An empty file is one that is just being written, unless it is old. */
function isHeld() {
  const status = statSync(lockFile, { throwIfNoEntry: false });
  if (status === undefined) return false;
  const owner = Number(readFileSync(lockFile, 'utf8'));
  if (owner === 0) return Date.now() - status.mtimeMs < 5_000;
  try {
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

function stop(sentence) {
  process.stderr.write(`cometmq: ${sentence}\n`);
  process.exit(1);
}
