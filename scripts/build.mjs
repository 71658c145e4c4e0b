// Compiles src into dist. The compiler writes beside dist, and only a whole build is carried over, file by file: an interrupted
// build changes nothing, a file whose source is gone goes too, and what did not change keeps its date.
// Uses Node's own modules and the installed TypeScript.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, '.cache');
const dist = join(root, 'dist');
const fresh = join(cache, `build-${process.pid}`);

mkdirSync(cache, { recursive: true });
removeLeftovers();
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const args = [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', fresh];
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
if (status === 0) carryOver();
rmSync(fresh, { recursive: true, force: true });
process.exitCode = status === 0 ? 0 : 1;

/** Of builds that were killed. */
function removeLeftovers() {
  for (const name of readdirSync(cache)) {
    const pid = /^build-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

function carryOver() {
  const wanted = new Set(filesBelow(fresh));
  for (const name of wanted) {
    const from = join(fresh, name);
    const to = join(dist, name);
    if (hasSameBytes(from, to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    renameSync(from, to);
  }
  for (const name of filesBelow(dist)) if (!wanted.has(name)) rmSync(join(dist, name));
  removeEmptyFolders(dist);
}

function filesBelow(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function hasSameBytes(a, b) {
  const status = statSync(b, { throwIfNoEntry: false });
  return status !== undefined && status.isFile() && readFileSync(a).equals(readFileSync(b));
}

function removeEmptyFolders(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name));
  }
  if (folder !== dist && readdirSync(folder).length === 0) rmdirSync(folder);
}
