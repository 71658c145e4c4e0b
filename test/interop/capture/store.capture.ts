/**
 * Captures `test/golden/store` from Apache 5.5.0: records and files that its store class and its broker wrote.
 * Run: `COMETMQ_CAPTURE=1 npx vitest run --config vitest.interop.config.ts store.capture`.
 */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runJava, startApacheBroker, startApacheNamesrv, startJava } from '../support/apache.ts';
import { RawConnection } from '../support/raw-remoting.ts';
import { readCommitLog, writeDirectory, writeHex, writeRecord } from './store-fixtures.ts';
import { heartbeatBody, SEND_CASES } from './wire-cases.ts';

const OUTPUT = fileURLToPath(new URL('../../golden/store/', import.meta.url));
const ROOT = process.env['COMETMQ_CAPTURE_ROOT'] ?? '/opt/rocketmq-golden';
const JAVA = { version: '5.5.0', home: path.join(ROOT, 'clients') } as const;
const LONG_TOPIC = `%RETRY%${'golden-'.repeat(20)}group`;
const SMALL_FILES = [
  'mappedFileSizeCommitLog=16384',
  'mappedFileSizeConsumeQueue=1000',
  'maxHashSlotNum=16',
  'maxIndexNum=64',
].flatMap((setting) => ['--set', setting]);

it('captures the store fixtures', async () => {
  rmSync(ROOT, { recursive: true, force: true });
  rmSync(OUTPUT, { recursive: true, force: true });
  await captureStoreClass();
  await captureBroker();
  rmSync(ROOT, { recursive: true, force: true });
  expect(readdirSync(OUTPUT).length).toBeGreaterThan(15);
}, 600_000);

/** DefaultMessageStore alone: hosts, versions, empty bodies, batches, several segments, a tiny index. */
async function captureStoreClass(): Promise<void> {
  const dir = path.join(ROOT, 'class');
  const common = ['--dir', dir, ...SMALL_FILES];
  const topics = ['--topic', 'GoldenTopic', '--topic', LONG_TOPIC];
  const singles = [
    '--hosts',
    'mixed',
    '--queues',
    '2',
    '--key-prefix',
    'key',
    '--tags',
    'tagA,tagB',
    '--sizes',
    '0,10,300',
  ];
  const facts: unknown[] = [];
  const write = async (args: string[]): Promise<void> => {
    facts.push(...(await runJava('StoreWriter', [...common, ...args], JAVA)).factsOf('put'));
  };
  await write([...topics, ...singles, '--count', '80']);
  await write([
    '--topic',
    'GoldenBatch',
    '--batch-size',
    '3',
    '--count',
    '3',
    '--sizes',
    '40',
    '--key-prefix',
    'b',
    '--first-seq',
    '80',
  ]);
  await write(['--topic', 'GoldenPrepared', '--sys-flag', '4', '--count', '1', '--sizes', '20', '--first-seq', '83']);
  await write(['--topic', 'GoldenCommitted', '--sys-flag', '8', '--count', '1', '--sizes', '20', '--first-seq', '84']);
  await write([
    '--topic',
    'GoldenRolledBack',
    '--sys-flag',
    '12',
    '--count',
    '1',
    '--sizes',
    '20',
    '--first-seq',
    '85',
  ]);
  const records = readCommitLog(path.join(dir, 'commitlog'));
  const how =
    'written by org.apache.rocketmq.store.DefaultMessageStore 5.5.0 through StoreWriter, cut out of its commit log';
  const record = (name: string, what: string, fits: (record: (typeof records)[number]) => boolean): void =>
    writeRecord(OUTPUT, `commit-log-${name}`, [what, how], records.find(fits));
  record('v1', 'a version 1 record, both hosts IPv4', (r) => r.version === 1 && r.sysFlag === 0 && r.bodyBytes === 300);
  record(
    'v2',
    'a version 2 record (topic of more than 127 bytes), bornHost IPv6',
    (r) => r.version === 2 && r.bodyBytes === 10,
  );
  record('empty-body', 'a record without body, both hosts IPv4', (r) => r.bodyBytes === 0 && r.sysFlag === 0);
  record('store-host-ipv6', 'both hosts IPv6 (bits 0x10 and 0x20)', (r) => r.sysFlag === 0x30);
  for (const index of [0, 1, 2]) {
    record(
      `batch-${index}`,
      `record ${index} of one batch of three`,
      (r) => r.topic === 'GoldenBatch' && r.queueOffset === index,
    );
  }
  record(
    'prepared',
    'transaction type prepared (sysFlag 4): queueOffset 0, no queue entry',
    (r) => r.topic === 'GoldenPrepared',
  );
  record(
    'committed',
    'transaction type commit (sysFlag 8): a queue entry as usual',
    (r) => r.topic === 'GoldenCommitted',
  );
  record(
    'rolled-back',
    'transaction type rollback (sysFlag 12): no queue entry, no index entry',
    (r) => r.topic === 'GoldenRolledBack',
  );
  writeBlank(dir, how);
  const queue = readFileSync(path.join(dir, 'consumequeue/GoldenTopic/0/00000000000000000000'));
  writeHex(
    OUTPUT,
    'consume-queue',
    ['GoldenTopic queue 0: the first file, 50 units of 20 bytes (mappedFileSizeConsumeQueue=1000)', how],
    queue,
  );
  const index = readdirSync(path.join(dir, 'index')).sort();
  for (const [at, name] of index.entries()) {
    const about = [`index file number ${at}, named ${name}; maxHashSlotNum=16 maxIndexNum=64`, how];
    writeHex(OUTPUT, `index-file-${at}`, about, readFileSync(path.join(dir, 'index', name)));
  }
  const checkpoint = readFileSync(path.join(dir, 'checkpoint'));
  expect(checkpoint.subarray(48).every((byte) => byte === 0)).toBe(true);
  const words = Array.from({ length: 6 }, (_, at) => String(checkpoint.readBigInt64BE(8 * at))).join(', ');
  writeHex(
    OUTPUT,
    'checkpoint',
    [`the first 48 of its ${checkpoint.length} bytes, the rest is zero: ${words}`, how],
    checkpoint.subarray(0, 48),
  );
  const files = writeDirectory(dir, path.join(OUTPUT, 'apache-store'), (name) => name.startsWith('rocksdbstore'));
  writeFileSync(path.join(OUTPUT, 'apache-store/puts.json'), `${JSON.stringify(facts, null, 1)}\n`);
  writeFileSync(path.join(OUTPUT, 'apache-store/files.txt'), `${files.join('\n')}\n`);
}

