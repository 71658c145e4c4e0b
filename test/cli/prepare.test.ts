// What `npm start` and `npm test` do first, on a clone of a small stand-in for this repository: npm and the C++ compiler are
// scripts that take no time, everything else is the real thing.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = resolve(import.meta.dirname, '../..');

const COMMAND = `import { word } from '../word.ts';
declare const console: { log(text: string): void };
console.log(word);
`;

let clone: string;
let programs: string;

beforeEach(() => {
  clone = temporaryDirectory();
  programs = join(clone, 'programs');
  for (const folder of ['scripts', 'native', 'src/cli', 'programs'])
    mkdirSync(join(clone, folder), { recursive: true });
  for (const name of ['prepare.mjs', 'build.mjs', 'build-native.mjs']) {
    cpSync(join(root, 'scripts', name), join(clone, 'scripts', name));
  }
  cpSync(join(root, 'tsconfig.build.json'), join(clone, 'tsconfig.build.json'));
  // The least that the compiler has to read: it is most of the time that these tests take.
  const compilerOptions = { module: 'NodeNext', target: 'ES2023', lib: ['ES5'], types: [], noEmitOnError: true };
  const imports = { allowImportingTsExtensions: true, rewriteRelativeImportExtensions: true };
  write('tsconfig.json', JSON.stringify({ compilerOptions: { ...compilerOptions, ...imports } }));
  write('package.json', '{ "type": "module" }');
  write('package-lock.json', '{}');
  write('native/addon.cc', 'int one;');
  write('src/cli/cometmq.ts', COMMAND);
  write('src/word.ts', "// A word.\nexport const word = 'one';\n");
  // Leaves what npm leaves: the packages, and at the end its own list of them.
  const packages = ['typescript', '@types', 'node-api-headers', 'undici-types'];
  const links = packages.map((name) => `ln -sfn ${join(root, 'node_modules', name)} node_modules/${name}`);
  program(
    'npm',
    `echo "$@" >> npm.log; mkdir -p node_modules; ${links.join('; ')}; echo {} > node_modules/.package-lock.json`,
  );
  program('c++', 'while [ $# -gt 1 ]; do [ "$1" = -o ] && echo built > "$2"; shift; done');
});

function write(name: string, text: string): void {
  writeFileSync(join(clone, name), text);
}

function program(name: string, script: string): void {
  const file = join(programs, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

const environment = (): NodeJS.ProcessEnv => {
  const rest = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'CXX'));
  return { ...rest, PATH: `${programs}${delimiter}/usr/bin${delimiter}/bin` };
};

function prepare(env: NodeJS.ProcessEnv = {}): { status: number | null; said: string } {
  const script = join(clone, 'scripts', 'prepare.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script], {
    encoding: 'utf8',
    env: { ...environment(), ...env },
  });
  return { status, said: stderr };
}

/** In a process group of its own, so that it can be killed with all that it started. */
function preparing(): ChildProcess {
  const child = spawn(process.execPath, [join(clone, 'scripts', 'prepare.mjs')], {
    detached: true,
    stdio: 'ignore',
    env: environment(),
  });
  onTestFinished(() => killGroup(child));
  return child;
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid as number), 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 5));
}

const steps = (said: string): string[] => [...said.matchAll(/^cometmq: (.*) …$/gm)].map((match) => match[1] as string);
const ALL = ['installing packages', 'building the native addon', 'building'];
const built = (): string =>
  spawnSync(process.execPath, [join(clone, 'dist/cli/cometmq.js')], { encoding: 'utf8' }).stdout;

