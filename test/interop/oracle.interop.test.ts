/**
 * The harness itself, proven against Apache RocketMQ 5.5.0: if a test here fails, failures of the other interop files say nothing
 * about our server.
 */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ApacheServer,
  type ApacheVersion,
  type BrokerOptions,
  storeErrorsInLogs,
  type Fact,
  runJava,
  runMqadmin,
  startApacheBroker,
  startApacheNamesrv,
  startJava,
} from './support/apache.ts';
import { RawConnection } from './support/raw-remoting.ts';

const VERSIONS: readonly ApacheVersion[] = ['5.5.0', '4.9'];
/** A new consumer may hear nothing until its second heartbeat, 30 s after the first. */
const DELIVERY_MS = 90_000;
const root = mkdtempSync(path.join(tmpdir(), 'cometmq-oracle-'));
const clients = path.join(root, 'clients');
const brokerOptions: BrokerOptions = {
  listenPort: 20110,
  namesrv: '127.0.0.1:20100',
  home: path.join(root, 'broker'),
  storeDir: path.join(root, 'broker/store'),
  conf: { mappedFileSizeCommitLog: 16 * 1024 * 1024 },
};
let namesrv: ApacheServer;
let broker: ApacheServer;

beforeAll(async () => {
  namesrv = await startApacheNamesrv({ port: 20100, home: path.join(root, 'namesrv') });
  broker = await startApacheBroker(brokerOptions);
});

afterAll(async () => {
  await broker.stop();
  await namesrv.stop();
  rmSync(root, { recursive: true, force: true });
});

async function produce(version: ApacheVersion, topic: string, args: readonly string[]): Promise<Fact[]> {
  const common = ['--namesrv', namesrv.address, '--topic', topic];
  const program = await runJava('Produce', [...common, ...args], { version, home: clients });
  expect(program.factsOf('failed')).toEqual([]);
  return program.factsOf('ack');
}

/** Consumes until `count` deliveries were printed, then ends the consumer cleanly. */
async function consume(
  version: ApacheVersion,
  topic: string,
  count: number,
  args: readonly string[] = [],
): Promise<Fact[]> {
  const common = ['--namesrv', namesrv.address, '--topic', topic, '--group', `CID_${topic}`];
  const program = await startJava('Consume', [...common, ...args], { version, home: clients });
  await program.waitForFacts('message', count, DELIVERY_MS);
  await program.finish();
  return program.factsOf('message');
}

function pick(facts: readonly Fact[], names: readonly string[]): unknown[] {
  const rows = facts.map((fact) => Object.fromEntries(names.map((name) => [name, fact[name]])));
  return rows.sort((a, b) => Number(a['seq']) - Number(b['seq']));
}

