// What clients may make the broker remember about them, at the edge and over it.

import { expect, test } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ConsumerTable } from '../../../src/broker/client/consumer-table.ts';
import type { ConsumerTableOptions } from '../../../src/broker/client/consumer-table.ts';
import { readHeartbeat } from '../../../src/broker/client/heartbeat-data.ts';
import { ProducerTable } from '../../../src/broker/client/producer-table.ts';
import { consumerListProcessor } from '../../../src/broker/processor/consumer-list-processor.ts';
import { RequestCode } from '../../../src/remoting/protocol/request-code.ts';
import { createRequest } from '../../../src/remoting/protocol/request-headers.ts';
import { arrived, FakeConnection } from '../support/fake-connection.ts';
import { heartbeatRequest } from '../support/requests.ts';
import type { HeartbeatOptions } from '../support/requests.ts';

const client = (connection: FakeConnection, clientId = `client-${connection.id}`) => ({
  connection,
  clientId,
  language: 'JAVA' as const,
  version: 513,
  lastHeartbeatMs: 0,
});

function table(options: Partial<ConsumerTableOptions> = {}) {
  const clock = new ManualClock();
  const consumers = new ConsumerTable({
    clock,
    logger: silentLogger,
    isChangeNotified: true,
    groupClientsMax: 20_000,
    ...options,
  });
  const seen = (connection: FakeConnection, heartbeat: HeartbeatOptions = {}) => {
    const [data] = readHeartbeat(heartbeatRequest(heartbeat).body as Buffer, 10_000).consumers;
    const how = { isWithoutSubscriptions: heartbeat.withoutSub ?? false, isNotifying: true };
    return consumers.seen(client(connection, heartbeat.clientId), data!, how);
  };
  return { clock, consumers, seen };
}

test('clients in all groups together are bounded, and make room when they leave', () => {
  const { consumers, seen } = table({ membershipsMax: 3 });
  const [first, second] = [new FakeConnection(), new FakeConnection()];
  expect(seen(first, { group: 'a' })).toBeDefined();
  expect(seen(first, { group: 'b' })).toBeDefined();
  expect(seen(second, { group: 'a' })).toBeDefined();
  expect(seen(second, { group: 'b' })).toBeUndefined();
  expect(seen(second, { group: 'c' })).toBeUndefined();
  expect(consumers.groupCount).toBe(2);
  // Those that are in go on.
  expect(seen(first, { group: 'b' })).toBeDefined();
  consumers.unregister('b', first, true);
  consumers.unregister('b', first, true);
  expect(seen(second, { group: 'c' })).toBeDefined();
  expect(seen(second, { group: 'd' })).toBeUndefined();
  consumers.connectionClosed(second);
  expect(seen(first, { group: 'd' })).toBeDefined();
  expect(seen(first, { group: 'e' })).toBeDefined();
  expect(seen(first, { group: 'f' })).toBeUndefined();
});

test('subscriptions of all groups together are bounded by their bytes, and make room when they go', () => {
  const { consumers, seen } = table({ subscriptionBytesMax: 5_000 });
  const connection = new FakeConnection();
  const expression = 'x'.repeat(2_000);
  expect(seen(connection, { group: 'a', expression })).toBeDefined();
  expect(seen(connection, { group: 'b', expression })).toBeDefined();
  expect(seen(connection, { group: 'c', expression })).toBeUndefined();
  expect(consumers.find('c')).toBeUndefined();
  // The same again, a newer version of the same and less than that are no more than there is.
  for (const version of [1, 2, 3]) expect(seen(connection, { group: 'b', expression, version })).toBeDefined();
  expect(seen(connection, { group: 'b', topics: ['Letters', 'Parcels'], expression })).toBeUndefined();
  expect(consumers.find('b')?.subscriptionOf('Parcels')).toBeUndefined();
  expect(seen(connection, { group: 'b', version: 4 })).toBeDefined();
  expect(seen(connection, { group: 'c', expression: 'x'.repeat(1_500) })).toBeDefined();
  consumers.connectionClosed(connection);
  for (const group of ['d', 'e']) expect(seen(connection, { group, expression })).toBeDefined();
});

test('producers in all groups together are bounded, and so are the names of their groups', () => {
  const producers = new ProducerTable({ groupClientsMax: 10, membershipsMax: 2 });
  const connection = new FakeConnection();
  expect(producers.seen('n'.repeat(256), client(connection))).toBe(false);
  expect(producers.seen('n'.repeat(255), client(connection))).toBe(true);
  expect(producers.seen('b', client(connection))).toBe(true);
  expect(producers.seen('b', client(connection))).toBe(true);
  expect(producers.seen('c', client(connection))).toBe(false);
  producers.unregister('b', connection);
  producers.unregister('b', connection);
  expect(producers.seen('c', client(connection))).toBe(true);
  expect(producers.seen('d', client(connection))).toBe(false);
  producers.connectionClosed(connection);
  expect(producers.groupCount).toBe(0);
  for (const group of ['e', 'f']) expect(producers.seen(group, client(connection))).toBe(true);
});

test('a heartbeat that is larger than any honest one is refused unread', () => {
  const large = (sizeBytes: number): Buffer =>
    Buffer.from(JSON.stringify({ clientID: 'c', nothing: 'x'.repeat(sizeBytes) }));
  expect(readHeartbeat(large(2_000_000), 10).clientId).toBe('c');
  expect(() => readHeartbeat(large(2_100_000), 10)).toThrow(/2097152/);
});

test('the list of a large group is written down once for all who ask, and anew when it changed', () => {
  const { consumers, seen } = table();
  const list = consumerListProcessor(consumers);
  const ask = () => list(arrived(createRequest(RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: 'CID_test' })));
  const ids = (): string[] =>
    (JSON.parse((ask().body as Buffer).toString()) as { consumerIdList: string[] }).consumerIdList;
  const connections = Array.from({ length: 10_000 }, () => new FakeConnection());
  for (const [index, connection] of connections.entries()) seen(connection, { clientId: `id-${index}` });
  expect(ids()).toHaveLength(10_000);
  expect(ask().body).toBe(ask().body);
  const before = ask().body;
  seen(connections[0]!, { clientId: 'id-0' });
  expect(ask().body).toBe(before);
  seen(connections[0]!, { clientId: 'another name' });
  expect(ids()).toContain('another name');
  expect(ids()).not.toContain('id-0');
  consumers.connectionClosed(connections[1]!);
  expect(ids()).not.toContain('id-1');
  for (const connection of connections) consumers.connectionClosed(connection);
  expect(ask().code).toBe(1);
});

test('changes of a large group make one notice a member, however many changes a turn of the loop sees', () => {
  const { clock, seen } = table();
  const connections = Array.from({ length: 1_000 }, () => new FakeConnection());
  for (const connection of connections) seen(connection);
  clock.runDeferred();
  expect(connections.every(({ oneways }) => oneways.length === 1)).toBe(true);
});