describe('prepare', () => {
  it('does everything on a fresh clone, and nothing when nothing changed', () => {
    const first = prepare();
    expect(first.status, first.said).toBe(0);
    expect(steps(first.said)).toEqual(ALL);
    expect(built()).toBe('one\n');
    expect(prepare()).toEqual({ status: 0, said: '' });
    expect(readFileSync(join(clone, 'npm.log'), 'utf8').trim().split('\n')).toHaveLength(1);
  });

  it('does again only what a change makes necessary', () => {
    prepare();
    write('src/word.ts', "// A word.\nexport const word = 'another';\n");
    expect(steps(prepare().said)).toEqual(['building']);
    expect(built()).toBe('another\n');
    write('native/addon.cc', 'int another;');
    expect(steps(prepare().said)).toEqual(['building the native addon']);
    write('package-lock.json', '{ "lockfileVersion": 3 }');
    expect(steps(prepare().said)).toEqual(['installing packages']);
    rmSync(join(clone, 'dist'), { recursive: true });
    expect(steps(prepare().said)).toEqual(['building']);
    expect(prepare()).toEqual({ status: 0, said: '' });
  });

  it('takes out of dist what has no source any more', () => {
    mkdirSync(join(clone, 'src/old'));
    write('src/old/old.ts', '// Old.\nexport const old = 1;\n');
    prepare();
    expect(existsSync(join(clone, 'dist/old/old.js'))).toBe(true);
    rmSync(join(clone, 'src/old'), { recursive: true });
    prepare();
    expect(existsSync(join(clone, 'dist/old'))).toBe(false);
    expect(built()).toBe('one\n');
  });

  it('leaves a good build in place when the next one fails, and says so again the next time', () => {
    prepare();
    write('src/word.ts', 'export const word: number = "no number";\n');
    for (let time = 0; time < 2; time++) {
      const { status, said } = prepare();
      expect(status).toBe(1);
      expect(said).toMatch(/src\/word\.ts.*not assignable/);
      expect(said).toMatch(/cometmq: building failed\. The lines above say why\.\n$/);
    }
    expect(built()).toBe('one\n');
  });

  it('names the compiler that is missing, and how to get one', () => {
    const { status, said } = prepare({ CXX: 'a-compiler-that-is-not-there' });
    expect(status).toBe(1);
    expect(said).toContain('the C++ compiler "a-compiler-that-is-not-there" is missing; install one with: ');
    expect(said).toContain('apt-get install g++');
    expect(said).not.toContain('    at ');
    // Once it is there, the rest follows.
    expect(steps(prepare().said)).toEqual(ALL.slice(1));
  });

  it('says what to check when the packages can not be had', () => {
    program('npm', 'echo "npm error network" >&2; mkdir -p node_modules; exit 1');
    const { status, said } = prepare();
    expect(status).toBe(1);
    expect(said).toContain('npm error network\n');
    expect(said).toMatch(
      /cometmq: installing packages failed\. Check the network, the registry .*, then try again\.\n$/,
    );
  });

  it('says it when there is no npm at all', () => {
    rmSync(join(programs, 'npm'));
    const path = join(clone, 'empty');
    const { status, said } = prepare({ PATH: path });
    expect(status).toBe(1);
    expect(said).toContain('installing packages failed (spawnSync npm ENOENT)');
  });

  it('does not trust an installation that was interrupted', () => {
    mkdirSync(join(clone, 'node_modules/half'), { recursive: true });
    expect(steps(prepare().said)).toEqual(ALL);
    expect(existsSync(join(clone, 'node_modules/half'))).toBe(false);
  });

  it.each([
    ['the installation', 'npm', 'mkdir -p node_modules/half'],
    ['the addon', 'c++', ''],
  ])('goes on where it was killed in the middle of %s', async (_what, name, before) => {
    const file = join(programs, name);
    const good = readFileSync(file, 'utf8');
    program(name, `${before}\ntouch ${clone}/reached; sleep 60`);
    const child = preparing();
    await until(() => existsSync(join(clone, 'reached')));
    killGroup(child);
    await once(child, 'close');
    writeFileSync(file, good);
    const { status, said } = prepare();
    expect({ status, last: steps(said).at(-1) }, said).toEqual({ status: 0, last: 'building' });
    expect(built()).toBe('one\n');
    expect(existsSync(join(clone, 'node_modules/half'))).toBe(false);
    expect(prepare()).toEqual({ status: 0, said: '' });
  });

  it('goes on where it was killed in the middle of the compilation', async () => {
    const child = preparing();
    await until(() => existsSync(join(clone, '.cache/prepare/native')));
    killGroup(child);
    await once(child, 'close');
    const { status, said } = prepare();
    expect({ status, steps: steps(said) }).toEqual({ status: 0, steps: ['building'] });
    expect(built()).toBe('one\n');
  });

  it('two at once take turns: each step is done once', async () => {
    const children = [preparing(), preparing(), preparing()];
    const ends = await Promise.all(children.map((child) => once(child, 'close')));
    expect(ends).toEqual([
      [0, null],
      [0, null],
      [0, null],
    ]);
    expect(readFileSync(join(clone, 'npm.log'), 'utf8').trim().split('\n')).toHaveLength(1);
    expect(built()).toBe('one\n');
  });

  it('the lock of one that is gone is no obstacle, also one that was cut off', () => {
    mkdirSync(join(clone, '.cache/prepare'), { recursive: true });
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    write('.cache/prepare/lock', String(gone));
    expect(prepare().status).toBe(0);
    write('package-lock.json', '{ "lockfileVersion": 2 }');
    write('.cache/prepare/lock', '');
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(join(clone, '.cache/prepare/lock'), longAgo, longAgo);
    expect(steps(prepare().said)).toEqual(['installing packages']);
    expect(existsSync(join(clone, '.cache/prepare/lock'))).toBe(false);
  });
});
