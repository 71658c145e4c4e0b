// The package as npm would publish it: what is in it, and what a project that installs it can do with it.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTemporaryDirectory } from '../support/temporary-directory.ts';

const root = resolve(import.meta.dirname, '../..');
const directory = makeTemporaryDirectory();
const project = join(directory.path, 'project');
const installed = join(project, 'node_modules', 'cometmq');
const binary = join(installed, 'native', 'build', 'cometmq_native.node');

/** As `npm install --ignore-scripts` of the archive would leave the project, without asking a registry. */
beforeAll(() => {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', directory.path], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(directory.path, filename), '-C', installed, '--strip-components=1']);
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
});
afterAll(() => directory.remove());

function runCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const command = join(installed, 'dist', 'cli', 'cometmq.js');
  return spawnSync(process.execPath, [command, ...args], {
    cwd: project,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

describe('the package', () => {
  it('has what it needs to run, and neither tests nor sources of TypeScript', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'docs/CONFIGURATION.md']));
    expect(files).toEqual(expect.arrayContaining(['dist/cli/cometmq.js', 'dist/store/index.d.ts', 'native/addon.cc']));
    expect(files.filter((name) => /^(test|bench|src|data|node_modules|\.cache)\b/.test(name))).toEqual([]);
    expect(files.filter((name) => /\.(node|map|tgz)$|(?<!\.d)\.ts$/.test(name))).toEqual([]);
  });

  it('says what to do when its addon was not compiled and there is no compiler', () => {
    const { status, stderr, stdout } = runCommand(['start'], { CXX: 'a-compiler-that-is-not-there' });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('the C++ compiler "a-compiler-that-is-not-there" is missing; install one with: ');
    expect(stderr).toContain(`or run: node ${join(installed, 'scripts', 'build-native.mjs')}\n`);
    expect(stderr).not.toContain('    at ');
  });

  it('a program that imports it then is told the same', () => {
    const script = "await import('cometmq/store')";
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: project,
      encoding: 'utf8',
    });
    expect(status).not.toBe(0);
    expect(stderr).toContain(`is missing; run: node ${join(installed, 'scripts', 'build-native.mjs')}`);
  });

  it('compiles the addon at the first use of its command', () => {
    const { status, stderr } = runCommand(['broker', '-m']);
    expect(stderr).toContain('compiling the native addon');
    expect(status).toBe(0);
    expect(runCommand(['broker', '-m'])).toMatchObject({ status: 0, stderr: '' });
  });

  it('its three doors open, and two servers run in one process', () => {
    // Compiled above, or the tree's own when this test runs alone.
    if (!existsSync(binary))
      cpSync(join(root, 'native', 'build'), join(installed, 'native', 'build'), { recursive: true });
    writeFileSync(join(project, 'use.mjs'), PROGRAM);
    const printed = execFileSync(process.execPath, ['use.mjs'], { cwd: project, encoding: 'utf8' });
    expect(printed.trim().split('\n')).toEqual(['PUT_OK true', 'one coffee', 'gone']);
    rmSync(join(project, 'library-data'), { recursive: true });
  });

  it('its types resolve for a strict TypeScript project', () => {
    writeFileSync(join(project, 'use.mts'), TYPED_PROGRAM);
    const compilerOptions = { module: 'NodeNext', target: 'ES2023', strict: true, noEmit: true, types: ['node'] };
    const lib = ['ES2023', 'ESNext.Disposable'];
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...compilerOptions, lib }, files: ['use.mts'] }),
    );
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});

const PROGRAM = `
import { existsSync } from 'node:fs';
import { startServer } from 'cometmq';
import { createMessage, openStore } from 'cometmq/store';
import { startTestServer } from 'cometmq/testing';

const one = await startTestServer();
const two = await startTestServer();
const put = await two.store.put(createMessage({ topic: 'orders', body: 'one coffee' }));
console.log(put.status, one.namesrvAddress !== two.namesrvAddress && one.brokerAddress !== two.brokerAddress);
await Promise.all([one.stop(), two.stop(), two.stop()]);

const store = await openStore({ dir: 'library-data' });
await store.put(createMessage({ topic: 'orders', body: 'one coffee' }));
for await (const message of store.iterate('orders', 0, 0)) console.log(message.body.toString());
await store.close();

const server = await startServer({ dataDir: 'library-data', freePorts: true });
await server.stop();
console.log(existsSync(one.dataDir) || existsSync(two.dataDir) ? 'still there' : 'gone');
`;

const TYPED_PROGRAM = `
import { startServer, type RunningServer, type StartServerOptions } from 'cometmq';
import { createMessage, openStore } from 'cometmq/store';
import { startTestServer, type TestServerOptions } from 'cometmq/testing';

const options: StartServerOptions = { dataDir: 'data', brokerConfig: { flushDiskType: 'SYNC_FLUSH' } };
const server: RunningServer = await startServer(options);
await server.stop();
const testOptions: TestServerOptions = {};
const testServer = await startTestServer(testOptions);
const address: string = testServer.namesrvAddress;
const store = await openStore({ dir: address });
const { status } = await store.put(createMessage({ topic: 'orders', body: 'one coffee' }));
// @ts-expect-error a status is a word
const wrong: number = status;
await store.close();
export { wrong };
`;
