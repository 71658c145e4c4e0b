// Installs the optional package mmap-io into the cache folder and compiles it for the Node that runs this. Uses Node's own
// modules only; npm and a C++20 compiler must be there. Its own installer would ask GitHub for a binary that does not
// exist, and would compile for C++17, which the headers of Node 24 and later refuse.
//   node scripts/install-mmap-io.mjs       prints the folder, for COMETMQ_MMAP_IO
// COMETMQ_CACHE: the cache folder (default .cache). COMETMQ_NODE_HEADERS: the folder with node.h, when it is in no usual place.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = { '@riaskov/mmap-io': '1.4.3', nan: '2.30.0' };

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(process.env.COMETMQ_CACHE ?? join(root, '.cache'), 'mmap-io');
const packageFolder = join(folder, 'node_modules', '@riaskov', 'mmap-io');
// Where the package looks for its binary.
const target = `node-v${process.versions.modules}-${process.platform}-${process.arch}`;
const binary = join(packageFolder, 'build', 'binding', 'Release', target, 'mmap_io.node');

if (!isInstalled()) install();
if (!existsSync(binary)) compile();
process.stdout.write(`${folder}\n`);

function isInstalled() {
  return Object.entries(PACKAGES).every(([name, version]) => {
    const manifest = join(folder, 'node_modules', name, 'package.json');
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version;
  });
}

function install() {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ private: true, dependencies: PACKAGES })}\n`);
  // Scripts stay off: the package's own installer is what this one replaces.
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']);
}

function compile() {
  const compiler = (process.env.CXX ?? 'c++').split(' ').filter((part) => part !== '');
  const flags = ['-std=c++20', '-O2', '-fPIC', '-fno-rtti', '-fno-exceptions', '-w'];
  const definitions = ['-DNODE_GYP_MODULE_NAME=mmap_io', '-DBUILDING_NODE_EXTENSION'];
  const includes = [`-I${findHeaders()}`, `-I${join(folder, 'node_modules', 'nan')}`];
  const link = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
  mkdirSync(dirname(binary), { recursive: true });
  const unfinished = `${binary}.${process.pid}`;
  const source = join(packageFolder, 'src', 'mmap-io.cc');
  run(compiler[0], [...compiler.slice(1), ...flags, ...definitions, ...includes, ...link, source, '-o', unfinished]);
  renameSync(unfinished, binary);
}

/** Beside this Node (its archive, npm's `node` package), else the system's, if they are of the same version. */
function findHeaders() {
  const candidates = [
    process.env.COMETMQ_NODE_HEADERS,
    ...besideThisNode(),
    '/usr/include/node',
    '/usr/local/include/node',
  ].filter((candidate) => candidate !== undefined);
  const found = candidates.find((candidate) => headersVersion(candidate) === process.versions.modules);
  if (found !== undefined) return found;
  return stop(
    `no headers of Node ${process.version} in ${candidates.join(', ')}; set COMETMQ_NODE_HEADERS to the folder with node.h`,
  );
}

/** Node's archive has `include` beside `bin`; npm's package `node` has the executable in one package and the archive in another. */
function besideThisNode() {
  const packageName = `node-${process.platform}-${process.arch}`;
  const prefix = join(dirname(process.execPath), '..');
  const prefixes = [prefix, join(prefix, 'node_modules', packageName), join(prefix, '..', packageName)];
  return prefixes.map((each) => join(each, 'include', 'node'));
}

function headersVersion(candidate) {
  const file = join(candidate, 'node_version.h');
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  return /#define NODE_MODULE_VERSION (\d+)/.exec(text)?.[1];
}

function run(command, arguments_) {
  const result = spawnSync(command, arguments_, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.error !== undefined) stop(`can't run ${command}: ${result.error.message}; install it and try again`);
  if (result.status !== 0) stop(`${command} failed:\n${result.stdout}${result.stderr}`);
}

function stop(message) {
  process.stderr.write(`install-mmap-io: ${message}\n`);
  process.exit(1);
}
