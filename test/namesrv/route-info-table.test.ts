import { describe, expect, test } from 'vitest';

import { topicConfig } from '../../src/model/topic-config.ts';
import { RouteInfoTable } from '../../src/namesrv/route-info-table.ts';
import type { BrokerRegistration } from '../../src/namesrv/route-info-table.ts';

const version = (counter: number, stateVersion = 0): BrokerRegistration['dataVersion'] => ({
  counter,
  stateVersion,
  timestamp: 1,
});

const topics = (...names: string[]): BrokerRegistration['topics'] =>
  names.map((name) => topicConfig(name, { readQueueNums: 2, writeQueueNums: 3 }));

function registration(more: Partial<BrokerRegistration> = {}): BrokerRegistration {
  return {
    clusterName: 'c',
    brokerName: 'b',
    brokerId: 0,
    brokerAddr: '10.0.0.1:1',
    haServerAddr: '10.0.0.1:2',
    heartbeatTimeoutMs: undefined,
    enableActingMaster: false,
    dataVersion: version(1),
    topics: topics('t1', 't2'),
    ...more,
  };
}

const slave = { brokerId: 1, brokerAddr: '10.0.0.2:1', haServerAddr: '10.0.0.2:2' };

const addresses = (table: RouteInfoTable<string>, brokerName = 'b'): unknown =>
  Object.fromEntries([...table.groups()].find((group) => group.brokerName === brokerName)?.brokerAddrs ?? []);

describe('a registration', () => {
  test('makes a route', () => {
    const table = new RouteInfoTable<string>();
    expect(table.register(registration(), 'x', 0)).toEqual({ status: 'registered' });
    expect(table.route('t1')).toMatchObject({
      brokerDatas: [{ brokerName: 'b', cluster: 'c', brokerAddrs: new Map([[0, '10.0.0.1:1']]) }],
      queueDatas: [{ brokerName: 'b', readQueueNums: 2, writeQueueNums: 3, perm: 6, topicSysFlag: 0 }],
    });
    expect(table.route('t3')).toBeUndefined();
    expect(table.topics()).toEqual(['t1', 't2']);
    expect(table.clusters()).toEqual(new Map([['c', new Set(['b'])]]));
  });

  test('again with a new data version changes topics; with the same one only adds those that are missing', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration(), 'x', 0);
    const readOnly = [topicConfig('t1', { perm: 4 }), topicConfig('t3')];
    table.register(registration({ topics: readOnly }), 'x', 0);
    expect(table.route('t1')?.queueDatas[0]?.perm).toBe(6);
    expect(table.route('t3')).toBeDefined();
    table.register(registration({ topics: readOnly, dataVersion: version(2) }), 'x', 0);
    expect(table.route('t1')?.queueDatas[0]?.perm).toBe(4);
    // A topic that is not named stays: a broker registers single topics too.
    expect(table.route('t2')).toBeDefined();
  });

  test('of a single topic is refused before the first full one, and taken after it', () => {
    const table = new RouteInfoTable<string>();
    const single = registration({ topics: topics('t9'), dataVersion: version(2) });
    expect(table.register(single, 'x', 0)).toEqual({ status: 'not-registered-yet' });
    expect([...table.groups()]).toEqual([]);
    expect(table.clusters().size).toBe(0);
    table.register(registration(), 'x', 0);
    expect(table.register(single, 'x', 0)).toEqual({ status: 'registered' });
    expect(table.topics()).toEqual(['t1', 't2', 't9']);
  });

  test('of a slave gets the addresses of its master and brings no topics', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration(), 'x', 0);
    const result = table.register(registration({ ...slave, topics: topics('s1', 's2') }), 'y', 0);
    expect(result).toEqual({ status: 'registered', masterAddr: '10.0.0.1:1', haServerAddr: '10.0.0.1:2' });
    expect(table.topics()).toEqual(['t1', 't2']);
    expect(addresses(table)).toEqual({ 0: '10.0.0.1:1', 1: '10.0.0.2:1' });
  });

  test('of a slave brings topics while it has the lowest id, but not from a version that knows no acting master', () => {
    const table = new RouteInfoTable<string>();
    expect(table.register(registration({ ...slave, brokerId: 2 }), 'y', 0)).toEqual({ status: 'registered' });
    expect(table.topics()).toEqual(['t1', 't2']);
    const old = new RouteInfoTable<string>();
    old.register(registration({ ...slave, enableActingMaster: undefined }), 'y', 0);
    expect(old.topics()).toEqual([]);
  });

  test('of a slave that became master leaves its old id', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration(slave), 'y', 0);
    table.register(registration({ ...slave, brokerId: 0 }), 'y', 0);
    expect(addresses(table)).toEqual({ 0: '10.0.0.2:1' });
  });

  test('with another address for an id is ignored when its state is older, and replaces it otherwise', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration({ dataVersion: version(1, 5) }), 'x', 0);
    const other = { brokerAddr: '10.0.0.3:1' };
    expect(table.register(registration({ ...other, dataVersion: version(9, 4) }), 'z', 0)).toEqual({
      status: 'conflict',
      registeredAddr: '10.0.0.1:1',
    });
    expect(addresses(table)).toEqual({ 0: '10.0.0.1:1' });
    expect(table.ownedBy('z')).toEqual([]);
    expect(table.register(registration({ ...other, dataVersion: version(1, 5) }), 'z', 0)).toEqual({
      status: 'registered',
    });
    expect(addresses(table)).toEqual({ 0: '10.0.0.3:1' });
  });
});

