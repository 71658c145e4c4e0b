// Whole servers in a program: started, stopped, refused, two at once; what they tell about where they are.

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/base/config-table.ts';
import { startServer } from '../../src/server/start-server.ts';
import { startTestServer } from '../../src/server/testing.ts';
import { createMessage } from '../../src/store/index.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const SMALL = { mappedFileSizeCommitLog: '1048576', maxHashSlotNum: '100', maxIndexNum: '400' };

async function answers(address: string): Promise<boolean> {
  const { host, port } = /^\[?(?<host>.*?)\]?:(?<port>\d+)$/.exec(address)?.groups as { host: string; port: string };
  const socket = connect(Number(port), host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe('startTestServer', () => {
  it('brings name server and broker on ports of their own, and takes everything away again', async () => {
    let dataDir: string;
    let addresses: string[];
    {
      await using server = await startTestServer();
      ({ dataDir } = server);
      addresses = [server.namesrvAddress, server.brokerAddress];
      expect(await Promise.all(addresses.map(answers))).toEqual([true, true]);
      expect((await server.store.put(createMessage({ topic: 'orders', body: 'one coffee' }))).status).toBe('PUT_OK');
      expect(existsSync(join(dataDir, 'commitlog'))).toBe(true);
    }
    expect(await Promise.all(addresses.map(answers))).toEqual([false, false]);
    expect(existsSync(dataDir)).toBe(false);
  });

  it('two run in one process, and stopping one twice leaves the other alone', async () => {
    await using one = await startTestServer();
    await using two = await startTestServer();
    await Promise.all([one.stop(), one.stop()]);
    await one.stop();
    expect(existsSync(one.dataDir)).toBe(false);
    expect(await answers(two.brokerAddress)).toBe(true);
    expect((await two.store.put(createMessage({ topic: 'orders', body: 'one coffee' }))).status).toBe('PUT_OK');
  });

  it('a directory that was given stays, with what was stored in it', async () => {
    const dataDir = temporaryDirectory();
    {
      await using server = await startTestServer({ dataDir });
      await server.store.put(createMessage({ topic: 'orders', body: 'one coffee' }));
    }
    await using again = await startTestServer({ dataDir });
    expect(again.store.maxOffset('orders', 0)).toBe(1);
  });

  it('a start that fails leaves no directory behind', async () => {
    const before = new Set(readdirSync(tmpdir()));
    const failing = startTestServer({ brokerConfig: { mappedFileSizeCommitLog: 'large' } });
    await expect(failing).rejects.toThrow(ConfigError);
    // By its form: other tests make directories meanwhile, under other names.
    const left = readdirSync(tmpdir()).filter((name) => !before.has(name) && /^cometmq-[a-zA-Z0-9]{6}$/.test(name));
    expect(left.filter((name) => readdirSync(join(tmpdir(), name)).length === 0)).toEqual([]);
  });
});

describe('startServer', () => {
  it('a taken port is an error with a code, and holds neither the directory nor the other port', async () => {
    const dataDir = temporaryDirectory();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const listenPort = String((taken.address() as AddressInfo).port);
    const brokerConfig = { ...SMALL, listenPort };
    const failing = startServer({ dataDir, freePorts: true, brokerConfig });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_REMOTING_ADDRESS_IN_USE' });
    taken.close();
    await once(taken, 'close');
    await using server = await startServer({ dataDir, freePorts: true, brokerConfig });
    expect(server.brokerAddress).toBe(`127.0.0.1:${listenPort}`);
  });

  it('a directory has one owner, also within a process', async () => {
    const dataDir = temporaryDirectory();
    await using server = await startServer({ dataDir, freePorts: true, brokerConfig: SMALL });
    const second = startServer({ dataDir, freePorts: true, brokerConfig: SMALL });
    await expect(second).rejects.toMatchObject({ code: 'ERR_STORE_LOCKED' });
    await server.stop();
    await using third = await startServer({ dataDir, freePorts: true, brokerConfig: SMALL });
    expect(await answers(third.namesrvAddress)).toBe(true);
  });

  it('without a directory it takes the one of the configuration file, and its names', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cometmq-test-'));
    try {
      const file = join(directory, 'broker.conf');
      const dataDir = join(directory, 'store');
      writeFileSync(file, `brokerName=orders-1\nstorePathRootDir=${dataDir}\nnamesrvAddr=192.0.2.1:9876\n`);
      await using server = await startServer({ brokerConfigFile: file, brokerConfig: SMALL, freePorts: true });
      expect(server.dataDir).toBe(dataDir);
      expect(server.ignoredSettings.map(({ key }) => key)).toEqual(['namesrvAddr']);
      expect(existsSync(join(dataDir, 'commitlog'))).toBe(true);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('bindAddress is for broker and name server alike', async () => {
    const dataDir = temporaryDirectory();
    const brokerConfig = { ...SMALL, bindAddress: '127.0.0.2' };
    await using server = await startServer({ dataDir, freePorts: true, brokerConfig });
    expect([server.namesrvAddress, server.brokerAddress].map((address) => address.split(':')[0])).toEqual([
      '127.0.0.2',
      '127.0.0.2',
    ]);
    expect(await answers(server.brokerAddress)).toBe(true);
  });

  it.each(['0.0.0.0', '::'])('one that listens everywhere (%s) is reached by every address', async (bindAddress) => {
    const dataDir = temporaryDirectory();
    await using server = await startServer({ dataDir, freePorts: true, brokerConfig: { ...SMALL, bindAddress } });
    const port = /\d+$/.exec(server.brokerAddress)?.[0] ?? '';
    expect(await answers(`127.0.0.1:${port}`)).toBe(true);
    expect(await answers(`127.0.0.3:${port}`)).toBe(true);
  });

  it('an offset that leads out of the ports is refused before anything is opened', async () => {
    const dataDir = join(temporaryDirectory(), 'store');
    await expect(startServer({ dataDir, portOffset: 60_000 })).rejects.toThrow(
      'Port 9876 and the offset 60000 make no port',
    );
    expect(existsSync(dataDir)).toBe(false);
  });
});
