import { expect, test } from 'vitest';
import { HostsOfConnections, messageId } from '../../../src/broker/send/connection-hosts.ts';
import { formatHostAddress, hostAddress } from '../../../src/model/host-address.ts';
import { createMessageId, parseMessageId } from '../../../src/model/message-id.ts';
import { FakeConnection } from '../support/fake-connection.ts';

test('a message id from the cached prefix is the one that the model makes', () => {
  for (const host of [hostAddress('10.1.2.3', 10_911), hostAddress('2001:db8::5', 80)]) {
    const connection = new FakeConnection();
    const { messageIdPrefix } = new HostsOfConnections(host).of(connection);
    for (const offset of [0, 255, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER]) {
      expect(messageId(messageIdPrefix, offset)).toBe(createMessageId(host, offset));
      expect(parseMessageId(messageId(messageIdPrefix, offset))?.physicalOffset).toBe(offset);
    }
  }
});

test('hosts are made once a connection: where it came from, and what it dialled', () => {
  const connection = new FakeConnection();
  const hosts = new HostsOfConnections(undefined);
  const first = hosts.of(connection);
  expect(formatHostAddress(first.bornHost)).toBe(`127.0.0.1:${connection.remotePort}`);
  expect(formatHostAddress(first.storeHost)).toBe('127.0.0.1:10911');
  expect(hosts.of(connection)).toBe(first);
});

test('a peer that hung up already has no address', () => {
  const connection = Object.assign(new FakeConnection(), { remoteAddress: '', remotePort: 0 });
  expect(formatHostAddress(new HostsOfConnections(undefined).of(connection).bornHost)).toBe('0.0.0.0:0');
});