function writeBlank(dir: string, how: string): void {
  const [first] = readdirSync(path.join(dir, 'commitlog')).sort();
  const segment = readFileSync(path.join(dir, 'commitlog', first ?? ''));
  const records = readCommitLog(path.join(dir, 'commitlog')).filter((r) => r.physicalOffset < segment.length);
  const last = records.at(-1);
  const end = (last?.physicalOffset ?? 0) + (last?.bytes.length ?? 0);
  const about = [
    `the end-of-file blank at position ${end} of a segment of ${segment.length} bytes, and all bytes after it`,
    how,
  ];
  writeHex(OUTPUT, 'commit-log-blank', about, segment.subarray(end));
}

/** A whole broker: what it makes at its first start, delayed and half messages, the config files after a clean stop and a kill. */
async function captureBroker(): Promise<void> {
  const namesrv = await startApacheNamesrv({ port: 20000, home: path.join(ROOT, 'namesrv') });
  const storeDir = path.join(ROOT, 'broker/store');
  const options = { listenPort: 20010, namesrv: namesrv.address, home: path.join(ROOT, 'broker'), storeDir };
  const broker = await startApacheBroker(options);
  const observed: Record<string, unknown> = { 'first start, running': filesOf(storeDir) };
  await sendCases();
  observed['after some messages, running'] = filesOf(storeDir);
  observed['lock, running'] = readFileSync(path.join(storeDir, 'lock'), 'latin1');
  observed['abort, running'] = readFileSync(path.join(storeDir, 'abort'), 'latin1');
  observed['pid'] = broker.pid;
  const common = ['--namesrv', namesrv.address, '--topic', 'GoldenTopic'];
  const consumer = await startJava(
    'Consume',
    [...common, '--group', 'CID_golden_push', '--fail-first', '1', '--retry-level', '1'],
    JAVA,
  );
  await consumer.waitForFacts('message', 6, 60_000);
  await consumer.finish();
  await broker.stop();
  observed['after a clean stop'] = filesOf(storeDir);
  observed['checkpoint after a clean stop'] = checkpointOf(storeDir);
  mkdirSync(path.join(OUTPUT, 'config'), { recursive: true });
  for (const name of readdirSync(path.join(storeDir, 'config'))) {
    if (name.endsWith('.json') || name === 'timermetrics' || name === 'transactionMetrics') {
      copyFileSync(path.join(storeDir, 'config', name), path.join(OUTPUT, 'config', name));
    }
  }
  const timerCheck = readFileSync(path.join(storeDir, 'config/timercheck'));
  writeHex(
    OUTPUT,
    'timercheck',
    ['config/timercheck after a clean stop, the first 64 bytes'],
    timerCheck.subarray(0, 64),
  );
  const again = await startApacheBroker(options);
  await sendCases();
  await again.kill();
  observed['after kill -9'] = filesOf(storeDir);
  observed['checkpoint after kill -9'] = checkpointOf(storeDir);
  observed['abort after kill -9'] = readFileSync(path.join(storeDir, 'abort'), 'latin1');
  await namesrv.stop();
  writeFileSync(path.join(OUTPUT, 'broker-files.json'), `${JSON.stringify(observed, null, 1)}\n`);
  captureBrokerRecords(storeDir);
}

