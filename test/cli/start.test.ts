// `cometmq start`, `namesrv` and `broker` as processes: ready, stopped, refused.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMessage, openStore } from '../../src/store/index.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { cometmq, CometmqProcess } from './support/cometmq-process.ts';

const SMALL = ['--set', 'mappedFileSizeCommitLog=1048576', '--set', 'maxHashSlotNum=100', '--set', 'maxIndexNum=400'];
const READY = 'CometMQ is ready';

/** A port pair that nobody has: `start` puts its name server `offset` above 9876. */
async function freeOffset(): Promise<number> {
  for (;;) {
    const offset = 14_200 + Math.floor(Math.random() * 700);
    if ((await isFree(9876 + offset)) && (await isFree(10_911 + offset))) return offset;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

const spawned = (...given: ConstructorParameters<typeof CometmqProcess>): CometmqProcess =>
  new CometmqProcess(...given);

async function started(dataDir: string, more: readonly string[] = []): Promise<CometmqProcess> {
  const offset = String(await freeOffset());
  const server = spawned(['start', '--data', dataDir, '--port-offset', offset, ...SMALL, ...more]);
  await server.untilPrinted(READY);
  return server;
}

describe('cometmq start', () => {
  it('says when it is ready, with the same facts in the ready file', async () => {
    const directory = temporaryDirectory();
    const readyFile = join(directory, 'ready.json');
    writeFileSync(readyFile, 'of an earlier run');
    const offset = await freeOffset();
    // The data directory as people type it: relative.
    const args = [
      'start',
      '--data',
      'my data',
      '--port-offset',
      String(offset),
      '--ready-file',
      'ready.json',
      ...SMALL,
    ];
    const server = spawned(args, { cwd: directory });
    await server.untilPrinted('Stop it with Ctrl-C.');
    const dataDir = join(directory, 'my data');
    const facts: unknown = JSON.parse(readFileSync(readyFile, 'utf8'));
    expect(facts).toEqual({
      namesrv: `127.0.0.1:${9876 + offset}`,
      broker: `127.0.0.1:${10_911 + offset}`,
      dataDir,
      pid: server.pid,
      startedInMs: expect.any(Number) as number,
    });
    expect(await isFree(9876 + offset)).toBe(false);
    expect(await isFree(10_911 + offset)).toBe(false);
    server.kill('SIGTERM');
    const { status, stdout } = await server.ended();
    expect(stdout).toContain(`broker        127.0.0.1:${10_911 + offset}`);
    expect(stdout).toContain(`data          ${dataDir}`);
    expect(stdout).toContain(`NAMESRV_ADDR=127.0.0.1:${9876 + offset} sh bin/tools.sh`);
    expect(status).toBe(0);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s stops it cleanly: no abort file, nothing listens, status 0',
    async (signal) => {
      const directory = temporaryDirectory();
      const server = await started(directory);
      expect(existsSync(join(directory, 'abort'))).toBe(true);
      server.kill(signal);
      expect(await server.ended()).toMatchObject({ status: 0, signal: null });
      expect(existsSync(join(directory, 'abort'))).toBe(false);
      expect(await cometmq(['store', 'check', directory])).toMatchObject({ status: 0 });
    },
  );

  it('a signal while it starts is obeyed once it has started', async () => {
    const directory = temporaryDirectory();
    const offset = String(await freeOffset());
    const server = spawned(['start', '--data', directory, '--port-offset', offset, '--log-level', 'info', ...SMALL]);
    await server.untilPrinted('"event":"broker.started"').catch(() => undefined);
    server.kill('SIGTERM');
    expect(await server.ended()).toMatchObject({ status: 0, signal: null });
    expect(existsSync(join(directory, 'abort'))).toBe(false);
  });

  it('takes a broker.conf: its names, its port and its directory, and says what has no effect', async () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'broker.conf');
    const dataDir = join(directory, 'of the file');
    const readyFile = join(directory, 'ready.json');
    const lines = [
      'brokerName=orders-1',
      'namesrvAddr=192.0.2.1:9876',
      'sendMessageThreadPoolNums=4',
      'listenPort=11000',
    ];
    writeFileSync(file, [...lines, `storePathRootDir=${dataDir}`, ''].join('\n'));
    const offset = await freeOffset();
    const server = spawned(['start', '-c', file, '--port-offset', String(offset), '--ready-file', readyFile, ...SMALL]);
    await server.untilPrinted('Stop it with Ctrl-C.');
    expect(JSON.parse(readFileSync(readyFile, 'utf8'))).toMatchObject({
      broker: `127.0.0.1:${11_000 + offset}`,
      dataDir,
    });
    server.kill('SIGTERM');
    const { stderr, status } = await server.ended();
    expect(stderr).toContain('cometmq: sendMessageThreadPoolNums has no effect: There are no thread pools to size');
    expect(stderr).toContain('cometmq: namesrvAddr has no effect: A name server runs in the same process');
    expect(status).toBe(0);
  });

  it('the package is ready again in a directory where a killed one left its files', async () => {
    const directory = temporaryDirectory();
    const first = await started(directory);
    first.kill('SIGKILL');
    expect(await first.ended()).toMatchObject({ signal: 'SIGKILL' });
    expect(existsSync(join(directory, 'abort'))).toBe(true);
    const second = await started(directory);
    second.kill('SIGTERM');
    expect(await second.ended()).toMatchObject({ status: 0 });
  });
});

describe('cometmq start refuses with one sentence and status 1', () => {
  /** Runs a start that must fail, and a second one in the same directory that must not find anything held. */
  async function refused(args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await cometmq(['start', ...args]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    // Warnings of the log may stand before it.
    const sentences = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{"time"'));
    expect(sentences).toEqual([expect.stringMatching(/^cometmq: /)]);
    return sentences[0] as string;
  }

  it('a taken port of the name server, and of the broker; nothing stays locked', async () => {
    const directory = temporaryDirectory();
    const offset = await freeOffset();
    for (const [port, owner] of [
      [9876 + offset, 'name server'],
      [10_911 + offset, 'broker'],
    ] as const) {
      const taken = createServer().listen(port, '127.0.0.1');
      await once(taken, 'listening');
      const said = await refused(['--data', directory, '--port-offset', String(offset), ...SMALL]);
      expect(said).toContain(`Port ${port} on 127.0.0.1, which the ${owner} wants, is taken`);
      taken.close();
      await once(taken, 'close');
    }
    expect(existsSync(join(directory, 'abort'))).toBe(false);
    const server = spawned(['start', '--data', directory, '--port-offset', String(offset), ...SMALL]);
    await server.untilPrinted(READY);
  });

  it('a directory that another process has: its pid', async () => {
    const directory = temporaryDirectory();
    const owner = await started(directory);
    const said = await refused(['--data', directory, '--port-offset', String(await freeOffset()), ...SMALL]);
    expect(said).toContain(`The data directory ${directory} belongs to process ${owner.pid}; stop it first`);
  });

  it('a data directory that can not be made', async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    const said = await refused(['--data', join(file, 'data'), '--port-offset', String(await freeOffset())]);
    expect(said).toContain(join(file, 'data'));
  });

  it('a damaged record below what is durable: file and position, and not a byte is changed', async () => {
    const directory = temporaryDirectory();
    const config = { commitLogSegmentSizeBytes: 1_048_576, indexHashSlotCount: 100, indexEntryCountMax: 400 };
    const store = await openStore({ dir: directory, config });
    for (let i = 0; i < 3; i++) await store.put(createMessage({ topic: 'orders', body: 'one coffee' }));
    await store.close();
    const segment = join(directory, 'commitlog', '00000000000000000000');
    const bytes = readFileSync(segment);
    const at = bytes.indexOf('one coffee');
    bytes.write('two', at);
    writeFileSync(segment, bytes);
    // As after a crash that left no checkpoint: the log is read from its beginning.
    writeFileSync(join(directory, 'abort'), '');
    rmSync(join(directory, 'checkpoint'));
    const said = await refused(['--data', directory, '--port-offset', String(await freeOffset()), ...SMALL]);
    expect(said).toContain(segment);
    expect(said).toContain('store repair');
    expect(readFileSync(segment).equals(bytes)).toBe(true);
  });

  const isRoot = process.getuid?.() === 0;
  it.skipIf(!isRoot)('a disk that is too small, and a file system that reserves nothing', async () => {
    const directory = temporaryDirectory();
    for (const [kind, options, sentence] of [
      ['tmpfs', 'size=2m', 'disk is full'],
      ['ramfs', '', 'reserve disk blocks'],
    ] as const) {
      const mounted = join(directory, kind);
      mkdirSync(mounted);
      execFileSync('mount', ['-t', kind, ...(options === '' ? [] : ['-o', options]), kind, mounted]);
      try {
        const said = await refused(['--data', join(mounted, 'data'), '--port-offset', String(await freeOffset())]);
        expect(said).toContain(sentence);
      } finally {
        execFileSync('umount', [mounted]);
      }
    }
  });
});

describe('cometmq namesrv and cometmq broker', () => {
  it('find each other, and the broker leaves when it stops', async () => {
    const directory = temporaryDirectory();
    const files = { namesrv: join(directory, 'namesrv.json'), broker: join(directory, 'broker.json') };
    const log = ['--log-level', 'info'];
    const namesrv = spawned(['namesrv', '--set', 'listenPort=0', '--ready-file', files.namesrv, ...log]);
    await namesrv.untilPrinted('The name server is ready on');
    const { namesrv: address } = JSON.parse(readFileSync(files.namesrv, 'utf8')) as { namesrv: string };
    const dataDir = join(directory, 'store');
    const settings = ['--set', 'listenPort=0', '--set', `storePathRootDir=${dataDir}`, '--set', 'brokerName=orders-1'];
    const broker = spawned(['broker', '-n', address, '--ready-file', files.broker, ...settings, ...SMALL]);
    await broker.untilPrinted(`known to 1 of ${address}`);
    expect(JSON.parse(readFileSync(files.broker, 'utf8'))).toMatchObject({ dataDir, pid: broker.pid });
    broker.kill('SIGTERM');
    expect(await broker.ended()).toMatchObject({ status: 0 });
    await namesrv.untilPrinted('unregistered');
    namesrv.kill('SIGTERM');
    expect(await namesrv.ended()).toMatchObject({ status: 0 });
    expect(readdirSync(dataDir)).not.toContain('abort');
    rmSync(dataDir, { recursive: true });
  });
});
