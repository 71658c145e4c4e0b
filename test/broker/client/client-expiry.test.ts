import { expect, test } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ClientExpiry } from '../../../src/broker/client/client-expiry.ts';
import { ConsumerTable } from '../../../src/broker/client/consumer-table.ts';
import { readHeartbeat } from '../../../src/broker/client/heartbeat-data.ts';
import { ProducerTable } from '../../../src/broker/client/producer-table.ts';
import { FakeConnection } from '../support/fake-connection.ts';
import { heartbeatRequest } from '../support/requests.ts';

function tables() {
  const clock = new ManualClock();
  const consumers = new ConsumerTable({ clock, logger: silentLogger, isChangeNotified: true, groupClientsMax: 10 });
  const producers = new ProducerTable({ groupClientsMax: 2 });
  const expiry = new ClientExpiry({ clock, consumers, producers, expiryMs: 120_000, checkIntervalMs: 10_000 });
  const [data] = readHeartbeat(heartbeatRequest().body as Buffer, 100).consumers;
  const client = (connection: FakeConnection) => ({
    connection,
    clientId: `client-${connection.id}`,
    language: 'JAVA' as const,
    version: 513,
    lastHeartbeatMs: clock.monotonicMs(),
  });
  const heartbeat = (connection: FakeConnection): void => {
    consumers.seen(client(connection), data!, { isWithoutSubscriptions: false, isNotifying: true });
    expiry.clientSeen();
  };
  return { clock, consumers, producers, expiry, heartbeat, client };
}

test('a client that goes silent is cut off after its time, and the others are told', () => {
  const { clock, consumers, heartbeat } = tables();
  const [silent, lively] = [new FakeConnection(), new FakeConnection()];
  heartbeat(silent);
  heartbeat(lively);
  for (let seconds = 0; seconds < 120; seconds += 30) {
    clock.advance(30_000);
    heartbeat(lively);
  }
  expect(silent.isOpen).toBe(true);
  const noticesBefore = lively.oneways.length;
  clock.advance(20_000);
  expect(silent.closedBecause).toContain('120000 ms');
  expect(lively.isOpen).toBe(true);
  expect(lively.oneways.length).toBe(noticesBefore + 1);
  expect(consumers.find('CID_test')?.clientCount).toBe(1);
});

test('a silent producer is cut off too', () => {
  const { clock, producers, expiry, client } = tables();
  const connection = new FakeConnection();
  producers.seen('PID_test', client(connection));
  expiry.clientSeen();
  clock.advance(131_000);
  expect(connection.isOpen).toBe(false);
  expect(producers.groupCount).toBe(0);
});

test('a producer group has no more clients than the settings allow', () => {
  const { producers, client } = tables();
  const connections = [new FakeConnection(), new FakeConnection(), new FakeConnection()];
  expect(connections.map((connection) => producers.seen('PID_test', client(connection)))).toEqual([true, true, false]);
  producers.unregister('PID_test', connections[0]!);
  expect(producers.seen('PID_test', client(connections[2]!))).toBe(true);
  expect(producers.clientsOf('PID_test')).toHaveLength(2);
});

test('nothing ticks while there are no clients', () => {
  const { clock, heartbeat, consumers } = tables();
  const connection = new FakeConnection();
  heartbeat(connection);
  consumers.connectionClosed(connection);
  clock.advance(10_000);
  let scheduled = 0;
  clock.schedule = () => {
    scheduled++;
    return { cancel() {} };
  };
  clock.advance(600_000);
  expect(scheduled).toBe(0);
});

test('several joins in one turn of the loop make one notice', () => {
  const { clock, heartbeat } = tables();
  const connections = [new FakeConnection(), new FakeConnection(), new FakeConnection()];
  for (const connection of connections) heartbeat(connection);
  clock.runDeferred();
  expect(connections.map(({ oneways }) => oneways.length)).toEqual([1, 1, 1]);
});
