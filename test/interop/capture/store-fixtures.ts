/**
 * Cuts fixtures out of a store directory that Apache wrote: single commit log records, consume queue units, whole small files.
 *
 * A `.hex` file starts with `#` lines (what it is, which class wrote it, how) and then holds lines of 32 bytes in hex.
 */

import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

export interface LogRecord {
  readonly bytes: Buffer;
  readonly physicalOffset: number;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly sysFlag: number;
  readonly version: 1 | 2;
  readonly bodyBytes: number;
  readonly properties: string;
}

const MAGIC_V2 = 0xdaa320ab;
const MAGIC_BLANK = 0xcbd43194;

/** Every record of every segment, in order; stops a segment at its blank or at zeros. */
export function readCommitLog(directory: string): LogRecord[] {
  const records: LogRecord[] = [];
  for (const name of readdirSync(directory).sort()) {
    const file = readFileSync(path.join(directory, name));
    for (let position = 0; position + 8 <= file.length;) {
      const size = file.readInt32BE(position);
      if (size <= 0 || file.readUInt32BE(position + 4) === MAGIC_BLANK) {
        break;
      }
      records.push(parseRecord(Buffer.from(file.subarray(position, position + size))));
      position += size;
    }
  }
  return records;
}

function parseRecord(bytes: Buffer): LogRecord {
  const sysFlag = bytes.readInt32BE(36);
  const version = bytes.readUInt32BE(4) === MAGIC_V2 ? 2 : 1;
  const bornHostBytes = (sysFlag & 0x10) === 0 ? 8 : 20;
  const storeHostBytes = (sysFlag & 0x20) === 0 ? 8 : 20;
  const bodyAt = 48 + bornHostBytes + 8 + storeHostBytes + 12;
  const bodyBytes = bytes.readInt32BE(bodyAt);
  const topicAt = bodyAt + 4 + bodyBytes;
  const topicBytes = version === 1 ? bytes.readUInt8(topicAt) : bytes.readUInt16BE(topicAt);
  const topicEnd = topicAt + version + topicBytes;
  return {
    bytes,
    physicalOffset: Number(bytes.readBigInt64BE(28)),
    topic: bytes.toString('utf8', topicAt + version, topicEnd),
    queueId: bytes.readInt32BE(12),
    queueOffset: Number(bytes.readBigInt64BE(20)),
    sysFlag,
    version,
    bodyBytes,
    properties: bytes.toString('utf8', topicEnd + 2),
  };
}

export function writeHex(directory: string, name: string, about: readonly string[], bytes: Buffer): void {
  mkdirSync(directory, { recursive: true });
  const lines = bytes.toString('hex').match(/.{1,64}/g) ?? [];
  const text = [...about.map((line) => `# ${line}`), ...lines, ''].join('\n');
  writeFileSync(path.join(directory, `${name}.hex`), text);
}

/** A record as fixture, with its fields in the header lines. */
export function writeRecord(
  directory: string,
  name: string,
  about: readonly string[],
  record: LogRecord | undefined,
): void {
  if (record === undefined) {
    throw new Error(`Apache wrote no record for the fixture ${name}`);
  }
  const { topic, queueId, queueOffset, physicalOffset, sysFlag, version, bodyBytes } = record;
  const properties = JSON.stringify(record.properties);
  const facts = JSON.stringify({ version, topic, queueId, queueOffset, physicalOffset, sysFlag, bodyBytes });
  writeHex(directory, name, [...about, `fields: ${facts}`, `properties: ${properties}`], record.bytes);
}

/** Every file below `from`, gzipped, with the same relative path and `.gz`. */
export function writeDirectory(from: string, to: string, skip: (relativePath: string) => boolean): string[] {
  const written: string[] = [];
  for (const name of readdirSync(from, { recursive: true, encoding: 'utf8' }).sort()) {
    const source = path.join(from, name);
    if (statSync(source).isFile() && !skip(name)) {
      const target = path.join(to, `${name}.gz`);
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, gzipSync(readFileSync(source), { level: 9 }));
      written.push(name);
    }
  }
  return written;
}
