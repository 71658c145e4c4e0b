// Compiles the native addon straight with the C++ compiler (docs/adr/0002). Uses Node's own modules only. Does nothing
// when sources, flags, compiler and platform are those of the last build.
//   node scripts/build-native.mjs                into native/build/cometmq_native.node
//   node scripts/build-native.mjs --asan         into native/build/asan/, with AddressSanitizer
//   node scripts/build-native.mjs --if-missing   nothing when there is a binary at all (npm's install hook)
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sourceFolder = join(root, 'native');
const arguments_ = process.argv.slice(2);
const unknown = arguments_.find((argument) => argument !== '--asan' && argument !== '--if-missing');
if (unknown !== undefined) stop(`unknown argument ${unknown}; known are --asan and --if-missing`);

const withAsan = arguments_.includes('--asan');
const outputFolder = join(sourceFolder, 'build', ...(withAsan ? ['asan'] : []));
const binary = join(outputFolder, 'cometmq_native.node');
const stampFile = join(outputFolder, 'cometmq_native.stamp');

if (!(arguments_.includes('--if-missing') && existsSync(binary))) build();

function build() {
  if (process.platform !== 'linux' && process.platform !== 'darwin') {
    stop(`the native addon runs on Linux and macOS, not on ${process.platform}`);
  }
  const compiler = (process.env.CXX ?? 'c++').split(' ').filter((part) => part !== '');
  const sources = readdirSync(sourceFolder).filter((name) => /\.(cc|h)$/.test(name));
  const flags = compilerFlags();
  const stamp = stampOf(sources, [...compiler, ...flags]);
  if (existsSync(binary) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;

  mkdirSync(outputFolder, { recursive: true });
  // Compiled under another name and renamed, so that a running process never sees its binary change under it.
  const unfinished = `${binary}.${process.pid}`;
  const inputs = sources.filter((name) => name.endsWith('.cc')).map((name) => join(sourceFolder, name));
  const [command, ...prefix] = compiler;
  const result = spawnSync(command, [...prefix, ...flags, ...inputs, '-o', unfinished], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (result.error?.code === 'ENOENT') stop(compilerMissing(command));
  if (result.error !== undefined) stop(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    rmSync(unfinished, { force: true });
    stop(`${command} could not compile the native addon (its messages are above); it must know C++17`);
  }
  renameSync(unfinished, binary);
  writeFileSync(stampFile, stamp);
  console.log(`built ${binary}`);
}

function compilerFlags() {
  const flags = ['-std=c++17', '-fPIC', '-shared', '-fvisibility=hidden', '-fno-exceptions', '-pthread'];
  flags.push('-Wall', '-Wextra', '-Werror');
  if (withAsan) flags.push('-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=address', '-DNATIVE_SELF_TEST');
  else flags.push('-O2');
  if (process.platform === 'darwin') flags.push('-undefined', 'dynamic_lookup');
  // -isystem: our warnings are errors, those of the headers are not ours.
  return [...flags, '-isystem', headerFolder()];
}

function headerFolder() {
  try {
    return createRequire(import.meta.url)('node-api-headers').include_dir;
  } catch (error) {
    return stop(`the npm package node-api-headers is missing: run "npm install" (${error.code})`);
  }
}

function stampOf(sources, command) {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([process.platform, process.arch, command]));
  for (const name of sources.sort()) {
    hash.update(`\0${name}\0`);
    hash.update(readFileSync(join(sourceFolder, name)));
  }
  return hash.digest('hex');
}

function compilerMissing(command) {
  const install =
    process.platform === 'darwin'
      ? 'xcode-select --install'
      : 'apt-get install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora, RHEL), or apk add g++ (Alpine)';
  return `the C++ compiler "${command}" is missing; install one with: ${install}; or name yours in CXX`;
}

function stop(message) {
  console.error(`build-native: ${message}`);
  process.exit(1);
}