describe('an unregistration', () => {
  test('of the last broker of a name takes its topics along, and the cluster when that is empty', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration(), 'x', 0);
    table.register(registration({ brokerName: 'b2', brokerAddr: '10.0.0.9:1', topics: topics('t1', 'own') }), 'y', 0);
    table.register(registration(slave), 'z', 0);

    expect(table.unregister(registration())).toBe(true);
    expect(table.route('t2')?.brokerDatas).toHaveLength(1);
    expect(table.unregister(registration(slave))).toBe(true);
    expect(table.topics()).toEqual(['t1', 'own']);
    expect(table.route('t1')?.queueDatas.map(({ brokerName }) => brokerName)).toEqual(['b2']);
    expect(table.clusters()).toEqual(new Map([['c', new Set(['b2'])]]));
    table.unregister(registration({ brokerName: 'b2', brokerAddr: '10.0.0.9:1' }));
    expect(table.clusters().size).toBe(0);
    expect(table.topics()).toEqual([]);
  });

  test('of somebody unknown changes nothing', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration(), 'x', 0);
    expect(table.unregister(registration({ brokerAddr: '10.0.0.7:7' }))).toBe(false);
    expect(table.unregister(registration({ brokerName: 'nobody', brokerAddr: '10.0.0.7:7' }))).toBe(false);
    expect(table.topics()).toEqual(['t1', 't2']);
  });
});

describe('a broker is alive', () => {
  test('for 120 s after it was last heard of', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration(), 'x', 1000);
    expect(table.expired(121_000)).toEqual([]);
    expect(table.expired(121_001)).toMatchObject([{ brokerName: 'b', brokerAddr: '10.0.0.1:1', owner: 'x' }]);
    table.touch('c', '10.0.0.1:1', 50_000);
    expect(table.expired(170_000)).toEqual([]);
    table.register(registration(), 'x', 200_000);
    expect(table.expired(320_000)).toEqual([]);
  });

  test('for as long as it asked for', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration({ heartbeatTimeoutMs: 10_000 }), 'x', 0);
    expect(table.expired(10_000)).toEqual([]);
    expect(table.expired(10_001)).toHaveLength(1);
  });

  test('on the connection by which it registered last', () => {
    const table = new RouteInfoTable<string>();
    table.register(registration(), 'old', 0);
    table.register(registration(), 'new', 0);
    expect(table.ownedBy('old')).toEqual([]);
    expect(table.ownedBy('new')).toMatchObject([{ brokerName: 'b', brokerId: 0 }]);
  });
});

test('a data version is changed when any part differs, and for a broker that is not known', () => {
  const table = new RouteInfoTable<string>();
  const broker = { clusterName: 'c', brokerAddr: '10.0.0.1:1' };
  const known = { counter: 1, stateVersion: 2, timestamp: 3 };
  expect(table.isDataVersionChanged(broker, known)).toBe(true);
  table.register(registration({ dataVersion: known }), 'x', 0);
  expect(table.isDataVersionChanged(broker, { ...known })).toBe(false);
  for (const part of ['counter', 'stateVersion', 'timestamp'] as const) {
    expect(table.isDataVersionChanged(broker, { ...known, [part]: 9 })).toBe(true);
  }
});

test('the topics of a cluster are those of its brokers, each once', () => {
  const table = new RouteInfoTable<string>();
  table.register(registration(), 'x', 0);
  table.register(registration({ brokerName: 'b2', brokerAddr: '10.0.0.9:1', topics: topics('t1', 't3') }), 'y', 0);
  table.register(
    registration({ clusterName: 'c2', brokerName: 'b3', brokerAddr: '10.0.0.8:1', topics: topics('t4', 't5') }),
    'z',
    0,
  );
  expect(table.topicsOfCluster('c')).toEqual(['t1', 't2', 't3']);
  expect(table.topicsOfCluster('c2')).toEqual(['t4', 't5']);
  expect(table.topicsOfCluster('nowhere')).toEqual([]);
});
