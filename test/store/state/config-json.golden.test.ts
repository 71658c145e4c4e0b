// The files under config/ that a broker of Apache RocketMQ 5.5.0 wrote, read and written again.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { parseLooseJson } from '../../../src/base/loose-json.ts';
import { topicConfig } from '../../../src/model/topic-config.ts';
import { MemoryKeyValueStore } from '../../../src/store/state/memory-key-value-store.ts';
import type { StoreState } from '../../../src/store/state/store-state.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import { CONFIG, LogKeeper, openState, settle } from './state-harness.ts';

const golden = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../golden/store/config', name), 'utf8');
const FILES = ['topics.json', 'subscriptionGroup.json', 'consumerOffset.json', 'delayOffset.json'];

async function openGolden() {
  const clock = new ManualClock();
  const fileSystem = new CrashableFileSystem({ seed: 3, nowMs: () => clock.nowMs() });
  fileSystem.makeDirectorySync(CONFIG);
  for (const name of FILES) fileSystem.replaceFileSync(`${CONFIG}/${name}`, Buffer.from(golden(name)));
  const machine = { clock, fileSystem, keyValues: new MemoryKeyValueStore(), logger: new LogKeeper() };
  return { ...machine, state: await openState(machine) };
}

async function exported(on: Awaited<ReturnType<typeof openGolden>>, name: string): Promise<string> {
  await settle(on.state.exportAll(), on.clock);
  return on.fileSystem.readFileSync(`${CONFIG}/${name}`)?.toString() ?? '';
}

/** Changes and undoes something in each table, so that every file is written. */
function touchAll(state: StoreState): void {
  state.topics.put(topicConfig('another'));
  state.topics.delete('another');
}

describe("Apache's config files", () => {
  test('are read whole', async () => {
    const { state, logger } = await openGolden();
    expect(logger.of('store.state.entry-skipped')).toEqual([]);
    expect(state.topics.get('GoldenTopic')).toEqual(
      topicConfig('GoldenTopic', { readQueueNums: 4, writeQueueNums: 4 }),
    );
    expect(state.topics.get('DefaultCluster')?.perm).toBe(7);
    expect(state.topics.dataVersion).toEqual({ counter: 4, stateVersion: 0, timestamp: 1_795_359_865_372 });
    expect(state.groups.get('CID_golden_push')).toMatchObject({
      retryQueueNums: 1,
      groupRetryPolicy: { type: 'CUSTOMIZED' },
    });
    expect(state.consumerOffsets.fetch('CID_golden_push', 'GoldenTopic', 0)).toBe(6);
    expect(state.consumerOffsets.groupsOf('RMQ_SYS_TRANS_HALF_TOPIC')).toEqual(['CID_RMQ_SYS_TRANS']);
    expect(state.delayOffsets.entries()).toEqual([
      [1, 3],
      [3, 1],
    ]);
  });

  test.each(['subscriptionGroup.json', 'delayOffset.json', 'topics.json'])(
    'are written byte for byte as Apache does (%s)',
    async (name) => {
      const on = await openGolden();
      on.fileSystem.removeSync(`${CONFIG}/${name}`);
      expect(await exported(on, name)).toBe(golden(name));
    },
  );

  test('are written without the members of consumerOffset.json that Apache derives and does not read', async () => {
    const on = await openGolden();
    const { groupTopicMap, pullOffsetTable, ...read } = parseLooseJson(golden('consumerOffset.json')) as Record<
      string,
      unknown
    >;
    expect(groupTopicMap).toBeDefined();
    expect(pullOffsetTable).toBeDefined();
    const text = await exported(on, 'consumerOffset.json');
    expect(parseLooseJson(text)).toEqual(read);
    expect(golden('consumerOffset.json')).toContain(text.slice(text.indexOf('"offsetTable"'), text.lastIndexOf('\n}')));
  });

  test('carry a changed data version after a change', async () => {
    const on = await openGolden();
    const changedMs = on.clock.nowMs();
    touchAll(on.state);
    const text = await exported(on, 'topics.json');
    const expected = golden('topics.json')
      .replace('"counter":4', '"counter":6')
      .replace('1795359865372', String(changedMs));
    expect(text).toBe(expected);
  });
});
