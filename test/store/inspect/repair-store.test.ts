import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMessage } from '../../../src/store/create-message.ts';
import { planRepair, type RepairMode, type RepairPlan } from '../../../src/store/inspect/repair-plan.ts';
import { repairStore } from '../../../src/store/inspect/repair-store.ts';
import { TOMBSTONE_TAG } from '../../../src/store/inspect/tombstone.ts';
import { NodeFileSystem } from '../../../src/store/node-file-system.ts';
import { storePaths } from '../../../src/store/store-paths.ts';
import { getProperty } from '../../../src/model/message-properties.ts';
import {
  apacheStore,
  closedStore,
  edit,
  findingsOf,
  flip,
  type InspectedStore,
  openSmall,
  placeOf,
  violationKinds,
} from './inspected-store.ts';

const optionsFor = (dir: string, mode: RepairMode): Parameters<typeof planRepair>[0] => ({
  fileSystem: new NodeFileSystem(),
  paths: storePaths(dir),
  mode,
});

const planFor = (dir: string, mode: RepairMode): RepairPlan => planRepair(optionsFor(dir, mode));

async function repaired(dir: string, mode: RepairMode): Promise<readonly string[]> {
  const plan = planFor(dir, mode);
  expect(plan.refusal).toBeUndefined();
  return (await repairStore(optionsFor(dir, mode), plan)).quarantined;
}

/** Flips a bit in the bodies of these messages, and makes the store look as after a crash before its checkpoint. */
function damage(store: InspectedStore, ...indexes: number[]): void {
  for (const index of indexes) {
    const { segment, position } = placeOf(store.placed[index]?.physicalOffset as number);
    flip(store.log(segment), position + 89);
  }
}

/** With the checkpoint gone and the abort file there, the open reads the whole log. */
function makeItReadAll(dir: string): void {
  writeFileSync(join(dir, 'abort'), '');
  rmSync(join(dir, 'checkpoint'));
}

async function bodiesOf(dir: string): Promise<Map<string, string[]>> {
  const store = await openSmall(dir);
  const bodies = new Map<string, string[]>();
  for (const topic of ['topic-0', 'topic-1', 'topic-2']) {
    for (const queueId of [0, 1]) {
      const found: string[] = [];
      for await (const message of store.iterate(topic, queueId)) {
        const isTombstone = getProperty(message.properties, 'TAGS') === TOMBSTONE_TAG;
        found.push(isTombstone ? 'TOMBSTONE' : Buffer.from(message.body).toString());
      }
      bodies.set(`${topic}/${queueId}`, found);
    }
  }
  await store.close();
  return bodies;
}

function expectedBodies(
  { placed }: InspectedStore,
  bodyOf: (index: number) => string | undefined,
): Map<string, string[]> {
  const bodies = new Map<string, string[]>();
  for (const topic of ['topic-0', 'topic-1', 'topic-2'])
    for (const queueId of [0, 1]) bodies.set(`${topic}/${queueId}`, []);
  for (const [index, { topic, queueId }] of placed.entries()) {
    const body = bodyOf(index);
    if (body !== undefined) bodies.get(`${topic}/${queueId}`)?.push(body);
  }
  return bodies;
}

describe('a plan', () => {
  it('has nothing to do for stores without damage, ours and Apache’s', async () => {
    const { dir } = await closedStore(100);
    for (const each of [dir, apacheStore()]) {
      for (const mode of ['truncate-at-damage', 'skip-damage'] as const) {
        expect(planFor(each, mode)).toMatchObject({
          problems: [],
          refusal: undefined,
          cutOffset: undefined,
          patches: [],
        });
      }
    }
  });

  it('says what would be lost, and changes nothing', async () => {
    const store = await closedStore(400);
    damage(store, 250);
    const before = readFileSync(store.log(placeOf(store.placed[250]?.physicalOffset as number).segment));
    const cut = planFor(store.dir, 'truncate-at-damage');
    expect(cut).toMatchObject({ cutOffset: store.placed[250]?.physicalOffset, lostRecordCount: 149 });
    expect(cut.losses.reduce((sum, { messageCount }) => sum + messageCount, 0)).toBe(149);
    const { topic, queueId, queueOffset } = store.placed[250] as (typeof store.placed)[number];
    expect(planFor(store.dir, 'skip-damage').losses).toEqual([
      { topic, queueId, firstQueueOffset: queueOffset, lastQueueOffset: queueOffset, messageCount: 1 },
    ]);
    expect(readFileSync(store.log(placeOf(store.placed[250]?.physicalOffset as number).segment))).toEqual(before);
  });
});

