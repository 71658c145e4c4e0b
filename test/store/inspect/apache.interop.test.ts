/**
 * The store tools and Apache 5.5.0: a directory that its store class wrote is found clean, also after it was killed, and what a
 * repair of ours leaves is read by it to the last message.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MessageSysFlag } from '../../../src/model/sys-flag.ts';
import { createMessage } from '../../../src/store/create-message.ts';
import { checkStore } from '../../../src/store/inspect/check-store.ts';
import { planRepair } from '../../../src/store/inspect/repair-plan.ts';
import { repairStore } from '../../../src/store/inspect/repair-store.ts';
import { FILLER_TOPIC, TOMBSTONE_TAG } from '../../../src/store/inspect/tombstone.ts';
import { NodeFileSystem } from '../../../src/store/node-file-system.ts';
import { storePaths } from '../../../src/store/store-paths.ts';
import type { PutStored } from '../../../src/store/store-types.ts';
import { runJava } from '../../interop/support/apache.ts';
import { closedStore, findingsOf, flip, openSmall, placeOf, SMALL_FILES, violationKinds } from './inspected-store.ts';

const root = mkdtempSync(path.join(tmpdir(), 'cometmq-inspect-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const java = { version: '5.5.0', home: path.join(root, 'home') } as const;
const sizes = [
  `mappedFileSizeCommitLog=${SMALL_FILES.commitLogSegmentSizeBytes}`,
  `mappedFileSizeConsumeQueue=${SMALL_FILES.consumeQueueSegmentSizeBytes}`,
  `maxHashSlotNum=${SMALL_FILES.indexHashSlotCount}`,
  `maxIndexNum=${SMALL_FILES.indexEntryCountMax}`,
].flatMap((setting) => ['--set', setting]);

describe('check', () => {
  it('finds a directory clean that Apache wrote, stopped or killed', async () => {
    const dir = path.join(root, 'apache');
    const shape = [
      '--topic',
      'Checked',
      '--queues',
      '3',
      '--sizes',
      '0,10,3000',
      '--key-prefix',
      'k',
      '--hosts',
      'mixed',
    ];
    await runJava('StoreWriter', ['--dir', dir, ...sizes, ...shape, '--count', '90'], java);
    expect(await findingsOf(dir, { strict: true })).toEqual([]);
    expect(await checkStore({ dir })).toMatchObject({ recordCount: 90, unitCount: 90 });
    const more = ['--count', '60', '--first-seq', '90', '--end', 'halt'];
    await runJava('StoreWriter', ['--dir', dir, ...sizes, ...shape, ...more], java);
    expect(await violationKinds(dir)).toEqual([]);
    await (await openSmall(dir)).close();
    expect(await violationKinds(dir, { strict: true })).toEqual([]);
  });
});

describe('repair', () => {
  it.each(['with its queues', 'with queues to build anew'])('leaves a store that Apache reads %s', async (queues) => {
    const { dir, placed, log } = await closedStore(300, path.join(root, queues.replaceAll(' ', '-')));
    // A record without a unit: of it only its size can be kept.
    const store = await openSmall(dir);
    const half = createMessage({ topic: 'topic-0', body: 'prepared '.repeat(20) });
    const prepared = (await store.put({ ...half, sysFlag: MessageSysFlag.TRANSACTION_PREPARED })) as PutStored;
    await store.put(createMessage({ topic: 'topic-0', body: 'the last one' }));
    await store.close();
    const lost = [100, 200, 201];
    for (const physicalOffset of [
      ...lost.map((index) => placed[index]?.physicalOffset as number),
      prepared.physicalOffset,
    ]) {
      const { segment, position } = placeOf(physicalOffset);
      flip(log(segment), position + 89);
    }
    const options = { fileSystem: new NodeFileSystem(), paths: storePaths(dir), mode: 'skip-damage' } as const;
    const plan = planRepair(options);
    expect(plan).toMatchObject({ refusal: undefined, lostRecordCount: lost.length });
    expect(plan.patches).toHaveLength(lost.length + 1);
    await repairStore(options, plan);
    if (queues === 'with queues to build anew') rmSync(path.join(dir, 'consumequeue'), { recursive: true });
    const reader = await runJava('StoreReader', ['--dir', dir, ...sizes], java);
    expect(reader.factsOf('unreadable')).toEqual([]);
    expect(reader.factsOf('undecodable')).toEqual([]);
    const messages = reader.factsOf('message');
    expect(messages).toHaveLength(301);
    const replaced = messages.filter(({ tags }) => tags === TOMBSTONE_TAG);
    const keyOf = (item: Readonly<Record<string, unknown>>): string =>
      [item['topic'], item['queueId'], item['queueOffset'], item['physicalOffset']].join(' ');
    expect(replaced.map(keyOf).sort()).toEqual(lost.map((index) => keyOf({ ...placed[index] })).sort());
    expect(reader.factsOf('queue').map(({ topic }) => topic)).not.toContain(FILLER_TOPIC);
    await (await openSmall(dir)).close();
    expect(await violationKinds(dir, { strict: true })).toEqual([]);
  });
});
