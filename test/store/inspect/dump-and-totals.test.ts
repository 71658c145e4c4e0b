import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMessage } from '../../../src/store/create-message.ts';
import { dumpIndex, dumpLog, type DumpItem, dumpQueue, queuesOf } from '../../../src/store/inspect/dump-store.ts';
import { storeTotals } from '../../../src/store/inspect/store-totals.ts';
import { NodeFileSystem } from '../../../src/store/node-file-system.ts';
import { storePaths } from '../../../src/store/store-paths.ts';
import { apacheStore, closedStore, flip, openSmall, SMALL_FILES } from './inspected-store.ts';

const at = (dir: string): { fileSystem: NodeFileSystem; paths: ReturnType<typeof storePaths> } => ({
  fileSystem: new NodeFileSystem(),
  paths: storePaths(dir),
});

const ofType = (items: Iterable<DumpItem>, type: string): DumpItem[] => [...items].filter((item) => item.type === type);

describe('dump', () => {
  it('shows every record with its body, blanks between segments, and the end', async () => {
    const { dir, placed } = await closedStore(500);
    const items = [...dumpLog({ ...at(dir), withBody: true })];
    expect(
      ofType(items, 'record').map(({ physicalOffset, topic, queueId, queueOffset, body }) => ({
        physicalOffset,
        topic,
        queueId,
        queueOffset,
        body,
      })),
    ).toEqual(placed);
    expect(ofType(items, 'blank').length).toBeGreaterThan(1);
    expect(items.at(-1)).toMatchObject({ type: 'end', reason: 'nothing was written there' });
    expect(items[0]).toMatchObject({ properties: { KEYS: 'key-0', TAGS: 'tag-0' }, bornHost: '127.0.0.1:0' });
  });

  it('begins at an offset or the next record behind it, and stops after a count', async () => {
    const { dir, placed } = await closedStore(500);
    const from = placed[300]?.physicalOffset as number;
    for (const [start, first] of [
      [from, 300],
      [from + 1, 301],
    ] as const) {
      const records = [...dumpLog({ ...at(dir), withBody: false, from: start, countMax: 3 })];
      expect(records.map(({ physicalOffset }) => physicalOffset)).toEqual(
        placed.slice(first, first + 3).map(({ physicalOffset }) => physicalOffset),
      );
      expect(records[0]).not.toHaveProperty('body');
    }
    expect(ofType(dumpLog({ ...at(dir), withBody: false, from: 50_000_000 }), 'record')).toEqual([]);
  });

  it('says where the log is damaged and goes on behind it', async () => {
    const { dir, placed, log } = await closedStore(100);
    flip(log(), (placed[40]?.physicalOffset as number) + 89);
    const items = [...dumpLog({ ...at(dir), withBody: false })];
    expect(items[40]).toMatchObject({
      type: 'damage',
      physicalOffset: placed[40]?.physicalOffset,
      endOffset: placed[41]?.physicalOffset,
    });
    expect(ofType(items, 'record')).toHaveLength(99);
  });

  it('shows a body that is no text in hex', async () => {
    const { dir } = await closedStore(0);
    const store = await openSmall(dir);
    for (const body of [Buffer.from([0xff, 0x00]), Buffer.from('grüße\n'), Buffer.from('a\u0000b')]) {
      await store.put(createMessage({ topic: 't', body }));
    }
    await store.close();
    const bodies = ofType(dumpLog({ ...at(dir), withBody: true }), 'record').map(
      ({ body, bodyHex }) => body ?? bodyHex,
    );
    expect(bodies).toEqual(['ff00', 'grüße\n', '610062']);
  });

  it('shows the units of a queue from an offset on', async () => {
    const { dir, placed } = await closedStore(900);
    const [queue] = queuesOf(at(dir), 'topic-1', 1);
    expect(queuesOf(at(dir), 'topic-1', undefined)).toHaveLength(2);
    expect(queuesOf(at(dir), 'topic-9', undefined)).toEqual([]);
    const inQueue = placed.filter(({ topic, queueId }) => topic === 'topic-1' && queueId === 1);
    const units = ofType(dumpQueue({ ...at(dir), from: 95, countMax: 20 }, queue as NonNullable<typeof queue>), 'unit');
    expect(units.map(({ queueOffset, physicalOffset }) => [queueOffset, physicalOffset])).toEqual(
      inQueue.slice(95, 115).map(({ queueOffset, physicalOffset }) => [queueOffset, physicalOffset]),
    );
  });

  it('shows the entries of the index, also of Apache’s', async () => {
    const { dir, placed } = await closedStore(300);
    const entries = ofType(dumpIndex(at(dir)), 'entry');
    expect(entries).toHaveLength(600);
    const from = placed[290]?.physicalOffset as number;
    expect(ofType(dumpIndex({ ...at(dir), from }), 'entry')).toHaveLength(20);
    expect(ofType(dumpIndex({ ...at(apacheStore()), countMax: 7 }), 'entry')).toHaveLength(7);
  });

  it('reads everything that Apache wrote', () => {
    const items = [...dumpLog({ ...at(apacheStore()), withBody: true })];
    expect(ofType(items, 'record')).toHaveLength(86);
    expect(ofType(items, 'damage')).toEqual([]);
  });
});

describe('totals', () => {
  it('count messages, queues, groups and their lag', async () => {
    const { dir } = await closedStore(500);
    const store = await openSmall(dir);
    store.state.consumerOffsets.commit('group', 'topic-1', 0, 80);
    await store.close();
    const totals = await storeTotals(at(dir));
    expect(totals).toMatchObject({
      cleanStop: true,
      messageCount: 500,
      queueCount: 6,
      durable: { clean: true, offset: totals.log.endOffset },
      log: { minOffset: 0, segmentSizeBytes: SMALL_FILES.commitLogSegmentSizeBytes },
      index: { entryCount: 1_000 },
      groups: [
        { group: 'group', topics: [{ topic: 'topic-1', lag: 3, queues: [{ queueId: 0, offset: 80, lag: 3 }] }] },
      ],
    });
    expect(totals.topics.map(({ topic, messageCount }) => [topic, messageCount])).toEqual([
      ['topic-0', 167],
      ['topic-1', 167],
      ['topic-2', 166],
    ]);
    expect(totals.lastMessageMs).toBeGreaterThanOrEqual(totals.firstMessageMs as number);
  });

  it('work on a directory that Apache wrote, and on an empty one', async () => {
    const apache = await storeTotals(at(apacheStore()));
    expect(apache).toMatchObject({
      messageCount: 84,
      queueCount: 6,
      durable: undefined,
      index: { fileCount: 4, entryCount: 248 },
    });
    const { dir } = await closedStore(0);
    writeFileSync(join(dir, 'abort'), '');
    expect(await storeTotals(at(dir))).toMatchObject({ messageCount: 0, cleanStop: false, firstMessageMs: undefined });
  });
});
