// The store commands as processes of the built program: what they print and how they end.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { closedStore, flip, apacheStore, openSmall } from '../store/inspect/inspected-store.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

// Each run is a process that loads the engine; several may share one slow core.
vi.setConfig({ testTimeout: 60_000 });

const root = new URL('../../', import.meta.url).pathname;
const program = join(root, 'dist/cli/cometmq.js');

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(...args: string[]): Ended {
  expect(existsSync(program), 'the program is built').toBe(true);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'store', ...args], {
    encoding: 'utf8',
    cwd: root,
  });
  return { status, out: stdout, err: stderr };
}

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('cometmq store', () => {
  it.each([[], ['check'], ['dump'], ['stats'], ['repair']])('explains itself: %s', (...command) => {
    const { status, out } = run(...command, '--help');
    expect(status).toBe(0);
    expect(out).toMatch(/^cometmq store /);
  });

  it.each([
    [['mend', 'x'], 'There is no command "store mend"'],
    [['check'], 'Name the data directory'],
    [['check', 'a', '--wrong'], '--wrong'],
    [['dump', root], 'Say one of --log'],
    [['repair', root, '--yes'], '--yes needs'],
  ])('refuses a wrong command line: %s', (args, reason) => {
    const { status, err } = run(...args);
    expect(err.includes(reason) || err.includes('is not a data directory')).toBe(true);
    expect([1, 2]).toContain(status);
  });

  it('refuses an argument too many, and names it', async () => {
    const { dir } = await closedStore(3);
    for (const args of [
      ['check', dir, 'more'],
      ['stats', dir, 'more'],
      ['repair', dir, 'more'],
      ['dump', dir, '--log', 'more'],
      ['dump', dir, '--queue', 'topic-0', '0', 'more'],
    ]) {
      const { status, err } = run(...args);
      expect([status, err.includes('"more" is one argument too many')]).toEqual([2, true]);
    }
  });

  it('ends with 1 and one sentence where there is no store, or where somebody has it', async () => {
    const dir = temporaryDirectory();
    expect(run('check', dir)).toMatchObject({
      status: 1,
      out: '',
      err: expect.stringMatching(/^cometmq: .* is not a data directory.*\n$/) as string,
    });
    expect(readdirSync(dir)).toEqual([]);
    await closedStore(1, dir);
    const store = await openSmall(dir);
    const { status, err } = run('check', dir);
    await store.close();
    expect(status).toBe(1);
    expect(err).toContain(`in use by process ${process.pid}`);
  });
});

describe('cometmq store check', () => {
  it('ends with 0 on clean stores and with 3 on damaged ones', async () => {
    expect(run('check', apacheStore())).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^The store is clean \(0 notes\): looked at 86 records/) as string,
    });
    const { dir, placed, log } = await closedStore(100);
    expect(run('check', dir, '--strict').status).toBe(0);
    flip(log(), (placed[50]?.physicalOffset as number) + 89);
    const { status, out } = run('check', dir);
    expect(status).toBe(3);
    expect(out).toContain(`violation record-damaged: ${log()} is damaged at position ${placed[50]?.physicalOffset}`);
    const lines = jsonLines(run('check', dir, '--json').out);
    expect(lines.at(-1)).toMatchObject({ summary: { violationCount: lines.length - 1, recordCount: 99 } });
    expect(lines[0]).toMatchObject({ severity: 'violation', kind: 'record-damaged', details: { path: log() } });
  });
});

describe('cometmq store dump', () => {
  it('prints records, units and entries as JSON lines and for people', async () => {
    const { dir, placed } = await closedStore(100);
    const from = String(placed[90]?.physicalOffset);
    const records = jsonLines(run('dump', dir, '--log', '--from', from, '--count', '2', '--body', '--json').out);
    expect(records).toMatchObject([
      { type: 'record', body: placed[90]?.body },
      { type: 'record', body: placed[91]?.body },
    ]);
    expect(run('dump', dir, '--log', '--count', '1').out).toMatch(
      /^record physicalOffset=0 topic=topic-0 .* storeTimestampMs=20\d\d-.*\n$/,
    );
    const units = jsonLines(run('dump', dir, '--queue', 'topic-1', '1', '--json').out);
    expect(units.filter(({ type }) => type === 'unit')).toHaveLength(
      placed.filter(({ topic, queueId }) => topic === 'topic-1' && queueId === 1).length,
    );
    expect(jsonLines(run('dump', dir, '--index', '--json').out)).toHaveLength(201);
    expect(run('dump', dir, '--queue', 'nothing')).toMatchObject({
      status: 1,
      err: expect.stringContaining('no queue of the topic nothing') as string,
    });
  });
});

describe('cometmq store stats', () => {
  it('prints totals', async () => {
    const { dir } = await closedStore(100);
    expect(jsonLines(run('stats', dir, '--json').out)).toMatchObject([
      { messageCount: 100, queueCount: 6, cleanStop: true },
    ]);
    const { status, out } = run('stats', dir);
    expect(status).toBe(0);
    expect(out).toContain('messages       100 in 6 queues of 3 topics');
  });
});

describe('cometmq store repair', () => {
  it('shows both ways and does nothing, then does what it is told', async () => {
    const { dir, placed, log } = await closedStore(100);
    expect(run('repair', dir)).toMatchObject({
      status: 0,
      out: 'The log has no damage: there is nothing to repair.\n',
    });
    flip(log(), (placed[50]?.physicalOffset as number) + 89);
    const shown = run('repair', dir);
    expect(shown.status).toBe(3);
    expect(shown.out).toContain('49 good records behind it are given up');
    expect(shown.out).toContain('1 damaged messages are replaced');
    expect(run('repair', dir, '--skip-damage').status).toBe(3);
    expect(run('check', dir).status).toBe(3);
    const done = run('repair', dir, '--skip-damage', '--yes');
    expect(done).toMatchObject({ status: 0, out: expect.stringContaining('Done.\n  kept: ') as string });
    await (await openSmall(dir)).close();
    expect(run('check', dir)).toMatchObject({
      status: 0,
      out: expect.stringContaining('note repaired-message') as string,
    });
  });

  it('ends with 1 when the way that was asked for is not possible', async () => {
    const { dir, placed, log } = await closedStore(100);
    flip(log(), (placed[50]?.physicalOffset as number) + 89);
    rmSync(join(dir, 'consumequeue'), { recursive: true });
    expect(run('repair', dir, '--skip-damage', '--yes')).toMatchObject({
      status: 1,
      out: expect.stringContaining('not possible: ') as string,
    });
  });
});
