// Records and a whole store directory that Apache RocketMQ 5.5.0 wrote (test/golden/store/README.md).

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/base/crc32.ts';
import { StoreCheckpoint } from '../../../src/store/checkpoint/store-checkpoint.ts';
import {
  dispatchLog,
  dispatchRequestAt,
  findLogEnd,
  readOpenFacts,
} from '../../../src/store/commit-log/commit-log-recovery.ts';
import { decodeRecord } from '../../../src/store/commit-log/message-decoder.ts';
import { MessageEncoder } from '../../../src/store/commit-log/message-encoder.ts';
import { decideOpen } from '../../../src/store/commit-log/open-decision.ts';
import type { DispatchRequest } from '../../../src/store/dispatch/dispatch-request.ts';
import { append, LOG_DIRECTORY, newFileSystem, openLog } from './commit-log-fixture.ts';

const golden = join(import.meta.dirname, '../../golden/store');

interface Golden {
  readonly name: string;
  readonly bytes: Buffer;
  readonly header: readonly string[];
}

function readGolden(name: string): Golden {
  const lines = readFileSync(join(golden, name), 'utf8').split('\n');
  const header = lines.filter((line) => line.startsWith('#')).map((line) => line.slice(2));
  return { name, header, bytes: Buffer.from(lines.filter((line) => !line.startsWith('#')).join(''), 'hex') };
}

const records = readdirSync(golden)
  .filter((name) => name.startsWith('commit-log-') && name !== 'commit-log-blank.hex')
  .map(readGolden);
const limits = { messageSizeBytesMax: 4 * 1024 * 1024, segmentSizeBytes: 1024 * 1024 * 1024 };
const encoder = new MessageEncoder({ crc32, limits });

/** One record that was put. */
interface Put {
  readonly topic: string;
  readonly queueId: number;
  readonly sha256: string;
  readonly storeTimestamp: number;
  /** Absent for the later ones of a batch. */
  readonly physicalOffset?: number;
  readonly wroteBytes: number;
}

/** What a header line says after its name, such as `fields: {…}`. */
function headerValue(header: readonly string[], name: string): unknown {
  const line = header.find((candidate) => candidate.startsWith(`${name}: `));
  return JSON.parse((line ?? '').slice(name.length + 2));
}

describe('records of Apache', () => {
  it('are there in every kind', () => {
    expect(records.length).toBeGreaterThan(12);
  });

  it.each(records)('$name: is decoded to its fields and encoded again bit for bit', ({ bytes, header }) => {
    const record = decodeRecord(bytes, { position: 0, limit: bytes.length }, crc32);
    if (record.kind !== 'message') throw new Error(JSON.stringify(record));
    const { message } = record;
    const { version, bodyBytes, ...fields } = headerValue(header, 'fields') as Record<string, unknown>;
    expect(message).toMatchObject(fields);
    expect(message.body).toHaveLength(bodyBytes as number);
    expect(bytes.readInt32BE(4)).toBe((version === 2 ? 0xdaa320ab : 0xdaa320a7) | 0);
    expect(message.properties).toBe(headerValue(header, 'properties'));
    expect(encoder.problemOf(message)).toBeUndefined();
    const target = Buffer.alloc(bytes.length);
    const { queueOffset, physicalOffset, storeTimestampMs } = message;
    const place = { position: 0, queueOffset, physicalOffset, storeTimestampMs };
    expect(
      encoder.encode({ buffer: target, view: new DataView(target.buffer, target.byteOffset) }, message, place),
    ).toBe(bytes.length);
    expect(target.toString('hex')).toBe(bytes.toString('hex'));
  });

  it('end a segment with a blank that is told from damage', () => {
    const { bytes } = readGolden('commit-log-blank.hex');
    expect(decodeRecord(bytes, { position: 0, limit: bytes.length })).toEqual({
      kind: 'blank',
      sizeBytes: bytes.length,
    });
  });
});

describe('a store directory of Apache', () => {
  const directory = join(golden, 'apache-store');
  const puts = JSON.parse(readFileSync(join(directory, 'puts.json'), 'utf8')) as Put[];
  const last = puts.at(-1);
  const endOffset = (last?.physicalOffset ?? 0) + (last?.wroteBytes ?? 0);

  async function openApacheStore(): Promise<{
    log: Awaited<ReturnType<typeof openLog>>;
    checkpoint: StoreCheckpoint;
  }> {
    const fileSystem = newFileSystem();
    fileSystem.makeDirectorySync(LOG_DIRECTORY);
    for (const name of readdirSync(join(directory, 'commitlog'))) {
      const bytes = gunzipSync(readFileSync(join(directory, 'commitlog', name)));
      fileSystem.replaceFileSync(`${LOG_DIRECTORY}/${name.replace(/\.gz$/, '')}`, bytes);
    }
    fileSystem.replaceFileSync('/store/checkpoint', gunzipSync(readFileSync(join(directory, 'checkpoint.gz'))));
    return { log: await openLog(fileSystem), checkpoint: await StoreCheckpoint.open(fileSystem, '/store/checkpoint') };
  }

  it('is read to its last record, and goes on where Apache ended', async () => {
    const { log, checkpoint } = await openApacheStore();
    const facts = await readOpenFacts({ commitLog: log, hasAbortFile: false, durable: undefined, checkpoint });
    const { row, action, from, floor } = decideOpen(facts);
    expect({ row, action }).toEqual({ row: 'B.unknown', action: 'walk' });
    const end = await findLogEnd({ commitLog: log, action: 'walk', from, durableOffset: floor, checkCrc: true });
    expect(end.endOffset).toBe(endOffset);
    const requests: DispatchRequest[] = [];
    const { recordCount } = await dispatchLog({
      commitLog: log,
      from: 0,
      to: endOffset,
      onRecord: (buffer, place) => void requests.push(dispatchRequestAt(buffer, place, 0)),
    });
    log.setEnd(endOffset);
    expect(recordCount).toBe(puts.length);
    for (const [index, { topic, queueId, sha256, storeTimestamp }] of puts.entries()) {
      const request = requests[index];
      expect(request).toMatchObject({ topic, queueId, storeTimestampMs: storeTimestamp });
      const record = await log.recordAt(request?.physicalOffset ?? -1);
      expect(
        createHash('sha256')
          .update(record?.body ?? '')
          .digest('hex'),
      ).toBe(sha256);
    }
    expect(await append(log)).toBe(endOffset);
    await log.close();
  });

  it('is scanned from its checkpoint, or from the segment of its times, after a crash of Apache', async () => {
    const { log, checkpoint } = await openApacheStore();
    const { physicMsgTimestamp, logicsMsgTimestamp } = checkpoint;
    // Apache's checkpoint names the beginning of the last record that got a place in a queue.
    expect(checkpoint.logicsPhysicalOffset).toBe(puts.at(-2)?.physicalOffset);
    const rows: string[] = [];
    for (const logicsPhysicalOffset of [checkpoint.logicsPhysicalOffset, 0]) {
      const values = { physicMsgTimestamp, logicsMsgTimestamp, logicsPhysicalOffset };
      const facts = await readOpenFacts({ commitLog: log, hasAbortFile: true, durable: undefined, checkpoint: values });
      const { row, from, floor } = decideOpen(facts);
      rows.push(`${row} from ${from}`);
      const end = await findLogEnd({ commitLog: log, action: 'scan', from, durableOffset: floor, checkCrc: true });
      expect(end.endOffset).toBe(endOffset);
    }
    expect(rows).toEqual(['C.checkpoint from 16384', 'C.unknown from 16384']);
    await log.close();
  });
});
