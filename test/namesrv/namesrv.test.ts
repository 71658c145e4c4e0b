import { deflateSync, inflateSync } from 'node:zlib';

import { afterEach, describe, expect, test } from 'vitest';

import { ManualClock, systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { createNamesrv } from '../../src/namesrv/namesrv.ts';
import type { Namesrv } from '../../src/namesrv/namesrv.ts';
import type { NamesrvOptions } from '../../src/namesrv/namesrv-settings.ts';
import { decodeTopicRoute } from '../../src/remoting/protocol/body/topic-route-body.ts';
import { decodeFrame } from '../../src/remoting/protocol/frame-codec.ts';
import { parseJavaJson } from '../../src/remoting/protocol/java-json-parser.ts';
import type { RemotingCommand } from '../../src/remoting/protocol/remoting-command.ts';
import { createRequest } from '../../src/remoting/protocol/request-headers.ts';
import { RequestCode } from '../../src/remoting/protocol/request-code.ts';
import { RemotingClient } from '../../src/remoting/transport/remoting-client.ts';
import { defaultRemotingLimits } from '../../src/remoting/transport/remoting-settings.ts';
import { frameBytes, goldenExchange } from '../remoting/support/golden-wire.ts';
import { RawPeer, requestFrame } from '../remoting/support/raw-peer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: Partial<NamesrvOptions> = {}): Promise<{ namesrv: Namesrv; address: string }> {
  const namesrv = createNamesrv({
    listenHost: '127.0.0.1',
    port: 0,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  const { port } = await namesrv.start();
  cleanups.push(() => namesrv.stop());
  return { namesrv, address: `127.0.0.1:${port}` };
}

function newClient(): RemotingClient {
  const client = new RemotingClient({ clock: systemClock, logger: silentLogger });
  cleanups.push(() => client.close());
  return client;
}

async function dial({ namesrv }: { namesrv: Namesrv }): Promise<RawPeer> {
  const peer = await RawPeer.connect(namesrv.address.port);
  cleanups.push(() => peer.socket.destroy());
  return peer;
}

/** Sends a captured request as it was captured. */
async function replay(peer: RawPeer, name: string): Promise<RemotingCommand> {
  const before = peer.received.length;
  peer.send(frameBytes(goldenExchange(name).request));
  return (await peer.receive(before + 1))[before] as RemotingCommand;
}

/** What Apache answered. */
function apacheAnswer(name: string): RemotingCommand {
  const { response } = goldenExchange(name);
  if (response === null) throw new Error(`${name} has no response`);
  const bytes = frameBytes(response);
  return decodeFrame(bytes, 0, bytes.length, defaultRemotingLimits);
}

function opaqueOf(name: string): number {
  return goldenExchange(name).request.header.opaque;
}

function expectSame(name: string, ours: RemotingCommand): void {
  const text = (answer: RemotingCommand): unknown => ({
    name,
    code: answer.code,
    remark: answer.remark,
    extFields: answer.extFields.toJSON(),
    body: answer.body.toString(),
  });
  expect(text(ours)).toEqual(text(apacheAnswer(name)));
}

const topicJson = { perm: 6, readQueueNums: 4, writeQueueNums: 4, topicSysFlag: 0, topicFilterType: 'SINGLE_TAG' };
const dataVersion = { counter: 1, stateVersion: 0, timestamp: 1 };

function registerBody(...names: string[]): Buffer {
  const topicConfigTable = Object.fromEntries(names.map((topicName) => [topicName, { topicName, ...topicJson }]));
  return Buffer.from(JSON.stringify({ topicConfigSerializeWrapper: { dataVersion, topicConfigTable } }));
}

const identity = { brokerName: 'b', brokerAddr: '10.0.0.1:10911', clusterName: 'c', brokerId: 0 };

function register(more: object = {}, body = registerBody('t1', 't2')): Parameters<RemotingClient['invoke']>[1] {
  return createRequest(RequestCode.REGISTER_BROKER, { ...identity, haServerAddr: '10.0.0.1:10912', ...more }, body);
}

const route = (topic: string): Parameters<RemotingClient['invoke']>[1] =>
  createRequest(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic });

describe('requests captured from an Apache broker and its clients are answered as Apache answered them', () => {
  test('each in its turn, with what the ones before it left', async () => {
    const peer = await dial(await start());
    const sequence = [
      '103-crc-wrong',
      '103-one-topic-first',
      '103-hand-made',
      '103-one-topic-then',
      '103-older',
      '103-slave',
      '322-same',
      '322-changed',
      '322-unknown',
      '105-standard',
      '105-version-401',
      '105-version-400',
      '105-loose',
      '105-accept-standard',
      '105-topic-unknown',
      '105-topic-empty',
      '224-by-cluster',
      '104-master',
      '104-slave',
      '104-unknown',
      '105-after-unregister',
      '9999-namesrv',
    ];
    const inCapturedOrder = sequence.toSorted((a, b) => opaqueOf(a) - opaqueOf(b));
    for (const name of inCapturedOrder) expectSame(name, await replay(peer, name));
  });

  test('the list of clusters, with a real broker among them', async () => {
    const peer = await dial(await start());
    for (const name of ['103-broker', '103-hand-made', '103-slave']) {
      expect(await replay(peer, name)).toMatchObject({ code: 0 });
    }
    const body = (await replay(peer, '106-standard')).body;
    expect(parseJavaJson(body)).toEqual(parseJavaJson(apacheAnswer('106-standard').body));
    expect(body.toString()).toContain(
      '{"brokerAddrs":{0:"127.0.0.9:10911",1:"127.0.0.9:10921"},"brokerName":"golden-broker"',
    );
  });

  test('what a real broker 5.5.0 registers makes the route that its clients got from Apache', async () => {
    const peer = await dial(await start());
    expect(await replay(peer, '103-broker')).toMatchObject({ code: 0 });
    expectSame('105-client-4.9', await replay(peer, '105-client-4.9'));
    expectSame('105-template', await replay(peer, '105-template'));
    const list = JSON.parse((await replay(peer, '206-all')).body.toString()) as { topicList: string[] };
    expect(list.topicList).toContain('TBW102');
    expect(await replay(peer, '104-broker')).toMatchObject({ code: 0 });
    expect(await replay(peer, '105-template')).toMatchObject({ code: 17 });
  });

  test('but for an empty broker name and a body that is no JSON: ours says what is wrong', async () => {
    const peer = await dial(await start());
    expect(await replay(peer, '103-name-empty')).toMatchObject({
      code: 29,
      remark: 'A broker registers with a name without blanks.',
    });
    expect(await replay(peer, '103-body-bad')).toMatchObject({
      code: 29,
      remark: 'The body is not JSON: expected a value at character 20.',
    });
  });
});

describe('a compressed registration', () => {
  const captured = goldenExchange('103-compressed').request;
  const bytes = frameBytes(captured);
  const inflated = inflateSync(decodeFrame(bytes, 0, bytes.length, defaultRemotingLimits).body);

  test('as a real broker sends it is read', async () => {
    const peer = await dial(await start());
    expectSame('103-compressed', await replay(peer, '103-compressed'));
    peer.send(requestFrame(RequestCode.GET_ROUTEINFO_BY_TOPIC, 1, { extFields: { topic: 'SCHEDULE_TOPIC_XXXX' } }));
    const [, answer] = await peer.receive(2);
    expect(decodeTopicRoute(answer?.body ?? Buffer.alloc(0)).queueDatas).toEqual([
      { brokerName: 'broker-strict', perm: 6, readQueueNums: 18, writeQueueNums: 18, topicSysFlag: 0 },
    ]);
    peer.send(requestFrame(RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, 2));
    const [, , all] = await peer.receive(3);
    const { topicList } = JSON.parse(all?.body.toString() ?? '') as { topicList: string[] };
    expect(topicList.length).toBeGreaterThan(10);
    expect(topicList).toContain('rmq_sys_SYNC_BROKER_MEMBER_broker-strict');
  });

  test('that is cut, blown up or no zlib stream is refused', async () => {
    const { address } = await start();
    const client = newClient();
    const answer = async (body: Buffer): Promise<string | undefined> => {
      const response = await client.invoke(address, register({ compressed: true }, body), 5000);
      expect(response.code).toBe(29);
      return response.remark;
    };
    expect(await answer(Buffer.from('no zlib'))).toBe('The compressed registration can not be inflated.');
    expect(await answer(deflateSync(Buffer.alloc(65 * 1024 * 1024)))).toBe(
      'The compressed registration can not be inflated.',
    );
    for (const length of [2, 30, 62, 70]) {
      expect(await answer(deflateSync(inflated.subarray(0, length)))).toMatch(/ends too early|beyond its end/);
    }
    const broken = Buffer.from(inflated);
    broken.writeInt32BE(-1, 0);
    expect(await answer(deflateSync(broken))).toBe('A length in the compressed registration is beyond its end.');
  });
});

describe('a broker is dropped', () => {
  test('when its connection closes, unless it has registered by another one since', async () => {
    const { address } = await start();
    const asking = newClient();
    const [first, second] = [newClient(), newClient()];
    await first.invoke(address, register(), 5000);
    await second.invoke(address, register(), 5000);
    await first.close();
    expect(await asking.invoke(address, route('t1'), 5000)).toMatchObject({ code: 0 });
    await second.close();
    await expect.poll(async () => (await asking.invoke(address, route('t1'), 5000)).code).toBe(17);
  });

  test('when it is silent for longer than it said, and its connection is closed', async () => {
    const clock = new ManualClock();
    const server = await start({ clock });
    const silent = await dial(server);
    const other = await dial(server);
    expect(await replay(silent, '103-hand-made')).toMatchObject({ code: 0 });
    expect(await replay(other, '105-standard')).toMatchObject({ code: 0 });
    for (let elapsedMs = 0; elapsedMs < 120_000; elapsedMs += 30_000) {
      // A wall clock that jumps expires nobody.
      clock.jumpWallClock(10_000_000);
      clock.advance(30_000);
      expect(await replay(other, '105-standard')).toMatchObject({ code: 0 });
      // Something that is no registration keeps the connection open, but says nothing about the broker.
      expect(await replay(silent, '105-standard')).toMatchObject({ code: 0 });
    }
    clock.advance(5000);
    expect(await replay(other, '105-standard')).toMatchObject({ code: 17 });
    await silent.closed();
  });

  test('not when it asks for its data version meanwhile', async () => {
    const clock = new ManualClock();
    const peer = await dial(await start({ clock }));
    expect(await replay(peer, '103-hand-made')).toMatchObject({ code: 0 });
    for (let round = 0; round < 5; round++) {
      clock.advance(60_000);
      const answer = await replay(peer, '322-same');
      expect(answer.extFields.get('changed')).toBe('false');
      expect(answer.body.toString()).toBe('{"counter":1,"stateVersion":0,"timestamp":1700000000000}');
    }
    expect((await replay(peer, '322-changed')).extFields.get('changed')).toBe('true');
    expect(await replay(peer, '105-standard')).toMatchObject({ code: 0 });
  });
});

test('addresses in answers are those that the hook gives for the asking connection', async () => {
  const asked: unknown[] = [];
  const { address, namesrv } = await start({
    resolveBrokerAddress: (brokerName, brokerId, registered, connection) => {
      asked.push([brokerName, brokerId, registered]);
      return brokerId === 0 ? `${connection.localAddress}:10911` : registered;
    },
  });
  const client = newClient();
  await client.invoke(address, register(), 5000);
  await client.invoke(address, register({ brokerId: 1, brokerAddr: '10.0.0.2:10911' }), 5000);
  const answer = await client.invoke(address, route('t1'), 5000);
  expect(decodeTopicRoute(answer.body).brokerDatas[0]?.brokerAddrs).toEqual(
    new Map([
      [0, '127.0.0.1:10911'],
      [1, '10.0.0.2:10911'],
    ]),
  );
  expect(asked).toEqual([
    ['b', 0, '10.0.0.1:10911'],
    ['b', 1, '10.0.0.2:10911'],
  ]);
  expect((await client.invoke(address, { code: 106 }, 5000)).body.toString()).toBe(
    '{"brokerAddrTable":{"b":{"brokerAddrs":{0:"127.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"b","cluster":"c",' +
      '"enableActingMaster":false}},"clusterAddrTable":{"c":["b"]}}',
  );
  const system = await client.invoke(address, { code: 304 }, 5000);
  expect(JSON.parse(system.body.toString())).toEqual({ topicList: ['c', 'b'], brokerAddr: '127.0.0.1:10911' });
  // Slaves and the hook do not change what is registered.
  expect(namesrv.address.host).toBe('127.0.0.1');
});

test('topic lists are empty before the first broker and complete after it', async () => {
  const { address } = await start();
  const client = newClient();
  const list = async (request: Parameters<RemotingClient['invoke']>[1]): Promise<unknown> =>
    JSON.parse((await client.invoke(address, request, 5000)).body.toString()) as unknown;
  const ofCluster = (cluster: string): Parameters<RemotingClient['invoke']>[1] =>
    createRequest(RequestCode.GET_TOPICS_BY_CLUSTER, { cluster });
  for (const request of [{ code: 206 }, { code: 304 }, ofCluster('c')])
    expect(await list(request)).toEqual({ topicList: [] });
  await client.invoke(address, register(), 5000);
  expect(await list({ code: 206 })).toEqual({ topicList: ['t1', 't2'] });
  expect(await list(ofCluster('c'))).toEqual({ topicList: ['t1', 't2'] });
  expect(await list(ofCluster('other'))).toEqual({ topicList: [] });
});

test.each([
  [{ brokerName: 'a b' }, 'A broker registers with a name without blanks.'],
  [{ clusterName: '' }, 'A broker registers with a cluster name without blanks.'],
  [{ brokerAddr: '10.0.0.1' }, 'A broker registers with an address host:port.'],
  [{ brokerId: -1 }, 'A broker registers with an id that is not negative.'],
])('a registration with %j is refused', async (wrong, remark) => {
  const { address } = await start();
  expect(await newClient().invoke(address, register(wrong), 5000)).toMatchObject({ code: 29, remark });
});

test('a registration with a topic name that can not be is refused', async () => {
  const { address } = await start();
  const body = registerBody('fine', 'not fine');
  expect(await newClient().invoke(address, register({}, body), 5000)).toMatchObject({
    code: 29,
    remark: 'The topic name "not fine" can not be registered.',
  });
});
