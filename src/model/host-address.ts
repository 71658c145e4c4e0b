// The IP address and port of a message's producer (born host) and of the broker that stored it (store host).

import { assert } from '../base/assert.ts';

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

export interface HostAddress {
  /** 4 bytes (IPv4) or 16 bytes (IPv6). */
  readonly address: Uint8Array;
  /** 0..65535 */
  readonly port: number;
}

/** Takes '10.0.0.1', '::1' or an IPv4-mapped '::ffff:10.0.0.1' (stored as IPv4, as Java does). */
export function hostAddress(ip: string, port: number): HostAddress {
  const plain = ip.toLowerCase().startsWith('::ffff:') && IPV4.test(ip.slice(7)) ? ip.slice(7) : ip;
  if (IPV4.test(plain)) return { address: Uint8Array.from(plain.split('.').map(Number)), port };
  assert(plain.includes(':'), 'host address is neither IPv4 nor IPv6');
  return { address: parseIPv6(plain.split('%')[0] ?? plain), port };
}

/** '10.0.0.1' or '0:0:0:0:0:0:0:1' (the form of Java's InetAddress.getHostAddress). */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return Array.from(address).join('.');
  assert(address.length === 16, 'host address has neither 4 nor 16 bytes');
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2) {
    groups.push((((address[index] ?? 0) << 8) | (address[index + 1] ?? 0)).toString(16));
  }
  return groups.join(':');
}

/** 'ip:port', with brackets around IPv6. */
export function formatHostAddress(host: HostAddress): string {
  const ip = formatIp(host.address);
  return host.address.length === 4 ? `${ip}:${host.port}` : `[${ip}]:${host.port}`;
}

function parseIPv6(text: string): Uint8Array {
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let source = text;
  if (embedded !== null) {
    const [a, b, c, d] = (embedded[2] ?? '').split('.').map(Number) as [number, number, number, number];
    source = `${embedded[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', tail] = source.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const middle = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill('0');
  const groups = [...left, ...middle, ...right].map((group) => Number.parseInt(group, 16));
  assert(groups.length === 8, 'IPv6 address does not have eight groups');
  const bytes = new Uint8Array(16);
  groups.forEach((group, index) => {
    bytes[index * 2] = group >> 8;
    bytes[index * 2 + 1] = group & 0xff;
  });
  return bytes;
}
