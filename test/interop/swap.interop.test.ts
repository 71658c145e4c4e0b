/**
 * Each half can be swapped: our broker and Apache's, both registered at our name server and at Apache's. Clients of both versions
 * and Apache's mqadmin find the same through either name server, and work with both brokers.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ApacheServer,
  type ApacheVersion,
  brokerProperties,
  runMqadmin,
  startApacheBroker,
  startApacheNamesrv,
  writeProperties,
} from './support/apache.ts';
import { DELIVERY_MS, javaClients, pick } from './support/clients.ts';
import { CometmqProcess, until } from './support/cometmq.ts';
import { parseJavaJson } from './support/java-json.ts';
import { RawConnection } from './support/raw-remoting.ts';

const APACHE_NAMESRV = 21_200;
const OUR_NAMESRV = 21_220;
const APACHE_BROKER = 21_230;
const OUR_BROKER = 21_240;
const BOTH = `127.0.0.1:${APACHE_NAMESRV};127.0.0.1:${OUR_NAMESRV}`;
const NAME_SERVERS = [
  ['Apache', APACHE_NAMESRV],
  ['CometMQ', OUR_NAMESRV],
] as const;
const VERSIONS: readonly ApacheVersion[] = ['5.5.0', '4.9'];
const SIZES = { mappedFileSizeCommitLog: 16 * 1024 * 1024, maxIndexNum: 10_000, maxHashSlotNum: 5_000 };

const root = mkdtempSync(path.join(tmpdir(), 'cometmq-swap-'));
const apache: ApacheServer[] = [];
const ours: CometmqProcess[] = [];

beforeAll(async () => {
  apache.push(await startApacheNamesrv({ port: APACHE_NAMESRV, home: path.join(root, 'apache-namesrv') }));
  const namesrvConf = writeProperties(path.join(root, 'our-namesrv'), 'namesrv.conf', { listenPort: OUR_NAMESRV });
  ours.push(await CometmqProcess.start(['namesrv', '-c', namesrvConf], path.join(root, 'our-namesrv')));
  const options = (name: string, listenPort: number): Parameters<typeof startApacheBroker>[0] => ({
    listenPort,
    namesrv: BOTH,
    // Two name servers: both are asked below.
    awaitRegistration: false,
    home: path.join(root, name),
    storeDir: path.join(root, name, 'store'),
    conf: { ...SIZES, brokerName: name },
  });
  apache.push(await startApacheBroker(options('apache', APACHE_BROKER)));
  const our = options('ours', OUR_BROKER);
  const brokerConf = writeProperties(our.home, 'broker.conf', brokerProperties(our));
  ours.push(await CometmqProcess.start(['broker', '-c', brokerConf], our.home));
  for (const [, port] of NAME_SERVERS) {
    await until(() => listsBoth(port), DELIVERY_MS, `registration of both brokers at port ${port}`);
  }
});

afterAll(async () => {
  for (const server of [...ours.reverse(), ...apache.reverse()]) await server.stop();
  rmSync(root, { recursive: true, force: true });
});

async function listsBoth(port: number): Promise<boolean> {
  const connection = await RawConnection.open(port);
  try {
    const cluster = (await connection.request({ code: 106 })).body.toString();
    return cluster.includes('"apache"') && cluster.includes('"ours"');
  } finally {
    await connection.close();
  }
}

describe.each(NAME_SERVERS)('through the name server of %s', (owner, port) => {
  const namesrv = `127.0.0.1:${port}`;

  it.each(VERSIONS)('client %s sends to both brokers and consumes from both', async (version) => {
    const topic = `Swap_${owner}_${version.replaceAll('.', '_')}`;
    const { produce, startConsumer } = javaClients({ version, serialize: 'JSON' }, namesrv, path.join(root, 'clients'));
    const acks = await produce(topic, ['--count', '40', '--sizes', '10,5000', '--tags', 'a,b', '--key-prefix', 'k']);
    expect(new Set(acks.map((ack) => ack['broker']))).toEqual(new Set(['apache', 'ours']));
    const consumer = await startConsumer([topic], `CID_${topic}`);
    await consumer.waitForFacts('message', acks.length, DELIVERY_MS);
    await consumer.finish();
    const sent = ['msgId', 'broker', 'queueId', 'queueOffset', 'keys', 'tags', 'size', 'sha256'];
    expect(pick(consumer.factsOf('message'), sent)).toEqual(pick(acks, sent));
  });

  it('mqadmin lists the cluster, the topics and a route', async () => {
    const admin = async (...args: string[]): Promise<string> => {
      const result = await runMqadmin([...args, '-n', namesrv], path.join(root, 'admin'));
      const text = result.lines.join('\n');
      expect(result.code, text + result.errorText).toBe(0);
      return text;
    };
    const cluster = await admin('clusterList');
    for (const [name, brokerPort] of [
      ['apache', APACHE_BROKER],
      ['ours', OUR_BROKER],
    ] as const) {
      expect(cluster).toMatch(new RegExp(`DefaultCluster\\s+${name}\\s+0\\s+127\\.0\\.0\\.1:${brokerPort}\\s+V5_5_0`));
    }
    const topic = `Swap_${owner}_5_5_0`;
    const topics = await admin('topicList');
    expect(topics.split('\n').map((line) => line.trim())).toEqual(expect.arrayContaining([topic, 'TBW102']));
    const route = parseJavaJson((await admin('topicRoute', '-t', topic)).replace(/^[^{]*/, '')) as {
      readonly brokerDatas: readonly { readonly brokerName: string; readonly brokerAddrs: object }[];
      readonly queueDatas: readonly object[];
    };
    const brokers = [...route.brokerDatas].sort((a, b) => (a.brokerName < b.brokerName ? -1 : 1));
    expect(brokers).toMatchObject([
      { brokerName: 'apache', cluster: 'DefaultCluster', brokerAddrs: { 0: `127.0.0.1:${APACHE_BROKER}` } },
      { brokerName: 'ours', cluster: 'DefaultCluster', brokerAddrs: { 0: `127.0.0.1:${OUR_BROKER}` } },
    ]);
    expect(route.queueDatas).toHaveLength(2);
  });
});

describe('mqadmin brokerStatus', () => {
  it('shows of our broker what it shows of Apache’s', async () => {
    const statusOf = async (port: number): Promise<Map<string, string>> => {
      const result = await runMqadmin(['brokerStatus', '-b', `127.0.0.1:${port}`], path.join(root, 'admin'));
      expect(result.code, result.errorText).toBe(0);
      const rows = result.lines.map((line) => /^(\S+)\s+:(.*)$/.exec(line)).filter((row) => row !== null);
      return new Map(rows.map((row) => [row[1] ?? '', (row[2] ?? '').trim()]));
    };
    const [oursShown, apacheShown] = [await statusOf(OUR_BROKER), await statusOf(APACHE_BROKER)];
    expect(oursShown.get('brokerVersionDesc')).toBe(apacheShown.get('brokerVersionDesc'));
    expect(Number(oursShown.get('msgPutTotalTodayNow'))).toBeGreaterThan(0);
    const missing = [...apacheShown.keys()].filter((key) => !oursShown.has(key));
    expect(missing).toEqual([]);
  });
});

describe('our servers', () => {
  it('logged no error in all of this', () => {
    expect(ours.flatMap((server) => server.loggedErrors)).toEqual([]);
  });
});
