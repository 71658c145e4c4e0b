// What the command says before anything is started: help, mistakes, configuration.

import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseJavaProperties } from '../../src/base/java-properties.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { cometmq } from './support/cometmq-process.ts';

const COMMANDS = [
  'start',
  'namesrv',
  'broker',
  'store',
  'store check',
  'store dump',
  'store stats',
  'store repair',
] as const;

describe('cometmq', () => {
  it('prints the version of the package', async () => {
    const { status, stdout } = await cometmq(['--version']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
    expect(status).toBe(0);
  });

  it('names its commands in the help, and says in one line what each is for', async () => {
    const { status, stdout } = await cometmq(['--help']);
    for (const command of ['start', 'namesrv', 'broker', 'store']) expect(stdout).toMatch(`\n  cometmq ${command} `);
    expect(status).toBe(0);
    expect(await cometmq([])).toMatchObject({ status: 2, stdout });
  });

  it.each(COMMANDS)('%s --help explains every option and ends with 0', async (command) => {
    const { status, stdout, stderr } = await cometmq([...command.split(' '), '--help']);
    expect(stdout).toMatch(new RegExp(`^cometmq ${command}\\b`));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it.each([
    [['statr'], 'There is no command "statr". Did you mean start? See cometmq --help.'],
    [['start', '--dta', 'x'], 'There is no option --dta. Did you mean --data? See cometmq start --help.'],
    [['start', '--data'], "Option '--data <value>' argument missing. See cometmq start --help."],
    [['start', 'here'], '"here" is not an option of start. See cometmq start --help.'],
    [['start', '--port-offset', '-1x'], "Option '--port-offset' argument is ambiguous. See cometmq start --help."],
    [
      ['start', '--port-offset', '99999'],
      '--port-offset takes a whole number from 0 to 54624, not "99999". See cometmq start --help.',
    ],
    [
      ['start', '--set', 'flushDiskTyp=SYNC_FLUSH'],
      'settings: there is no setting "flushDiskTyp". Did you mean flushDiskType? See docs/CONFIGURATION.md for all of them.',
    ],
    [
      ['start', '--set', 'brokerRole=SLAVE'],
      'settings: brokerRole=SLAVE must be ASYNC_MASTER: Replication is not part of this version.',
    ],
    [
      ['start', '--log-level', 'loud'],
      '--log-level takes one of debug, info, warn, error, not "loud". See cometmq start --help.',
    ],
    [
      ['broker', '-c', '/nowhere/broker.conf'],
      "The configuration file /nowhere/broker.conf cannot be read: ENOENT: no such file or directory, open '/nowhere/broker.conf'",
    ],
    [
      ['broker', '-n', 'localhost'],
      'settings: namesrvAddr=localhost must be addresses such as 127.0.0.1:9876;127.0.0.2:9876.',
    ],
    [
      ['namesrv', '--ready-file', '/nowhere/ready.json'],
      "--ready-file /nowhere/ready.json can't be written (ENOENT: no such file or directory, access '/nowhere'). See cometmq namesrv --help.",
    ],
    [['store', 'chek'], 'There is no command "store chek". See cometmq store --help.'],
  ])('%j is a mistake of the caller: one sentence, status 2', async (args, sentence) => {
    expect(await cometmq(args)).toEqual({ status: 2, signal: null, stdout: '', stderr: `cometmq: ${sentence}\n` });
  });
});

describe('cometmq broker and namesrv take the flags of Apache', () => {
  it('broker -c FILE -n ADDRESSES -p prints what would be in force, as a file that it takes again', async () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'broker.conf');
    writeFileSync(file, 'brokerClusterName = Orders\nfileReservedTime=48\nnamesrvAddr=192.0.2.1:9876\n');
    const first = await cometmq(['broker', '-c', file, '-n', '192.0.2.7:9876;192.0.2.8:9876', '-p']);
    expect(first).toMatchObject({ status: 0, stderr: '' });
    const printed = parseJavaProperties(first.stdout);
    expect(Object.fromEntries(printed)).toMatchObject({
      brokerClusterName: 'Orders',
      brokerName: hostname(),
      fileReservedTime: '48',
      namesrvAddr: '192.0.2.7:9876;192.0.2.8:9876',
      'com.rocketmq.remoting.frameMaxLength': '16777216',
    });
    const again = join(directory, 'again.conf');
    writeFileSync(again, first.stdout);
    expect(await cometmq(['broker', '-c', again, '-p'])).toMatchObject({ status: 0, stdout: first.stdout });
  });

  it('broker -m prints the important part of it', async () => {
    const { status, stdout } = await cometmq(['broker', '-m']);
    expect([...parseJavaProperties(stdout).keys()]).toContain('namesrvAddr');
    expect(parseJavaProperties(stdout).size).toBeLessThan(20);
    expect(status).toBe(0);
  });

  it('broker takes the name servers from the environment when nothing else names them', async () => {
    const env = { NAMESRV_ADDR: '192.0.2.3:9876' };
    expect((await cometmq(['broker', '-m'], { env })).stdout).toContain('namesrvAddr=192.0.2.3:9876\n');
    const flag = await cometmq(['broker', '-m', '-n', '192.0.2.4:9876'], { env });
    expect(flag.stdout).toContain('namesrvAddr=192.0.2.4:9876\n');
  });

  it('namesrv -c FILE -p prints what would be in force', async () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'namesrv.conf');
    writeFileSync(file, 'listenPort=19876\n');
    const { status, stdout } = await cometmq(['namesrv', '-c', file, '-p']);
    expect(stdout).toContain('listenPort=19876\n');
    expect(status).toBe(0);
  });
});
