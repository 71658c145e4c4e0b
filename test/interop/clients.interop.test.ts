/**
 * The official Java clients, unmodified, against our server: what they send arrives once, unchanged and in order; consumers share
 * queues as they come and go; refused messages come back; offsets survive restarts of either side.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fact, type JavaProgram, runJava } from './support/apache.ts';
import {
  type ClientKind,
  type Clients,
  DELIVERY_MS,
  expectGaplessOrder,
  javaClients,
  lostIds,
  pick,
  untilShared,
} from './support/clients.ts';
import { RawConnection } from './support/raw-remoting.ts';
import { type CometmqOptions, type CometmqProcess, startCometmq, until } from './support/cometmq.ts';

const KINDS: readonly ClientKind[] = [
  { version: '5.5.0', serialize: 'JSON' },
  { version: '5.5.0', serialize: 'ROCKETMQ' },
  { version: '4.9', serialize: 'JSON' },
  { version: '4.9', serialize: 'ROCKETMQ' },
];
const ONE_KIND_A_VERSION = KINDS.filter(({ version, serialize }) => (version === '4.9') === (serialize === 'ROCKETMQ'));
const QUEUES = 4;
const MIB = 1024 * 1024;
const SENT = ['msgId', 'topic', 'queueId', 'queueOffset', 'keys', 'tags', 'size', 'sha256'];

const root = mkdtempSync(path.join(tmpdir(), 'cometmq-clients-'));
const home = path.join(root, 'clients');
const serverOptions: CometmqOptions = {
  dataDir: path.join(root, 'data'),
  namesrvPort: 21_000,
  brokerPort: 21_010,
  settings: {
    mappedFileSizeCommitLog: 64 * MIB,
    mappedFileSizeConsumeQueue: 20_000,
    maxIndexNum: 10_000,
    maxHashSlotNum: 5_000,
  },
};
let server: CometmqProcess;

beforeAll(async () => {
  server = await startCometmq(serverOptions);
});

afterAll(async () => {
  await server.stop();
  rmSync(root, { recursive: true, force: true });
});

function clientsOf(kind: ClientKind): Clients {
  return javaClients(kind, server.namesrv, home);
}

function nameOf({ version, serialize }: ClientKind): string {
  return `${version.replaceAll('.', '_')}_${serialize}`;
}

/** Deliveries of all consumers, a property of the client's own added to each fact that tells of one. */
function deliveries(consumers: readonly JavaProgram[]): Fact[] {
  return consumers.flatMap((consumer) => consumer.factsOf('message'));
}

