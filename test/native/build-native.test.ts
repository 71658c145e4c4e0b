import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { scratchDirectory } from './support/scratch.ts';

const root = join(import.meta.dirname, '../..');
const directory = scratchDirectory();
let packageCount = 0;

/** A package with the real script and one tiny source, so that a build takes no time. */
function tinyPackage(): { folder: string; build: (...parameters: string[]) => ReturnType<typeof runBuild> } {
  const folder = join(directory, `package-${packageCount++}`);
  mkdirSync(folder);
  mkdirSync(join(folder, 'native'));
  mkdirSync(join(folder, 'scripts'));
  cpSync(join(root, 'scripts/build-native.mjs'), join(folder, 'scripts/build-native.mjs'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'native/tiny.cc'), '#include <node_api.h>\nint answer() { return 42; }\n');
  return { folder, build: (...parameters) => runBuild(folder, parameters, {}) };
}

function runBuild(folder: string, parameters: readonly string[], environment: Record<string, string>) {
  const script = join(folder, 'scripts/build-native.mjs');
  const env = { ...process.env, LD_PRELOAD: '', ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...parameters], { encoding: 'utf8', env });
  return { status, stdout, stderr };
}

test('a second build does nothing; a changed source, a changed compiler and a lost binary build again', () => {
  const { folder, build } = tinyPackage();
  const binary = join(folder, 'native/build/cometmq_native.node');
  expect(build()).toMatchObject({ status: 0, stdout: `built ${binary}\n` });
  const inode = statSync(binary).ino;
  expect(build()).toMatchObject({ status: 0, stdout: '' });
  expect(statSync(binary).ino).toBe(inode);
  writeFileSync(join(folder, 'native/extra.h'), '// another header\n');
  expect(build().stdout).toBe(`built ${binary}\n`);
  expect(runBuild(folder, [], { CXX: 'c++ -DSOMETHING' }).stdout).toBe(`built ${binary}\n`);
  expect(build('--if-missing').stdout).toBe('');
});

test('a missing compiler is named, with the commands that install one', () => {
  const { folder } = tinyPackage();
  const result = runBuild(folder, [], { CXX: 'no-such-compiler' });
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(/^build-native: the C\+\+ compiler "no-such-compiler" is missing; install one with: /);
});

test('a source that does not compile, and a warning in one, fail and leave the old binary', () => {
  const { folder, build } = tinyPackage();
  build();
  const binary = join(folder, 'native/build/cometmq_native.node');
  const before = readFileSync(binary);
  writeFileSync(join(folder, 'native/tiny.cc'), 'int unused(int argument) { return 1; }\n');
  const result = build();
  expect(result.status).toBe(1);
  expect(result.stderr).toContain('unused parameter');
  expect(result.stderr).toContain('could not compile the native addon');
  expect(readFileSync(binary).equals(before)).toBe(true);
  expect(build().status).toBe(1);
});

test('an unknown argument is refused', () => {
  const { build } = tinyPackage();
  expect(build('--fast')).toMatchObject({ status: 1 });
});