describe('truncate at damage', () => {
  it('gives up everything from the damage on, keeps a copy, and the store goes on', async () => {
    const store = await closedStore(600);
    const { dir, placed } = store;
    damage(store, 300, 350);
    makeItReadAll(dir);
    await expect(openSmall(dir)).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT' });
    const cutOffset = placed[300]?.physicalOffset as number;
    const { segment, position } = placeOf(cutOffset);
    const lost = readFileSync(store.log(segment)).subarray(position);
    const quarantined = await repaired(dir, 'truncate-at-damage');
    expect(readFileSync(quarantined.find((path) => path.endsWith(`.from-${position}`)) as string)).toEqual(lost);
    expect(quarantined.length).toBeGreaterThan(2);
    expect(await bodiesOf(dir)).toEqual(
      expectedBodies(store, (index) => (index < 300 ? placed[index]?.body : undefined)),
    );
    expect(await findingsOf(dir, { strict: true })).toEqual([]);
    const again = await openSmall(dir);
    expect(await again.put(createMessage({ topic: 'topic-0', body: 'next' }))).toMatchObject({
      status: 'PUT_OK',
      physicalOffset: cutOffset,
      queueOffset: 50,
    });
    await again.close();
    expect(await findingsOf(dir, { strict: true })).toEqual([]);
  });

  it('does the same when it is done again after it was killed in between', async () => {
    const store = await closedStore(600);
    const { dir, placed } = store;
    damage(store, 300);
    const plan = planFor(dir, 'truncate-at-damage');
    // As if killed after the first segment was moved away.
    rmSync(store.log(plan.files.segments.length - 1));
    await repaired(dir, 'truncate-at-damage');
    expect(await bodiesOf(dir)).toEqual(
      expectedBodies(store, (index) => (index < 300 ? placed[index]?.body : undefined)),
    );
    expect(await findingsOf(dir, { strict: true })).toEqual([]);
  });

  it('ends the log where segments are missing, and where durable records have become zeros', async () => {
    const gone = await closedStore(600);
    rmSync(gone.log(1));
    await repaired(gone.dir, 'truncate-at-damage');
    expect(await findingsOf(gone.dir)).toEqual(
      expect.not.arrayContaining([expect.objectContaining({ kind: 'segment-missing' })]),
    );
    await (await openSmall(gone.dir)).close();
    expect(await findingsOf(gone.dir, { strict: true })).toEqual([]);

    const zeros = await closedStore(100);
    edit(zeros.log(), (bytes) => void bytes.fill(0, zeros.placed[90]?.physicalOffset as number));
    await repaired(zeros.dir, 'truncate-at-damage');
    expect(await bodiesOf(zeros.dir)).toEqual(
      expectedBodies(zeros, (index) => (index < 90 ? zeros.placed[index]?.body : undefined)),
    );
    expect(await findingsOf(zeros.dir, { strict: true })).toEqual([]);
  });

  it('fills up a segment that was truncated', async () => {
    const store = await closedStore(600);
    truncateSync(store.log(1), 30_000);
    await expect(openSmall(store.dir)).rejects.toMatchObject({ code: 'ERR_STORE_BAD_FILE' });
    await repaired(store.dir, 'truncate-at-damage');
    const last = store.placed.findLastIndex(({ physicalOffset }) => physicalOffset < 65_536 + 30_000);
    expect(await bodiesOf(store.dir)).toEqual(
      expectedBodies(store, (index) => (index < last ? store.placed[index]?.body : undefined)),
    );
    expect(await findingsOf(store.dir, { strict: true })).toEqual([]);
  });

  it('moves away a durable offset and a checkpoint that can’t be read', async () => {
    const { dir } = await closedStore(50);
    flip(join(dir, 'cometmq', 'durable-offset'), 2);
    flip(join(dir, 'cometmq', 'durable-offset'), 2_050);
    edit(join(dir, 'checkpoint'), (bytes) => void bytes.fill(0xee, 0, 8));
    await expect(openSmall(dir)).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT' });
    expect(await repaired(dir, 'truncate-at-damage')).toHaveLength(2);
    await (await openSmall(dir)).close();
    expect(await violationKinds(dir, { strict: true })).toEqual([]);
  });

  it('leaves a segment that is too long to people', async () => {
    const { dir, log } = await closedStore(600);
    edit(log(0), (bytes) => Buffer.concat([bytes, Buffer.alloc(10)]));
    for (const mode of ['truncate-at-damage', 'skip-damage'] as const) {
      expect(planFor(dir, mode).refusal).toContain('restore the file');
    }
  });
});