function seqs(facts: readonly Fact[]): number[] {
  return facts.map((fact) => Number(fact['seq'])).sort((a, b) => a - b);
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

describe.each(KINDS)('client $version with $serialize headers', (kind) => {
  it('gets every message of every way of sending back once, unchanged and in order', async () => {
    const { produce, startConsumer } = clientsOf(kind);
    const topicOf = (way: string): string => `Ways_${way}_${nameOf(kind)}`;
    const topics = ['sync', 'async', 'batch', 'oneway', 'raw'].map(topicOf);
    const consumer = await startConsumer(topics, `CID_ways_${nameOf(kind)}`, ['--pull-batch', '8']);
    const names = ['--tags', 'a,тег,タグ', '--key-prefix', 'ключ-鍵-🔑', '--property', 'имя=значение 🚀'];
    const sizes = ['--sizes', `1,100,4095,4096,4097,65536,${MIB},${4 * MIB}`];
    const text = [...names, ...sizes, '--body', 'text', '--count', '16'];
    const acks = [
      await produce(topicOf('sync'), ['--mode', 'sync', '--queue', 'index', ...text]),
      await produce(topicOf('async'), ['--mode', 'async', '--in-flight', '4', ...text]),
      await produce(topicOf('batch'), ['--mode', 'batch', '--count', '40', '--sizes', '1,1000,20000', ...names]),
      // Bytes that do not compress, sent as they are.
      await produce(topicOf('raw'), ['--compress-over', String(8 * MIB), ...names, ...sizes, '--count', '8']),
    ].flat();
    const oneway = await runJava(
      'Produce',
      ['--namesrv', server.namesrv, '--topic', topicOf('oneway'), '--mode', 'oneway', '--queue', 'id:3', ...text],
      { version: kind.version, home },
    );
    expect(acks).toHaveLength(16 + 16 + 40 + 8);
    await consumer.waitForFacts('message', acks.length + 16, DELIVERY_MS);
    await consumer.finish();
    const messages = consumer.factsOf('message');
    const answered = messages.filter((message) => message['topic'] !== topicOf('oneway'));
    const unanswered = messages.filter((message) => message['topic'] === topicOf('oneway'));
    expect(pick(answered, SENT)).toEqual(pick(acks, SENT));
    const sent = ['seq', 'msgId', 'size', 'sha256'];
    expect(pick(unanswered, sent)).toEqual(pick(oneway.factsOf('sent'), sent));
    expect(unanswered.every((message) => message['queueId'] === 3)).toBe(true);
    expectGaplessOrder(messages);
    const properties = messages.map((message) => message['properties'] as Record<string, string>);
    expect(properties.filter((map) => map['имя'] !== 'значение 🚀')).toEqual([]);
    // Bodies above the limit travel and lie compressed: it is the records that are small, what is delivered is whole.
    const texts = messages.filter((message) => message['topic'] === topicOf('sync'));
    const places = texts.map((message) => Number(message['physicalOffset']));
    expect(texts.reduce((sum, message) => sum + Number(message['size']), 0)).toBeGreaterThan(10 * MIB);
    expect(Math.max(...places) - Math.min(...places)).toBeLessThan(MIB);
    const bySeq = acks.filter((ack) => ack['topic'] === topicOf('sync'));
    expect(bySeq.filter((ack) => ack['queueId'] !== Number(ack['seq']) % QUEUES)).toEqual([]);
  });

  it('refuses an empty body itself and a body above its limit, and goes on', async () => {
    const options = { version: kind.version, home };
    const common = ['--namesrv', server.namesrv, '--topic', `Limits_${nameOf(kind)}`, '--count', '3', '--body', 'text'];
    const limits = [
      '--sizes',
      `0,10,${4 * MIB + 1}`,
      '--max-message-size',
      String(5 * MIB),
      '--compress-over',
      String(8 * MIB),
    ];
    const program = await runJava('Produce', [...common, ...limits], options);
    expect(seqs(program.factsOf('ack'))).toEqual([1]);
    const [empty, large] = program.factsOf('failed');
    expect(empty).toMatchObject({ seq: 0, code: 13 });
    // This one the server refuses.
    expect(large).toMatchObject({ seq: 2, code: 13 });
    expect(String(large?.['message'])).toContain('body length');
  });
});

describe.each(ONE_KIND_A_VERSION)('consumers of client $version ($serialize)', (kind) => {
  it('get the messages of the tags that they asked for, and no others', async () => {
    const { produce, startConsumer } = clientsOf(kind);
    const topic = `Tags_${nameOf(kind)}`;
    const consumer = await startConsumer([topic], `CID_${topic}`, ['--expression', 'a || тег']);
    const acks = await produce(topic, ['--count', '60', '--tags', 'a,b,тег,c']);
    const wanted = acks.filter((ack) => ack['tags'] === 'a' || ack['tags'] === 'тег');
    await consumer.waitForFacts('message', wanted.length, DELIVERY_MS);
    // The last message is of another tag; once one that fits comes behind it, all before it have been looked at.
    const [marker] = await produce(topic, ['--tags', 'a', '--first-seq', '60']);
    await consumer.waitForFacts('message', wanted.length + 1, DELIVERY_MS);
    await consumer.finish();
    expect(pick(consumer.factsOf('message'), SENT)).toEqual(pick([...wanted, marker as Fact], SENT));
  });

  it('share the queues as they join, leave and are killed, and lose nothing', async () => {
    const { startProducer, startConsumer } = clientsOf(kind);
    const topic = `Rebalance_${nameOf(kind)}`;
    const group = `CID_${topic}`;
    const producer = await startProducer(topic);
    await producer.waitForFacts('ack', 10, DELIVERY_MS);
    const all: JavaProgram[] = [];
    const join = async (): Promise<JavaProgram> => {
      const consumer = await startConsumer([topic], group);
      all.push(consumer);
      return consumer;
    };
    const steady = async (members: readonly JavaProgram[]): Promise<void> => {
      await untilShared(members, QUEUES);
      const counts = members.map((member) => member.factsOf('message').length);
      const everyoneGotMore = (): boolean =>
        members.every((member, index) => member.factsOf('message').length >= (counts[index] ?? 0) + 20);
      await until(everyoneGotMore, DELIVERY_MS, 'each member getting 20 more messages');
    };
    const first = await join();
    await steady([first]);
    const second = await join();
    const third = await join();
    await steady([first, second, third]);
    await second.finish();
    await steady([first, third]);
    await third.kill();
    await steady([first]);
    const fourth = await join();
    await steady([first, fourth]);
    await producer.finish();
    const acks = producer.factsOf('ack');
    await until(
      () => lostIds(acks, deliveries(all)).length === 0,
      DELIVERY_MS,
      'delivery of every acknowledged message',
    );
    await Promise.all([first.finish(), fourth.finish()]);
    const received = new Map<unknown, Set<JavaProgram>>();
    for (const consumer of all) {
      for (const message of consumer.factsOf('message')) {
        const receivers = received.get(message['msgId']) ?? new Set();
        // A queue that changes hands may bring a message to both hands, never twice to one.
        expect(receivers.has(consumer), `twice to one consumer: ${JSON.stringify(message)}`).toBe(false);
        received.set(message['msgId'], receivers.add(consumer));
      }
    }
    expect(received.size).toBe(acks.length);
  });

  it('get refused messages again with a count, and after the last time find them in the dead-letter topic', async () => {
    const { produce, startConsumer, ask } = clientsOf(kind);
    const topic = `Retry_${nameOf(kind)}`;
    const again = await startConsumer([topic], `CID_again_${topic}`, ['--fail-first', '2', '--retry-level', '1']);
    const never = await startConsumer([topic], `CID_never_${topic}`, [
      ...['--fail-first', '99', '--retry-level', '1', '--max-reconsume', '1'],
    ]);
    // Level 0 leaves the choice to the server: level 3, ten seconds, at the first time.
    const byServer = await startConsumer([topic], `CID_server_${topic}`, ['--fail-first', '1']);
    const acks = await produce(topic, ['--count', '6', '--key-prefix', 'k', '--tags', 'a,b']);
    await again.waitForFacts('message', 18, DELIVERY_MS);
    await never.waitForFacts('message', 12, DELIVERY_MS);
    await byServer.waitForFacts('message', 12, DELIVERY_MS);
    const same = ['msgId', 'topic', 'keys', 'tags', 'size', 'sha256'];
    for (const [consumer, times] of [
      [again, 3],
      [never, 2],
      [byServer, 2],
    ] as const) {
      const messages = consumer.factsOf('message');
      for (const time of range(0, times)) {
        const delivered = messages.filter((message) => message['reconsumeTimes'] === time);
        expect(pick(delivered, same), `delivery number ${time}`).toEqual(pick(acks, same));
      }
    }
    const dead = `%DLQ%CID_never_${topic}`;
    const deadCount = async (): Promise<unknown> =>
      (await ask(`CID_${dead.slice(5)}`, [`max ${dead} 0`]))[0]?.['offset'];
    await until(async () => (await deadCount()) === 6, DELIVERY_MS, 'six messages in the dead-letter topic');
    const [pulled] = await ask(`CID_${dead.slice(5)}`, [`pull ${dead} 0 0 32`]);
    const hashes = (pulled?.['messages'] as readonly string[]).map((message) => message.split(':')[1]);
    expect(hashes.sort()).toEqual(acks.map((ack) => ack['sha256']).sort());
    await Promise.all([again.finish(), never.finish(), byServer.finish()]);
  });

  it('go on where they were after a restart of theirs, a stop of the server and a kill of the server', async () => {
    const { produce, startConsumer } = clientsOf(kind);
    const topic = `Offsets_${nameOf(kind)}`;
    const group = `CID_${topic}`;
    const committed = (): Promise<number[]> => committedOffsets(group, topic);
    const takeTurn = async (firstSeq: number): Promise<void> => {
      await produce(topic, ['--count', '12', '--first-seq', String(firstSeq), '--queue', 'index']);
      const consumer = await startConsumer([topic], group);
      const eachQueue = (firstSeq + 12) / QUEUES;
      const isCommitted = async (): Promise<boolean> => (await committed()).every((offset) => offset === eachQueue);
      await until(isCommitted, DELIVERY_MS, `commit of ${eachQueue} in each queue`);
      await consumer.finish();
      expect(seqs(consumer.factsOf('message'))).toEqual(range(firstSeq, 12));
    };
    await takeTurn(0);
    await server.stop();
    server = await startCometmq(serverOptions);
    expect(await committed()).toEqual([3, 3, 3, 3]);
    await takeTurn(12);
    // A consumer's end takes longer than the 100 ms of commits that a kill may cost.
    await server.kill();
    server = await startCometmq(serverOptions);
    expect(await committed()).toEqual([6, 6, 6, 6]);
    await takeTurn(24);
  });

  it('and producers live through restarts of the server under load', async () => {
    const { startProducer, startConsumer } = clientsOf(kind);
    const topic = `Restart_${nameOf(kind)}`;
    const producer = await startProducer(topic);
    const consumer = await startConsumer([topic], `CID_${topic}`);
    for (let restart = 0; restart < 2; restart++) {
      await producer.waitForFacts('ack', producer.factsOf('ack').length + 200, DELIVERY_MS);
      await consumer.waitForFacts('message', consumer.factsOf('message').length + 100, DELIVERY_MS);
      await server.stop();
      expect(server.loggedErrors).toEqual([]);
      server = await startCometmq(serverOptions);
    }
    await producer.waitForFacts('ack', producer.factsOf('ack').length + 200, DELIVERY_MS);
    await producer.finish();
    const acks = producer.factsOf('ack');
    await until(() => lostIds(acks, consumer.factsOf('message')).length === 0, DELIVERY_MS, 'delivery of all');
    await consumer.finish();
    // An answer that a restart cut off makes the producer send again, and an offset that was not committed makes the consumer get again.
    const firsts = new Map<string, Fact>();
    for (const message of consumer.factsOf('message')) {
      const place = `${String(message['queueId'])}:${String(message['queueOffset'])}`;
      if (!firsts.has(place)) firsts.set(place, message);
    }
    expectGaplessOrder([...firsts.values()]);
    const acked = new Set(acks.map((ack) => ack['msgId']));
    const places = new Set(acks.map((ack) => `${String(ack['queueId'])}:${String(ack['queueOffset'])}`));
    const delivered = [...firsts].filter(([place, message]) => places.has(place) && acked.has(message['msgId']));
    expect(
      pick(
        delivered.map(([, message]) => message),
        SENT,
      ),
    ).toEqual(pick(acks, SENT));
  });

  it('begin at the first message, at the end or at a time, as they ask, in a topic that lost its oldest messages', async () => {
    const options: CometmqOptions = {
      dataDir: path.join(root, `reserved-${kind.version}`),
      namesrvPort: 21_020,
      brokerPort: 21_030,
      settings: {
        mappedFileSizeCommitLog: 64 * 1024,
        maxMessageSize: 16 * 1024,
        fileReservedTime: 0,
        deleteWhen: range(0, 24).join(';'),
        cleanResourceInterval: 100,
        mappedFileSizeConsumeQueue: 2_000,
        maxIndexNum: 1_000,
        maxHashSlotNum: 500,
      },
    };
    const small = await startCometmq(options);
    const { produce, startConsumer, ask } = javaClients(kind, small.namesrv, home);
    const topic = `From_${nameOf(kind)}`;
    const inQueue = ['--queue', 'id:0', '--sizes', '1000'];
    await produce(topic, [...inQueue, '--count', '400']);
    const minimum = async (): Promise<number> => Number((await ask('CID_min', [`min ${topic} 0`]))[0]?.['offset']);
    await until(async () => (await minimum()) > 0, DELIVERY_MS, 'removal of old segments');
    await produce(topic, [...inQueue, '--count', '5', '--first-seq', '400']);
    // The clients name a time in whole seconds, hence two seconds between "before" and "after".
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const timestamp = timestampOf(new Date());
    await produce(topic, [...inQueue, '--count', '5', '--first-seq', '405']);
    const min = await minimum();
    const starts = [
      ['first', ['--from', 'first']],
      ['last', ['--from', 'last']],
      ['timestamp', ['--from', 'timestamp', '--timestamp', timestamp]],
    ] as const;
    const consumers = await Promise.all(
      starts.map(([name, args]) => startConsumer([topic], `CID_${name}_${topic}`, args)),
    );
    await Promise.all(consumers.map((consumer) => untilShared([consumer], QUEUES)));
    await produce(topic, [...inQueue, '--count', '5', '--first-seq', '410']);
    const hasLast = (consumer: JavaProgram): boolean => seqs(consumer.factsOf('message')).at(-1) === 414;
    await until(() => consumers.every(hasLast), DELIVERY_MS, 'delivery of the last message to all three');
    await Promise.all(consumers.map((consumer) => consumer.finish()));
    const [first, last, fromTime] = consumers.map((consumer) => seqs(consumer.factsOf('message')));
    expect(first).toEqual(range(min, 415 - min));
    expect(last).toEqual(range(410, 5));
    expect(fromTime).toEqual(range(405, 10));
    await small.stop();
    expect(small.loggedErrors).toEqual([]);
  });
});

describe('our server', () => {
  it('logged no error in all of this', () => {
    expect(server.loggedErrors).toEqual([]);
  });
});

/** What the server answers to code 14, queue by queue; -1 for no offset. */
async function committedOffsets(group: string, topic: string): Promise<number[]> {
  const connection = await RawConnection.open(serverOptions.brokerPort);
  try {
    const offsets: number[] = [];
    for (const queueId of range(0, QUEUES)) {
      const ext = { consumerGroup: group, topic, queueId: String(queueId), setZeroIfNotFound: 'false' };
      const response = await connection.request({ code: 14, ext });
      offsets.push(response.header.code === 0 ? Number(response.header.extFields?.['offset']) : -1);
    }
    return offsets;
  } finally {
    await connection.close();
  }
}

/** As the clients take it: local time to the second, one second back. */
function timestampOf(date: Date): string {
  const before = new Date(date.getTime() - 1_000);
  const pad = (value: number): string => String(value).padStart(2, '0');
  const day = `${before.getFullYear()}${pad(before.getMonth() + 1)}${pad(before.getDate())}`;
  return `${day}${pad(before.getHours())}${pad(before.getMinutes())}${pad(before.getSeconds())}`;
}