describe.each(VERSIONS)('the %s client against Apache', (version) => {
  const suffix = version.replaceAll('.', '_');

  it.each(['sync', 'async', 'batch'])('gets every %s message back once, unchanged', async (mode) => {
    const topic = `Oracle_${mode}_${suffix}`;
    const shape = ['--count', '30', '--sizes', '1,100,6000', '--body', 'text', '--batch-size', '5'];
    const names = ['--tags', 'a,b', '--key-prefix', 'ключ-鍵', '--property', 'имя=значение'];
    const acks = await produce(version, topic, ['--mode', mode, ...shape, ...names]);
    expect(acks).toHaveLength(30);
    expect(acks.every((ack) => ack['status'] === 'SEND_OK')).toBe(true);
    const messages = await consume(version, topic, 30);
    const same = ['seq', 'msgId', 'offsetMsgId', 'queueId', 'queueOffset', 'keys', 'tags', 'size', 'sha256'];
    expect(pick(messages, same)).toEqual(pick(acks, same));
    expect(messages.map((message) => (message['properties'] as Record<string, string>)['имя'])).toEqual(
      messages.map(() => 'значение'),
    );
  });

  it('gets bodies of up to 4 MiB back, when compression does not make them larger', async () => {
    const topic = `Oracle_large_${suffix}`;
    const shape = ['--count', '3', '--sizes', '1,1048576,4194304', '--compress-over', '100000000'];
    const acks = await produce(version, topic, shape);
    const messages = await consume(version, topic, 3);
    expect(pick(messages, ['seq', 'size', 'sha256'])).toEqual(pick(acks, ['seq', 'size', 'sha256']));
    expect(acks.map((ack) => ack['size'])).toEqual([1, 1048576, 4194304]);
  });

  it('gets the messages of one queue in the order of sending', async () => {
    const topic = `Oracle_order_${suffix}`;
    await produce(version, topic, ['--count', '50', '--queue', 'id:1']);
    const messages = await consume(version, topic, 50, ['--mode', 'orderly']);
    expect(messages.map((message) => message['seq'])).toEqual(Array.from({ length: 50 }, (_, seq) => seq));
    expect(messages.map((message) => message['queueOffset'])).toEqual(messages.map((message) => message['seq']));
  });

  it('gets a refused message again, with its count of deliveries', async () => {
    const topic = `Oracle_retry_${suffix}`;
    const acks = await produce(version, topic, ['--count', '3']);
    const messages = await consume(version, topic, 6, ['--fail-first', '1', '--retry-level', '1']);
    expect(
      pick(
        messages.filter((message) => message['reconsumeTimes'] === 0),
        ['seq', 'sha256'],
      ),
    ).toEqual(pick(acks, ['seq', 'sha256']));
    expect(
      pick(
        messages.filter((message) => message['reconsumeTimes'] === 1),
        ['seq', 'sha256'],
      ),
    ).toEqual(pick(acks, ['seq', 'sha256']));
  });

  it('asks offsets by number and by time', async () => {
    const topic = `Oracle_offsets_${suffix}`;
    await produce(version, topic, ['--count', '7', '--queue', 'id:2']);
    const questions = ['queues', 'max', 'min', 'search', 'commit', 'committed'];
    const tails = ['', ' 2', ' 2', ' 2 0', ' 2 5', ' 2'];
    const commands = questions.flatMap((word, at) => ['--do', `${word} ${topic}${tails[at] ?? ''}`]);
    const common = ['--namesrv', namesrv.address, '--group', `CID_${topic}`];
    const program = await runJava('Queries', [...common, ...commands], { version, home: clients });
    expect(program.factsOf('failed')).toEqual([]);
    const answers = program.facts.slice(1).map((fact) => fact['offset'] ?? fact['queues']);
    const queues = [0, 1, 2, 3].map((queueId) => `broker-a@${queueId}`);
    expect(answers).toEqual([queues, 7, 0, 0, 5, 5]);
  });

  it('keeps sending in one JVM while the broker is killed, and nothing acknowledged is lost', async () => {
    const topic = `Oracle_kill_${suffix}`;
    const load = ['--count', '0', '--persist', 'true', '--pause', '2', '--timeout', '2000', '--threads', '2'];
    const common = ['--namesrv', namesrv.address, '--topic', topic];
    const producer = await startJava('Produce', [...common, ...load], { version, home: clients });
    for (let kill = 0; kill < 2; kill++) {
      await producer.waitForFacts('ack', producer.factsOf('ack').length + 50, DELIVERY_MS);
      await broker.kill();
      broker = await startApacheBroker(brokerOptions);
    }
    await producer.waitForFacts('ack', producer.factsOf('ack').length + 50, DELIVERY_MS);
    await producer.finish(DELIVERY_MS);
    const acked = new Set(producer.factsOf('ack').map((ack) => ack['msgId']));
    const messages = await consume(version, topic, acked.size);
    const received = new Set(messages.map((message) => message['msgId']));
    expect([...acked].filter((msgId) => !received.has(msgId))).toEqual([]);
  });
});

describe('the rest of the harness', () => {
  it('reads with Apache what Apache wrote, also after a halt', async () => {
    const dir = path.join(root, 'store-class');
    const options = { version: '5.5.0', home: path.join(root, 'store-home') } as const;
    const common = ['--dir', dir, '--set', 'mappedFileSizeCommitLog=65536', '--set', 'maxIndexNum=500'];
    const shape = [
      '--topic',
      'StoreTopic',
      '--queues',
      '3',
      '--sizes',
      '0,10,3000',
      '--key-prefix',
      'k',
      '--hosts',
      'mixed',
    ];
    const clean = await runJava('StoreWriter', [...common, ...shape, '--count', '60'], options);
    const halt = await runJava(
      'StoreWriter',
      [...common, ...shape, '--count', '30', '--first-seq', '60', '--end', 'halt'],
      options,
    );
    const puts = [...clean.factsOf('put'), ...halt.factsOf('put')];
    expect(puts).toHaveLength(90);
    const reader = await runJava('StoreReader', [...common, '--query', 'StoreTopic:k-75'], options);
    const messages = reader.factsOf('message').map((fact): Fact => ({ ...fact, seq: Number(fact['seq']) }));
    const same = ['seq', 'topic', 'queueId', 'queueOffset', 'physicalOffset', 'size', 'sha256'];
    expect(pick(messages, same)).toEqual(pick(puts, same));
    expect(reader.factsOf('query')[0]?.['physicalOffsets']).toEqual([puts[75]?.['physicalOffset']]);
    expect(storeErrorsInLogs(options.home)).toEqual([]);
    expect(readdirSync(path.join(dir, 'commitlog')).length).toBeGreaterThan(1);
  });

  it('runs mqadmin', async () => {
    const result = await runMqadmin(['clusterList', '-n', namesrv.address], path.join(root, 'admin'));
    expect(result.lines.join('\n')).toContain('broker-a');
  });

  it('speaks Remoting by hand, with both header codecs', async () => {
    const connection = await RawConnection.open(namesrv.port);
    for (const serializeType of ['JSON', 'ROCKETMQ'] as const) {
      const response = await connection.request({ code: 105, ext: { topic: 'NoSuchTopic' }, serializeType });
      expect(response.header.code).toBe(17);
    }
    await connection.close();
  });

  it('left no error in the logs of the store', () => {
    expect(storeErrorsInLogs(brokerOptions.home)).toEqual([]);
  });
});
