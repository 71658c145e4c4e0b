/**
 * One data directory, two owners in turn: Apache's broker and ours, with the same broker.conf. Whoever opens it finds every message
 * at its place, every topic, group and offset, and the retries and delayed messages that the other one had not delivered yet;
 * after clean stops exactly, after kills without loss.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/open-store.ts';
import {
  type BrokerOptions,
  brokerProperties,
  type Fact,
  runJava,
  startApacheBroker,
  storeErrorsInLogs,
  writeProperties,
} from './support/apache.ts';
import { type Clients, DELIVERY_MS, javaClients, lostIds, pick } from './support/clients.ts';
import { CometmqProcess, runCometmq, until } from './support/cometmq.ts';
import { parseJavaJson } from './support/java-json.ts';
import { RawConnection } from './support/raw-remoting.ts';

const SIZES = {
  mappedFileSizeCommitLog: 256 * 1024,
  mappedFileSizeConsumeQueue: 2_000,
  maxIndexNum: 500,
  maxHashSlotNum: 100,
  maxMessageSize: 64 * 1024,
};
const BROKER_PORT = 21_110;
const RETRY_LEVEL = 3;
const PLACE = ['msgId', 'topic', 'queueId', 'queueOffset', 'keys', 'tags', 'size', 'sha256'];
const CONTENT = ['msgId', 'topic', 'keys', 'tags', 'size', 'sha256'];

const root = mkdtempSync(path.join(tmpdir(), 'cometmq-files-'));
let namesrv: CometmqProcess;
let clients: Clients;

beforeAll(async () => {
  namesrv = await CometmqProcess.start(['namesrv', '--set', 'listenPort=21100'], path.join(root, 'namesrv'));
  clients = javaClients({ version: '5.5.0', serialize: 'JSON' }, namesrv.namesrv, path.join(root, 'clients'));
});

afterAll(async () => {
  await namesrv.stop();
  rmSync(root, { recursive: true, force: true });
});

type Owner = 'Apache' | 'CometMQ';
type End = 'stop' | 'kill';

interface RunningBroker {
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** A test that is tried again begins with a directory and a topic that nobody has seen. */
let directoryCount = 0;

/** What the directory must hold, whoever opens it. */
class SharedDirectory {
  readonly dir: string;
  readonly home: string;
  readonly #broker: BrokerOptions;
  readonly #topic: string;
  /** Acknowledged with their place in the topic's queues. */
  readonly #stored: Fact[] = [];
  /** What the group has not had, what it refused once, and what is delayed. */
  #unread: Fact[] = [];
  #refused: Fact[] = [];
  #delayed: Fact[] = [];
  #nextSeq = 0;
  #turn = 0;
  #wasKilled = false;

  constructor(name: string) {
    const fresh = `${name}_${++directoryCount}`;
    this.home = path.join(root, fresh);
    this.dir = path.join(this.home, 'store');
    this.#topic = `Files_${fresh}`;
    const places = { home: this.home, storeDir: this.dir };
    // Without messageIndexSafe Apache, after any kill, throws the last index file away and fills only the end of it again.
    const conf = { ...SIZES, messageIndexSafe: true };
    this.#broker = { listenPort: BROKER_PORT, namesrv: namesrv.namesrv, ...places, conf };
  }

  get stored(): readonly Fact[] {
    return this.#stored;
  }

  get topic(): string {
    return this.#topic;
  }

