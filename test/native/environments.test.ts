// Several Node environments at once, and environments that end with work in flight. The code of workers and children is
// plain JavaScript over the addon itself, so that what is tested is C++.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';

import { nativeAddon } from '../../src/native/load-addon.ts';
import { scratchDirectory } from './support/scratch.ts';

const directory = scratchDirectory();
const addonFile = process.env['COMETMQ_NATIVE'] ?? join(import.meta.dirname, '../../native/build/cometmq_native.node');
const CREATE_WRITABLE = 1 | 4 | 8;

// Opens a region, keeps syncs, reads and batches in flight for ever, and says when it is busy.
const busyProgram = (say: string): string => `
  const handle = addon.openRegionSync(path, 1 << 20, ${CREATE_WRITABLE});
  const bytes = Buffer.from(addon.regionBuffer(handle));
  addon.lockFile(path + '.lock', 'busy');
  addon.pinRegion(handle);
  const work = async (run) => { for (;;) await run(); };
  for (let lane = 0; lane < 4; lane++) {
    work(() => { bytes.fill(lane); return addon.runOnRegion(handle, 0, 1 << 20, 0); });
    work(() => addon.readRegion(handle, 0, 65536, Buffer.allocUnsafeSlow(65536)));
    work(() => addon.writeFiles(path + '.' + lane + '\\0', Float64Array.of(4096, 0, 4096), Buffer.alloc(4096, lane), 1));
    work(async () => addon.closeRegion(await addon.openRegion(path + '.r' + lane, 4096, 1 | 4)));
  }
  addon.runOnRegion(handle, 0, 1, 0).then(() => ${say});
`;

function startWorker(code: string, name: string): Worker {
  const prologue = `const { parentPort, workerData } = require('node:worker_threads');
    const addon = require(workerData.addonFile); const path = workerData.path;`;
  return new Worker(prologue + code, { eval: true, workerData: { addonFile, path: join(directory, name) } });
}