async function sendCases(): Promise<void> {
  const connection = await RawConnection.open(20010);
  await connection.request({ code: 34, body: heartbeatBody() });
  const names = [
    '10-found',
    '10-delay-level',
    '10-transaction-prepared',
    '10-sysflag-compressed',
    '310-found',
    '320-found',
  ];
  for (const name of names) {
    const found = SEND_CASES.find((wireCase) => wireCase.name === name);
    if (found === undefined) {
      throw new Error(`no send case ${name}`);
    }
    const response = await connection.request(found.request);
    expect(response.header.code).toBe(0);
  }
  await connection.close();
}

function captureBrokerRecords(storeDir: string): void {
  const records = readCommitLog(path.join(storeDir, 'commitlog'));
  const how = 'written by BrokerStartup 5.5.0, cut out of its commit log';
  const record = (name: string, what: string, fits: (record: (typeof records)[number]) => boolean): void =>
    writeRecord(OUTPUT, `commit-log-broker-${name}`, [what, how], records.find(fits));
  record(
    'plain',
    'a plain send of a client (the broker adds MSG_REGION, TRACE_ON, CLUSTER)',
    (r) => r.topic === 'GoldenTopic',
  );
  record('delayed', 'a send with DELAY=3, waiting in the schedule topic', (r) => r.topic === 'SCHEDULE_TOPIC_XXXX');
  record(
    'half',
    'a half message: real topic and queue moved into properties',
    (r) => r.topic === 'RMQ_SYS_TRANS_HALF_TOPIC',
  );
  record('compressed', 'a zlib body (sysFlag 1)', (r) => r.topic === 'GoldenTopic' && (r.sysFlag & 1) === 1);
  record(
    'batch',
    'the second record of a batch of two',
    (r) => r.topic === 'GoldenTopic' && r.properties.includes('00B2'),
  );
  record(
    'retry',
    'a refused message, delivered by the schedule service to the retry topic',
    (r) => r.topic === '%RETRY%CID_golden_push',
  );
  const directory = path.join(storeDir, 'consumequeue/SCHEDULE_TOPIC_XXXX/2');
  if (existsSync(directory)) {
    const units = readFileSync(path.join(directory, '00000000000000000000')).subarray(0, 40);
    writeHex(
      OUTPUT,
      'consume-queue-schedule',
      ['SCHEDULE_TOPIC_XXXX queue 2: two units, whose tag code is the delivery time', how],
      units,
    );
  }
}

function checkpointOf(storeDir: string): Record<string, string> {
  const bytes = readFileSync(path.join(storeDir, 'checkpoint'));
  const names = [
    'physicMsgTimestamp',
    'logicsMsgTimestamp',
    'indexMsgTimestamp',
    'masterFlushedOffset',
    'confirmPhyOffset',
    'logicsPhysicalOffset',
  ];
  return Object.fromEntries(names.map((name, at) => [name, String(bytes.readBigInt64BE(8 * at))]));
}

/** "path size" of every file below the store, but for RocksDB's own. */
function filesOf(storeDir: string): string[] {
  const names = readdirSync(storeDir, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('rocksdb'))
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return `${path.relative(storeDir, file)} ${statSync(file).size}`;
    })
    .sort();
}