describe('skip damage', () => {
  const tombstones = (store: InspectedStore, lost: readonly number[]): Map<string, string[]> =>
    expectedBodies(store, (index) => (lost.includes(index) ? 'TOMBSTONE' : store.placed[index]?.body));

  it('keeps every good record; queues and index are built again from the log alone', async () => {
    const store = await closedStore(600);
    const { dir, placed } = store;
    const lost = [100, 300, 301, 302];
    damage(store, ...lost);
    makeItReadAll(dir);
    await expect(openSmall(dir)).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT' });
    const quarantined = await repaired(dir, 'skip-damage');
    expect(quarantined.filter((path) => path.includes('.from-'))).toHaveLength(2);
    expect(await bodiesOf(dir)).toEqual(tombstones(store, lost));
    const findings = await findingsOf(dir, { strict: true });
    expect(findings.map(({ kind, details }) => [kind, details['physicalOffset']])).toEqual(
      lost.map((index) => ['repaired-message', placed[index]?.physicalOffset]),
    );
    rmSync(join(dir, 'consumequeue'), { recursive: true });
    expect(await bodiesOf(dir)).toEqual(tombstones(store, lost));
    expect(await violationKinds(dir, { strict: true })).toEqual([]);
    const again = await openSmall(dir);
    expect(await again.query('topic-0', 'key-303', { countMax: 5 })).toHaveLength(1);
    expect(await again.query('topic-0', 'key-300', { countMax: 5 })).toHaveLength(0);
    await again.close();
  });

  it('bridges a page of zeros, a segment’s missing end and a missing segment', async () => {
    const zeroed = await closedStore(600);
    edit(zeroed.log(1), (bytes) => void bytes.fill(0, 8_192, 12_288));
    const from = 65_536 + 8_192;
    const ends = (index: number): number => zeroed.placed[index + 1]?.physicalOffset ?? Infinity;
    const lost = zeroed.placed.flatMap(({ physicalOffset }, index) =>
      physicalOffset < from + 4_096 && ends(index) > from ? [index] : [],
    );
    await repaired(zeroed.dir, 'skip-damage');
    expect(await bodiesOf(zeroed.dir)).toEqual(tombstones(zeroed, lost));
    expect(await violationKinds(zeroed.dir, { strict: true })).toEqual([]);

    const open = await closedStore(600);
    edit(open.log(0), (bytes) => void bytes.fill(0, bytes.lastIndexOf(Buffer.from('cbd43194', 'hex')) - 4));
    await repaired(open.dir, 'skip-damage');
    expect(await bodiesOf(open.dir)).toEqual(tombstones(open, []));
    expect(await findingsOf(open.dir, { strict: true })).toEqual([]);

    const gone = await closedStore(600);
    rmSync(gone.log(1));
    await repaired(gone.dir, 'skip-damage');
    const inSecond = gone.placed.flatMap(({ physicalOffset }, index) =>
      placeOf(physicalOffset).segment === 1 ? [index] : [],
    );
    expect(await bodiesOf(gone.dir)).toEqual(tombstones(gone, inSecond));
    expect(await violationKinds(gone.dir, { strict: true })).toEqual([]);
  });

  it('is refused when the queues do not say what was there', async () => {
    const store = await closedStore(300);
    damage(store, 200);
    rmSync(join(store.dir, 'consumequeue'), { recursive: true });
    const before = readdirSync(store.dir, { recursive: true });
    const plan = planFor(store.dir, 'skip-damage');
    const { topic, queueId, queueOffset } = store.placed[200] as (typeof store.placed)[number];
    expect(plan.refusal).toContain(`${topic}/${queueId}/${queueOffset}`);
    expect(plan.refusal).toContain('--truncate-at-damage');
    expect(readdirSync(store.dir, { recursive: true })).toEqual(before);
  });

  it('is refused when nothing good follows', async () => {
    const store = await closedStore(100);
    edit(store.log(), (bytes) => void bytes.fill(7, store.placed[90]?.physicalOffset as number));
    expect(planFor(store.dir, 'skip-damage').refusal).toContain('Nothing good follows');
  });
});