async function runChild(
  code: string,
  name: string,
): Promise<{ code: number | null; signal: string | null; out: string }> {
  const prologue = 'const addon = require(process.argv[1]); const path = process.argv[2];';
  const child = spawn(process.execPath, ['-e', prologue + code, addonFile, join(directory, name)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code: exitCode, signal, out };
}

describe('worker threads', () => {
  test('each has its own regions: a handle of another environment reaches nothing', async () => {
    const mine = nativeAddon.openRegionSync(join(directory, 'mine'), 4096, CREATE_WRITABLE);
    const worker = startWorker(
      `let codes = [];
       for (const f of ['pinRegion', 'regionBuffer', 'closeRegion']) {
         try { addon[f](${mine}); codes.push('reached'); } catch (error) { codes.push(error.code); }
       }
       parentPort.postMessage(codes);`,
      'other',
    );
    const exited = once(worker, 'exit'); // listened for from the start: it may come in one turn with the message
    const [codes] = (await once(worker, 'message')) as [string[]];
    expect(codes).toEqual(['ERR_NATIVE_CLOSED', 'ERR_NATIVE_CLOSED', 'ERR_NATIVE_CLOSED']);
    await exited;
    await nativeAddon.closeRegion(mine);
  });

  test('a worker maps the same file and sees the same bytes', async () => {
    const path = join(directory, 'shared');
    const handle = nativeAddon.openRegionSync(path, 4096, CREATE_WRITABLE);
    const bytes = Buffer.from(nativeAddon.regionBuffer(handle));
    bytes.write('from main');
    const worker = startWorker(
      `const handle = addon.openRegionSync(path, 4096, 4);
       const bytes = Buffer.from(addon.regionBuffer(handle));
       const seen = bytes.toString('latin1', 0, 9);
       bytes.write('from work', 100);
       addon.closeRegion(handle).then(() => parentPort.postMessage(seen));`,
      'shared',
    );
    const exited = once(worker, 'exit');
    expect((await once(worker, 'message'))[0]).toBe('from main');
    expect(bytes.toString('latin1', 100, 109)).toBe('from work');
    await exited;
    await nativeAddon.closeRegion(handle);
  });

  test('terminated in the midst of work, ten times: locks, descriptors and mappings go, the process lives on', async () => {
    for (let round = 0; round < 10; round++) {
      const worker = startWorker(busyProgram(`parentPort.postMessage('busy')`), `terminated-${round}`);
      worker.on('error', (error) => expect.unreachable(error.message));
      expect((await once(worker, 'message'))[0]).toBe('busy');
      expect(await worker.terminate()).toBe(1);
      const lock = nativeAddon.lockFile(join(directory, `terminated-${round}.lock`), 'after');
      expect(typeof lock).toBe('number');
      nativeAddon.unlockFile(lock as number);
    }
    if (process.platform === 'linux') {
      const maps = readFileSync(`/proc/${process.pid}/maps`, 'latin1');
      // What JavaScript had pinned stays mapped by intent: only its holder could say that it is free.
      expect(maps.split('\n').filter((line) => /terminated-\d+\.r\d/.test(line))).toEqual([]);
      expect(maps.split('\n').filter((line) => /terminated-\d+$/.test(line))).toHaveLength(10);
    }
  });

  test('a worker that ends by itself leaves no mapping of an unpinned region', async () => {
    const worker = startWorker(
      `addon.regionBuffer(addon.openRegionSync(path, 4096, ${CREATE_WRITABLE}));`,
      'left-open',
    );
    expect((await once(worker, 'exit'))[0]).toBe(0);
    if (process.platform === 'linux') {
      expect(readFileSync(`/proc/${process.pid}/maps`, 'latin1')).not.toContain('left-open');
    }
  });
});

describe('process exit', () => {
  test('process.exit with everything in flight ends with the code given', async () => {
    for (let round = 0; round < 5; round++) {
      const result = await runChild(busyProgram('process.exit(7)'), `exiting-${round}`);
      expect(result).toEqual({ code: 7, signal: null, out: '' });
    }
  });

  test('an uncaught exception with everything in flight is reported as such', async () => {
    const quiet = `process.on('uncaughtExceptionMonitor', () => { console.log('seen'); process.exitCode = 9; process.exit(); });`;
    const result = await runChild(quiet + busyProgram(`setImmediate(() => { throw new Error('boom'); })`), 'throwing');
    expect(result).toEqual({ code: 9, signal: null, out: 'seen\n' });
  });

  test('work in flight keeps the process alive, open regions and locks do not', async () => {
    const result = await runChild(
      `const handle = addon.openRegionSync(path, 4096, ${CREATE_WRITABLE});
       addon.lockFile(path + '.lock', '');
       addon.pinRegion(handle);
       addon.runOnRegion(handle, 0, 4096, 0).then(() => console.log('synced'));`,
      'alive',
    );
    expect(result).toEqual({ code: 0, signal: null, out: 'synced\n' });
  });

  test('a process that exits while a close waits for a pin ends cleanly', async () => {
    const result = await runChild(
      `const handle = addon.openRegionSync(path, 4096, ${CREATE_WRITABLE});
       addon.pinRegion(handle);
       addon.closeRegion(handle).then(() => console.log('never'));`,
      'closing',
    );
    expect(result).toEqual({ code: 0, signal: null, out: '' });
  });

  test('garbage collection never unmaps, and never breaks what is mapped', async () => {
    const result = await runChild(
      `require('node:v8').setFlagsFromString('--expose-gc');
       const gc = require('node:vm').runInNewContext('gc');
       let handle = addon.openRegionSync(path, 1 << 20, ${CREATE_WRITABLE});
       Buffer.from(addon.regionBuffer(handle)).write('still here', 1000);
       for (let round = 0; round < 5; round++) gc();
       console.log(Buffer.from(addon.regionBuffer(handle)).toString('latin1', 1000, 1010));
       addon.closeRegion(handle).then(() => { for (let round = 0; round < 5; round++) gc(); console.log('closed'); });`,
      'collected',
    );
    expect(result).toEqual({ code: 0, signal: null, out: 'still here\nclosed\n' });
  });
});