  async #open(owner: Owner): Promise<RunningBroker> {
    if (owner === 'Apache') return startApacheBroker(this.#broker);
    const conf = writeProperties(this.home, 'broker.conf', brokerProperties(this.#broker));
    return CometmqProcess.start(['broker', '-c', conf, '-n', namesrv.namesrv], path.join(this.home, 'process'));
  }

  /** One owner's time. */
  async owned(owner: Owner, end: End, work: () => Promise<void>): Promise<void> {
    const broker = await this.#open(owner);
    try {
      await work();
    } catch (error) {
      await broker.kill();
      throw error;
    }
    await (end === 'stop' ? broker.stop() : broker.kill());
  }

  /** Checks what the owner before left, adds to it, ends. */
  async turn(owner: Owner, end: End): Promise<void> {
    await this.owned(owner, end, async () => {
      await this.#expectEverything();
      await this.#add();
    });
    this.#wasKilled = end === 'kill';
    this.#turn++;
  }

  /** Messages of one size, each with three entries in the index: unique key, key and tag. */
  async produce(count: number, sizeBytes: number): Promise<void> {
    const plain = ['--sizes', String(sizeBytes), '--compress-over', String(64 * 1024)];
    const shape = ['--count', String(count), '--first-seq', String(this.#nextSeq), ...plain];
    this.#stored.push(...(await clients.produce(this.#topic, [...shape, '--tags', 'a', '--key-prefix', 'key'])));
    this.#nextSeq += count;
  }

  indexFiles(): string[] {
    return readdirSync(path.join(this.dir, 'index'));
  }

  async #expectEverything(): Promise<void> {
    if (this.#turn === 0) return;
    const { startConsumer } = clients;
    const [audit, reader, refuser, waiter] = await Promise.all([
      startConsumer([this.#topic], `CID_audit_${this.#turn}`),
      startConsumer([this.#topic], 'CID_reader'),
      startConsumer([this.#topic], 'CID_refuser'),
      startConsumer([`${this.#topic}_delayed`], 'CID_waiter'),
    ]);
    const wait: readonly [typeof audit, readonly Fact[], string][] = [
      [audit, this.#stored, 'everything'],
      [reader, this.#unread, 'what the group had not read'],
      [refuser, this.#refused, 'what the group had refused'],
      [waiter, this.#delayed, 'what was delayed'],
    ];
    for (const [consumer, facts, what] of wait) {
      await until(() => lostIds(facts, consumer.factsOf('message')).length === 0, DELIVERY_MS, `delivery of ${what}`);
    }
    await this.#untilCommitted('CID_reader');
    await this.#untilCommitted('CID_refuser');
    await Promise.all(wait.map(([consumer]) => consumer.finish()));
    expect(pick(audit.factsOf('message'), PLACE)).toEqual(pick(this.#stored, PLACE));
    if (this.#wasKilled) return;
    expect(pick(reader.factsOf('message'), PLACE)).toEqual(pick(this.#unread, PLACE));
    expect(pick(refuser.factsOf('message'), CONTENT)).toEqual(pick(this.#refused, CONTENT));
    expect(refuser.factsOf('message').filter((message) => message['reconsumeTimes'] !== 1)).toEqual([]);
    expect(pick(waiter.factsOf('message'), CONTENT)).toEqual(pick(this.#delayed, CONTENT));
  }

  async #add(): Promise<void> {
    const { produce, startConsumer } = clients;
    const first = this.#nextSeq;
    const names = ['--tags', 'a,тег', '--key-prefix', 'ключ', '--property', 'имя=значение'];
    const from = (seq: number): string[] => ['--first-seq', String(seq), ...names];
    const sizes = ['--sizes', '1,500,5000,60000', '--queue', 'index', '--compress-over', String(64 * 1024)];
    this.#unread = [
      ...(await produce(this.#topic, ['--count', '24', ...sizes, ...from(first)])),
      ...(await produce(this.#topic, ['--count', '40', '--mode', 'batch', '--sizes', '1,2000', ...from(first + 24)])),
    ];
    this.#stored.push(...this.#unread);
    this.#nextSeq = first + 64;
    const scheduled = await scheduledCount();
    const delay = ['--count', '3', '--delay-level', String(RETRY_LEVEL)];
    const refuse = ['--fail-first', '1', '--retry-level', String(RETRY_LEVEL)];
    const [refuser, delayed] = await Promise.all([
      startConsumer([this.#topic], 'CID_refuser', refuse),
      produce(`${this.#topic}_delayed`, [...delay, ...from(this.#nextSeq)]),
    ]);
    this.#delayed = delayed;
    const wanted = scheduled + this.#unread.length + this.#delayed.length;
    await until(async () => (await scheduledCount()) >= wanted, DELIVERY_MS, 'scheduling of what was refused');
    await this.#untilCommitted('CID_refuser');
    await refuser.finish();
    const deliveries = refuser.factsOf('message').filter((message) => message['reconsumeTimes'] === 0);
    this.#refused = this.#unread;
    expect(lostIds(this.#refused, deliveries)).toEqual([]);
  }

  /** Every queue of the topic is read to its end, and the broker knows it. */
  async #untilCommitted(group: string): Promise<void> {
    const connection = await RawConnection.open(BROKER_PORT);
    const isCommitted = async (queueId: number): Promise<boolean> => {
      const ext = { topic: this.#topic, queueId: String(queueId) };
      const max = await connection.request({ code: 30, ext });
      const committed = await connection.request({ code: 14, ext: { ...ext, consumerGroup: group } });
      return max.header.extFields?.['offset'] === committed.header.extFields?.['offset'];
    };
    try {
      for (const queueId of [0, 1, 2, 3]) {
        await until(() => isCommitted(queueId), DELIVERY_MS, `commit of queue ${queueId} by ${group}`);
      }
    } finally {
      await connection.close();
    }
  }

  /** The configuration files as Apache's JSON, the maps only. */
  config(): { readonly topics: object; readonly groups: object; readonly offsets: Readonly<Record<string, object>> } {
    const read = (name: string): Record<string, object> =>
      parseJavaJson(readFileSync(path.join(this.dir, 'config', name), 'utf8')) as Record<string, object>;
    return {
      topics: read('topics.json')['topicConfigTable'] ?? {},
      groups: read('subscriptionGroup.json')['subscriptionGroupTable'] ?? {},
      offsets: (read('consumerOffset.json')['offsetTable'] ?? {}) as Record<string, object>,
    };
  }

  expectClean(): void {
    const { code, output } = runCometmq(['store', 'check', this.dir]);
    expect(code, output).toBe(0);
  }
}

/** Messages that were ever scheduled with our level. */
async function scheduledCount(): Promise<number> {
  const connection = await RawConnection.open(BROKER_PORT);
  try {
    const ext = { topic: 'SCHEDULE_TOPIC_XXXX', queueId: String(RETRY_LEVEL - 1) };
    return Number((await connection.request({ code: 30, ext })).header.extFields?.['offset']);
  } finally {
    await connection.close();
  }
}

const storeOptions = Object.entries(SIZES).flatMap(([key, value]) => ['--set', `${key}=${value}`]);

/** Apache's own store class reads all of it and finds messages by key. */
async function expectReadableByApache(directory: SharedDirectory): Promise<void> {
  const asked = directory.stored.filter((_, index) => index % 10 === 0);
  const keys = asked.flatMap((ack) => ['--query', `${directory.topic}:${String(ack['keys'])}`]);
  const home = path.join(directory.home, 'reader');
  const reader = await runJava(
    'StoreReader',
    ['--dir', directory.dir, '--ha-port', '21119', ...storeOptions, ...keys],
    {
      version: '5.5.0',
      home,
    },
  );
  expect(reader.factsOf('unreadable')).toEqual([]);
  expect(reader.factsOf('undecodable')).toEqual([]);
  const messages = reader.factsOf('message').filter((message) => message['topic'] === directory.topic);
  const place = ['topic', 'queueId', 'queueOffset', 'keys', 'tags', 'size', 'sha256'];
  expect(pick(messages, place)).toEqual(pick(directory.stored, place));
  const offsetOf = new Map(messages.map((message) => [message['keys'], message['physicalOffset']]));
  const found = reader.factsOf('query').map((fact) => fact['physicalOffsets']);
  expect(found).toEqual(asked.map((ack) => [offsetOf.get(ack['keys'])]));
  expect(storeErrorsInLogs(home)).toEqual([]);
}

/** Our engine finds messages by key, also those that Apache indexed. */
async function expectQueriesByOurs(directory: SharedDirectory): Promise<void> {
  await using store = await openStore({
    dir: directory.dir,
    config: {
      commitLogSegmentSizeBytes: SIZES.mappedFileSizeCommitLog,
      consumeQueueSegmentSizeBytes: SIZES.mappedFileSizeConsumeQueue,
      indexEntryCountMax: SIZES.maxIndexNum,
      indexHashSlotCount: SIZES.maxHashSlotNum,
      messageSizeBytesMax: SIZES.maxMessageSize,
    },
  });
  for (const ack of directory.stored) {
    const found = await store.query(directory.topic, String(ack['keys']), { countMax: 10 });
    const places = found.map(({ queueId, queueOffset }) => ({ queueId, queueOffset }));
    expect(places).toEqual([{ queueId: ack['queueId'], queueOffset: ack['queueOffset'] }]);
  }
}

/** What Apache warns of in any run, also on directories that nobody else touched. */
const USUAL_WARNINGS: readonly RegExp[] = [
  /Load default HA Service/,
  /The commitlog files are deleted, and delete the consume queue files/,
  /create mappedFile spent time/,
  /Over index file capacity|Index file \[.*\] is full/,
  /interrupted, (this may caused|possibly) by shutdown/,
  // Recovery found the zeros behind the last record.
  /found a illegal magic code 0x0$/,
  // The queues end exactly where the log ends.
  /maxPhyOffsetOfConsumeQueue\((\d+)\) >= processOffset\(\1\)/,
];

/** Errors and unusual warnings in what Apache's store logged, in every run with this home directory. */
function complaintsOfApache(home: string): string[] {
  const logs = path.join(home, 'logs/rocketmqlogs');
  const names = readdirSync(logs).filter((name) => /^store(error)?\.log$/.test(name));
  expect(names).toContain('store.log');
  return names
    .flatMap((name) => readFileSync(path.join(logs, name), 'utf8').split('\n'))
    .filter((line) => / (WARN|ERROR) /.test(line) && !USUAL_WARNINGS.some((usual) => usual.test(line)));
}

const LIVES: readonly (readonly [string, readonly (readonly [Owner, End])[]])[] = [
  [
    'apache_first',
    [
      ['Apache', 'stop'],
      ['CometMQ', 'stop'],
      ['Apache', 'stop'],
    ],
  ],
  [
    'ours_first',
    [
      ['CometMQ', 'stop'],
      ['Apache', 'stop'],
      ['CometMQ', 'stop'],
    ],
  ],
  [
    'killed',
    [
      ['Apache', 'kill'],
      ['CometMQ', 'kill'],
      ['Apache', 'kill'],
      ['CometMQ', 'stop'],
    ],
  ],
];

describe.each(LIVES)('the directory %s', (name, turns) => {
  it('keeps everything through all hands', async () => {
    const directory = new SharedDirectory(name);
    let before: ReturnType<SharedDirectory['config']> | undefined;
    for (const [owner, end] of turns) {
      await directory.turn(owner, end);
      directory.expectClean();
      if (end === 'kill') continue;
      const after = directory.config();
      if (before !== undefined) {
        expect(after.topics).toMatchObject(before.topics);
        expect(after.groups).toMatchObject(before.groups);
        expect(Object.keys(after.offsets)).toEqual(expect.arrayContaining(Object.keys(before.offsets)));
      }
      before = after;
    }
    expect(complaintsOfApache(directory.home)).toEqual([]);
    await expectQueriesByOurs(directory);
    await expectReadableByApache(directory);
    directory.expectClean();
  });
});

/** An index file takes 499 entries, so 166 messages; a segment of the log takes four messages of 60,000 bytes. */
const INDEX_LIVES: readonly (readonly [string, (directory: SharedDirectory) => Promise<void>])[] = [
  [
    'a file that we had made ahead',
    async (directory) => {
      await directory.owned('CometMQ', 'stop', () => directory.produce(300, 100));
      expect(directory.indexFiles()).toHaveLength(2);
      await directory.owned('CometMQ', 'kill', async () => {
        await directory.produce(25, 100);
        await until(() => directory.indexFiles().length === 3, DELIVERY_MS, 'making of an index file ahead');
      });
    },
  ],
  [
    'a file that we had begun several segments before',
    async (directory) => {
      await directory.owned('CometMQ', 'stop', async () => {
        await directory.produce(170, 100);
        await directory.produce(12, 60_000);
      });
      await directory.owned('CometMQ', 'kill', () => directory.produce(100, 100));
      expect(directory.indexFiles()).toHaveLength(2);
    },
  ],
];

describe.each(INDEX_LIVES)('an index with %s', (_, live) => {
  it('is whole when Apache and we go on after kills', async () => {
    const directory = new SharedDirectory('index');
    await live(directory);
    directory.expectClean();
    await directory.owned('Apache', 'kill', () => Promise.resolve());
    directory.expectClean();
    expect(complaintsOfApache(directory.home)).toEqual([]);
    await expectQueriesByOurs(directory);
    directory.expectClean();
    await expectReadableByApache(directory);
    directory.expectClean();
  });
});
