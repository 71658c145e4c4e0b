import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/base/crc32.ts';
import { readInt64, writeInt64 } from '../../../src/base/int64.ts';
import { createMessage } from '../../../src/store/create-message.ts';
import {
  ENTRY_PHYSICAL_OFFSET_POSITION,
  ENTRY_SIZE_BYTES,
  entryPosition,
  HEADER_INDEX_COUNT_POSITION,
  madeAheadHeader,
  slotPosition,
} from '../../../src/store/index/index-layout.ts';
import { checkStore } from '../../../src/store/inspect/check-store.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import {
  apacheStore,
  closedStore,
  edit,
  findingsOf,
  flip,
  openSmall,
  placeOf,
  SMALL_FILES,
  violationKinds,
} from './inspected-store.ts';

const UNIT = 20;
const geometry = { hashSlotCount: SMALL_FILES.indexHashSlotCount, entryCountMax: SMALL_FILES.indexEntryCountMax };
const indexFiles = (dir: string): string[] =>
  readdirSync(join(dir, 'index'))
    .sort()
    .map((name) => join(dir, 'index', name));

describe('check of a store that is right', () => {
  it('finds nothing in a directory that Apache wrote, without being told its sizes', async () => {
    const findings: unknown[] = [];
    const report = await checkStore({
      dir: apacheStore(),
      strict: true,
      onFinding: (finding) => findings.push(finding),
    });
    expect(findings).toEqual([]);
    expect(report).toMatchObject({
      violationCount: 0,
      segmentCount: 2,
      recordCount: 86,
      queueCount: 6,
      unitCount: 84,
      indexFileCount: 4,
    });
  });

  it('finds nothing after puts over many segments, reopens and more puts', async () => {
    const { dir } = await closedStore(300);
    for (let round = 0; round < 2; round++) {
      await closedStore(200, dir);
      expect(await findingsOf(dir, { strict: true })).toEqual([]);
    }
    const report = await checkStore({ dir });
    expect(report).toMatchObject({ recordCount: 700, unitCount: 700, queueCount: 6, indexEntryCount: 1_400 });
    expect(report.segmentCount).toBeGreaterThan(2);
  });

  it('finds nothing in a new store, and nothing in an empty queue', async () => {
    const { dir } = await closedStore(0);
    expect(await findingsOf(dir, { strict: true })).toEqual([]);
  });

  it('finds nothing wrong with topics that were deleted and made anew', async () => {
    const { dir } = await closedStore(60);
    const store = await openSmall(dir);
    await store.deleteTopic('topic-0');
    await store.deleteTopic('topic-1');
    for (let index = 0; index < 5; index++)
      await store.put(createMessage({ topic: 'topic-0', body: `again ${index}` }));
    await store.close();
    expect(await violationKinds(dir, { strict: true })).toEqual([]);
  });

  it('finds nothing wrong after the oldest segments have expired', async () => {
    const { dir, log } = await closedStore(600);
    rmSync(log(0));
    rmSync(log(1));
    const store = await openSmall(dir);
    await store.close();
    expect(await violationKinds(dir, { strict: true })).toEqual([]);
    expect((await checkStore({ dir })).minOffset).toBe(2 * SMALL_FILES.commitLogSegmentSizeBytes);
  });

  it('changes nothing', async () => {
    const { dir } = await closedStore(100);
    const files = (): unknown =>
      readdirSync(dir, { recursive: true, encoding: 'utf8' })
        .filter((name) => !/lock(\.mdb)?$/.test(name) && statSync(join(dir, name)).isFile())
        .map((name) => [name, readFileSync(join(dir, name)).toString('base64'), statSync(join(dir, name)).mtimeMs]);
    const before = files();
    await checkStore({ dir });
    expect(files()).toEqual(before);
  });

  it('takes what waits in memory of a store in use for what the next open puts right, and says so', async () => {
    const { dir } = await closedStore(50);
    const store = await openSmall(dir);
    await store.put(createMessage({ topic: 'topic-0', body: 'in memory', keys: ['k'] }));
    const findings = await findingsOf(dir, { lock: false });
    expect(findings.map(({ severity, kind }) => `${severity} ${kind}`).sort()).toEqual([
      'note key-missing-in-index',
      'note record-without-unit',
      'note unclean-stop',
    ]);
    expect(await violationKinds(dir, { lock: false, strict: true })).toEqual([
      'key-missing-in-index',
      'record-without-unit',
    ]);
    await store.close();
  });

  it('is refused while another owner has the directory, with its process id', async () => {
    const { dir } = await closedStore(1);
    const store = await openSmall(dir);
    await expect(checkStore({ dir })).rejects.toMatchObject({
      code: 'ERR_STORE_LOCKED',
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
    await store.close();
    expect(await findingsOf(dir)).toEqual([]);
  });

  it('is refused where there is no store, and makes none', async () => {
    const dir = temporaryDirectory();
    await expect(checkStore({ dir })).rejects.toMatchObject({ code: 'ERR_STORE_BAD_FILE' });
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('check of a damaged log', () => {
  it('names file and position of a flipped bit in a body, and goes on behind it', async () => {
    const { dir, placed, log } = await closedStore();
    for (const index of [100, 250]) {
      const { segment, position } = placeOf(placed[index]?.physicalOffset as number);
      flip(log(segment), position + 95);
    }
    const damages = (await findingsOf(dir)).filter(({ kind }) => kind === 'record-damaged');
    expect(damages.map(({ details }) => [details['physicalOffset'], details['endOffset']])).toEqual([
      [placed[100]?.physicalOffset, placed[101]?.physicalOffset],
      [placed[250]?.physicalOffset, placed[251]?.physicalOffset],
    ]);
    expect(damages[0]?.message).toContain("the body's CRC is wrong");
    expect(damages[0]?.details['path']).toBe(log(placeOf(placed[100]?.physicalOffset as number).segment));
  });

  it.each([
    ['the size', 0],
    ['the magic code', 4],
    ['the physical offset', 31],
    ['the topic length', 'topic'],
  ] as const)('finds a flipped bit in %s', async (_, field) => {
    const { dir, placed, log } = await closedStore(100);
    const { physicalOffset, body } = placed[50] as (typeof placed)[number];
    flip(log(), physicalOffset + (field === 'topic' ? 88 + body.length : field));
    const kinds = await violationKinds(dir);
    expect(kinds).toContain('record-damaged');
    expect(kinds).toContain('offset-skipped');
  });

  it('tells what one lost record means: units without it, entries without it, an offset that is skipped', async () => {
    const { dir, placed, log } = await closedStore(100);
    flip(log(), (placed[50]?.physicalOffset as number) + 95);
    expect(await violationKinds(dir)).toEqual([
      'index-entry-without-record',
      'offset-skipped',
      'record-damaged',
      'unit-without-record',
    ]);
  });

  it('finds a whole page of zeros, a truncated segment, a segment that is gone and one that is too long', async () => {
    const zeroed = await closedStore();
    edit(zeroed.log(), (bytes) => void bytes.fill(0, 8_192, 12_288));
    expect(await violationKinds(zeroed.dir)).toContain('record-damaged');

    const truncated = await closedStore(600);
    truncateSync(truncated.log(1), 30_000);
    expect(await violationKinds(truncated.dir)).toEqual(expect.arrayContaining(['segment-size', 'record-damaged']));

    const gone = await closedStore(600);
    rmSync(gone.log(1));
    const missing = (await findingsOf(gone.dir)).filter(({ kind }) => kind === 'segment-missing');
    expect(missing).toMatchObject([{ details: { path: gone.log(1), physicalOffset: 65_536, lengthBytes: 65_536 } }]);

    const long = await closedStore(600);
    edit(long.log(0), (bytes) => Buffer.concat([bytes, Buffer.alloc(10)]));
    expect(await violationKinds(long.dir)).toEqual(['segment-size']);
  });

  it('finds a segment without the blank record at its end', async () => {
    const { dir, log } = await closedStore(600);
    edit(log(0), (bytes) => {
      const blank = bytes.lastIndexOf(Buffer.from('cbd43194', 'hex')) - 4;
      bytes.fill(0, blank);
    });
    expect(await violationKinds(dir)).toEqual(['blank-missing']);
  });

  it('finds data behind the end, unless a crash explains it', async () => {
    const { dir, log } = await closedStore(50);
    edit(log(), (bytes) => void bytes.write('what is this', 60_000));
    expect(await violationKinds(dir)).toEqual(['data-behind-end']);
    writeFileSync(join(dir, 'abort'), '');
    const findings = await findingsOf(dir);
    expect(findings.map(({ severity, kind }) => `${severity} ${kind}`)).toEqual([
      'note torn-tail',
      'note unclean-stop',
    ]);
  });

  it('takes damage behind what is durable for a torn tail, and damage before it not', async () => {
    const { dir, placed, log } = await closedStore(50);
    const before = await closedStore(30, dir);
    writeFileSync(join(dir, 'abort'), '');
    const durable = placed[20]?.physicalOffset as number;
    edit(join(dir, 'cometmq', 'durable-offset'), (bytes) => {
      for (const slot of [0, 2_048]) {
        writeInt64(bytes, durable, slot + 16);
        bytes.writeUInt32BE(crc32(bytes.subarray(slot, slot + 28)), slot + 28);
      }
    });
    edit(join(dir, 'checkpoint'), (bytes) => writeInt64(bytes.fill(0), durable, 40));
    flip(log(), (before.placed[5]?.physicalOffset as number) + 89);
    const kinds = (await findingsOf(dir)).filter(({ kind }) => !kind.startsWith('unit-') && !kind.startsWith('index-'));
    expect(kinds.map(({ severity, kind }) => `${severity} ${kind}`)).toEqual(['note torn-tail', 'note unclean-stop']);
    expect(await violationKinds(dir)).toEqual([]);
    flip(log(), (placed[10]?.physicalOffset as number) + 89);
    expect(await violationKinds(dir)).toContain('record-damaged');
  });

  it('finds that durable records are missing at the end, also after a crash', async () => {
    const { dir, placed, log } = await closedStore(50);
    edit(log(), (bytes) => void bytes.fill(0, placed[40]?.physicalOffset as number));
    const expected = [
      'checkpoint-beyond-log',
      'index-entry-without-record',
      'log-shorter-than-durable',
      'unit-beyond-log',
    ];
    expect(await violationKinds(dir)).toEqual(expected);
    writeFileSync(join(dir, 'abort'), '');
    expect(await violationKinds(dir)).toEqual(expected);
  });

  it('finds an offset that is used twice, and files that are no segments', async () => {
    const { dir, placed, log } = await closedStore(100);
    const record = placed[60] as (typeof placed)[number];
    edit(log(), (bytes) => writeInt64(bytes, record.queueOffset - 1, record.physicalOffset + 20));
    writeFileSync(join(dir, 'commitlog', 'notes.txt'), '');
    expect(await violationKinds(dir)).toEqual(expect.arrayContaining(['offset-used-twice', 'segment-name']));
  });
});

describe('check of damaged queues', () => {
  it('finds swapped units, both of them', async () => {
    const { dir, queue } = await closedStore();
    edit(queue('topic-1', 1), (bytes) => {
      const third = Buffer.from(bytes.subarray(3 * UNIT, 4 * UNIT));
      bytes.copyWithin(3 * UNIT, 7 * UNIT, 8 * UNIT);
      third.copy(bytes, 7 * UNIT);
    });
    const violations = await findingsOf(dir);
    expect(violations.map(({ kind, details }) => [kind, details['queueOffset']])).toEqual([
      ['unit-of-other-record', 3],
      ['unit-of-other-record', 7],
    ]);
  });

  it.each([
    ['size', 8 + 3, 'unit-size'],
    ['tags code', 19, 'unit-tags-code'],
    ['physical offset', 7, 'unit-of-other-record'],
  ] as const)('finds a wrong %s', async (_, position, kind) => {
    const { dir, queue } = await closedStore(100);
    flip(queue('topic-2', 0), 5 * UNIT + position);
    expect(await findingsOf(dir)).toMatchObject([
      { severity: 'violation', kind, details: { topic: 'topic-2', queueId: 0, queueOffset: 5 } },
    ]);
  });

  it('finds a unit that was never written, and units behind it', async () => {
    const { dir, queue } = await closedStore();
    edit(queue('topic-0', 0), (bytes) => void bytes.fill(0, 4 * UNIT, 6 * UNIT));
    expect(await violationKinds(dir)).toEqual(['data-behind-units', 'record-without-unit']);
  });

  it('finds a queue, a topic, a file and all queues that are gone', async () => {
    const { dir, queue, placed } = await closedStore(900);
    rmSync(join(dir, 'consumequeue', 'topic-0', '1'), { recursive: true });
    rmSync(queue('topic-1', 0));
    const count = placed.filter(({ topic, queueId }) => topic === 'topic-0' && queueId === 1).length;
    const first = await findingsOf(dir);
    expect(first).toContainEqual(
      expect.objectContaining({
        kind: 'record-without-unit',
        details: expect.objectContaining({ topic: 'topic-0', queueId: 1, queueOffset: 0, count }) as object,
      }),
    );
    expect(first).toContainEqual(
      expect.objectContaining({
        kind: 'record-without-unit',
        details: expect.objectContaining({ topic: 'topic-1', count: 100 }) as object,
      }),
    );
    rmSync(join(dir, 'consumequeue'), { recursive: true });
    expect((await findingsOf(dir)).filter(({ kind }) => kind === 'record-without-unit')).toHaveLength(6);
  });

  it('finds a file between others that is missing, of the wrong size or of no name', async () => {
    const { dir, queue } = await closedStore(1_500);
    rmSync(queue('topic-0', 0, 2_000));
    truncateSync(queue('topic-1', 0, 2_000), 1_000);
    renameSync(queue('topic-2', 0), join(dir, 'consumequeue', 'topic-2', '0', 'copy'));
    mkdirSync(join(dir, 'consumequeue', 'topic-2', 'seven'));
    expect(await violationKinds(dir)).toEqual([
      'queue-file-missing',
      'queue-file-name',
      'queue-file-size',
      'queue-name',
      'record-without-unit',
    ]);
  });

  it('finds units behind the last: one that repeats a record, one beyond the log, one into nowhere', async () => {
    const { dir, queue, placed } = await closedStore(60);
    const inQueue = placed.filter(({ topic, queueId }) => topic === 'topic-0' && queueId === 0);
    edit(queue('topic-0', 0), (bytes) => {
      const last = (inQueue.length - 1) * UNIT;
      for (const index of [1, 2, 3]) bytes.copyWithin(last + index * UNIT, last, last + UNIT);
      writeInt64(bytes, readInt64(bytes, last) + 3, last + 2 * UNIT);
      writeInt64(bytes, 50_000_000, last + 3 * UNIT);
    });
    expect(await violationKinds(dir)).toEqual([
      'unit-beyond-log',
      'unit-order',
      'unit-repeated',
      'unit-without-record',
    ]);
  });

  it('finds two queues that share their units', async () => {
    const { dir, queue } = await closedStore(60);
    mkdirSync(join(dir, 'consumequeue', 'topic-9', '0'), { recursive: true });
    copyFileSync(queue('topic-0', 0), join(dir, 'consumequeue', 'topic-9', '0', '00000000000000000000'));
    expect(await violationKinds(dir)).toEqual(['unit-without-record']);
  });
});

describe('check of a damaged index', () => {
  const entry = (index: number): number => entryPosition(geometry, index);

  // Entry 51 is the key of the 26th message (each has a key and a tag).
  it.each([
    ['hash', 1, ['index-entry', 'index-entry-of-other-key', 'index-slot', 'key-missing-in-index']],
    ['physical offset', 11, ['index-entry', 'key-missing-in-index']],
    ['time', 15, ['index-entry']],
    ['chain', 19, ['index-entry']],
  ] as const)('finds a flipped bit in the %s of an entry', async (_, position, kinds) => {
    const { dir } = await closedStore(100);
    flip(indexFiles(dir)[0] as string, entry(51) + position);
    expect(await violationKinds(dir)).toEqual(kinds);
  });

  it('finds a slot that names another entry, and a header that does not fit', async () => {
    const { dir } = await closedStore(100);
    edit(indexFiles(dir)[0] as string, (bytes) => {
      const used = Array.from({ length: 100 }, (_, slot) => slot).find(
        (slot) => bytes.readInt32BE(slotPosition(slot)) > 0,
      ) as number;
      bytes.writeInt32BE(399, slotPosition(used));
      writeInt64(bytes, 12, 16);
    });
    expect(await violationKinds(dir, { indexGeometry: geometry })).toEqual(['index-header', 'index-slot']);
  });

  it('notes entries that a later file repeats, as Apache writes them after kills; only a strict check minds', async () => {
    const { dir } = await closedStore(500);
    const [, second = '', third = ''] = indexFiles(dir);
    copyFileSync(second, `${third.slice(0, -17)}2999${third.slice(-13)}`);
    const findings = await findingsOf(dir);
    expect(findings).toHaveLength(SMALL_FILES.indexEntryCountMax - 1);
    expect(new Set(findings.map(({ severity, kind }) => `${severity} ${kind}`))).toEqual(
      new Set(['note index-entry-repeated']),
    );
    expect(await violationKinds(dir, { strict: true })).toEqual(['index-entry-repeated']);
    await (await openSmall(dir)).close();
    expect(await violationKinds(dir)).toEqual([]);
  });

  it('finds an entry that is older than the one before it in its file', async () => {
    const { dir } = await closedStore(500);
    const [, second = ''] = indexFiles(dir);
    edit(second, (bytes) => writeInt64(bytes, 0, entry(52) + ENTRY_PHYSICAL_OFFSET_POSITION));
    // One of the file's keys: its first entry is a tag.
    expect(await violationKinds(dir)).toEqual(['index-entry', 'key-missing-in-index']);
  });

  it('takes a header that lags after a kill for what the next open puts right, also before a file that was made ahead', async () => {
    const { dir } = await closedStore(100);
    const [first = ''] = indexFiles(dir);
    edit(first, (bytes) => {
      bytes.writeInt32BE(bytes.readInt32BE(HEADER_INDEX_COUNT_POSITION) - 1, HEADER_INDEX_COUNT_POSITION);
    });
    const ahead = Buffer.alloc(statSync(first).size);
    ahead.set(madeAheadHeader());
    writeFileSync(`${first.slice(0, -17)}2999${first.slice(-13)}`, ahead);
    expect(await violationKinds(dir, { indexGeometry: geometry })).toEqual(['index-slot']);
    writeFileSync(join(dir, 'abort'), '');
    expect(await violationKinds(dir, { indexGeometry: geometry })).toEqual([]);
  });

  it('finds keys that are missing at the end, in the middle and altogether', async () => {
    const { dir } = await closedStore(500);
    const [first, second] = indexFiles(dir) as [string, string];
    expect(indexFiles(dir).length).toBeGreaterThan(2);
    edit(first, (bytes) => {
      bytes.copyWithin(entry(20), entry(24), entry(25));
      bytes.fill(0, entry(21), entry(21) + ENTRY_SIZE_BYTES);
    });
    rmSync(second);
    const missing = (await findingsOf(dir)).filter(({ kind }) => kind === 'key-missing-in-index');
    expect(missing.length).toBeGreaterThanOrEqual(2);
    expect(missing.some(({ details }) => (details['count'] as number) > 100)).toBe(true);
    rmSync(join(dir, 'index'), { recursive: true });
    expect(await findingsOf(dir)).toMatchObject([{ severity: 'note', kind: 'no-index', details: { count: 500 } }]);
  });

  it('finds a file of the wrong size and one of no name', async () => {
    const { dir } = await closedStore(500);
    truncateSync(indexFiles(dir)[1] as string, 1_000);
    writeFileSync(join(dir, 'index', 'readme'), '');
    expect(await violationKinds(dir)).toEqual(
      expect.arrayContaining(['index-file-name', 'index-file-size', 'key-missing-in-index']),
    );
  });
});

describe('check of checkpoints and tables', () => {
  it.each([
    ['queues beyond the log', 40, 10_000_000, 'checkpoint-beyond-log'],
    ['queues up to no record', 40, 7, 'checkpoint-not-at-record'],
    ['messages of the future', 0, 4_000_000_000_000, 'checkpoint-beyond-log'],
    ['no number', 8, -1, 'checkpoint-damaged'],
  ] as const)('finds a checkpoint that says %s', async (_, position, value, kind) => {
    const { dir } = await closedStore(50);
    edit(join(dir, 'checkpoint'), (bytes) => {
      if (value === -1) bytes.fill(0xee, position, position + 8);
      else writeInt64(bytes, value, position);
    });
    expect(await violationKinds(dir)).toEqual([kind]);
  });

  it('finds a durable offset whose two slots are damaged, and a file of the wrong size', async () => {
    const { dir } = await closedStore(50);
    const path = join(dir, 'cometmq', 'durable-offset');
    flip(path, 2);
    flip(path, 2_050);
    expect(await violationKinds(dir)).toEqual(['durable-offset-damaged']);
    truncateSync(path, 100);
    expect(await violationKinds(dir)).toEqual(['durable-offset-damaged']);
  });

  it('says that the store was not stopped cleanly', async () => {
    const { dir } = await closedStore(50);
    writeFileSync(join(dir, 'abort'), '');
    expect(await findingsOf(dir)).toMatchObject([{ severity: 'note', kind: 'unclean-stop' }]);
  });

  it('tells damaged JSON from JSON that somebody else wrote, and notes an offset beyond its queue', async () => {
    const { dir } = await closedStore(50);
    const store = await openSmall(dir);
    store.state.consumerOffsets.commit('group', 'topic-0', 0, 3);
    store.state.consumerOffsets.commit('group', 'topic-0', 1, 1_000);
    await store.close();
    expect(await findingsOf(dir)).toMatchObject([
      { severity: 'note', kind: 'consumer-offset-beyond-queue', details: { offset: 1_000 } },
    ]);
    const path = join(dir, 'config', 'consumerOffset.json');
    writeFileSync(path, '{"offsetTable":{"topic-0@group":{0:2}}}');
    expect(await findingsOf(dir)).toMatchObject([{ severity: 'note', kind: 'json-newer' }]);
    writeFileSync(path, '{"offsetTab');
    expect(await violationKinds(dir)).toEqual(['json-damaged']);
  });

  it('finds damaged LMDB files', async () => {
    const { dir } = await closedStore(50);
    edit(join(dir, 'cometmq', 'state', 'data.mdb'), (bytes) => void bytes.fill(0xff, 8_192));
    expect(await violationKinds(dir)).toContain('state-damaged');
  });
});
