// The machine stops at every single operation on files, and at every single moment in between, of a day in the life of the
// tables: import, commits, exports, Apache in between. Files and key-value store both take their time, so they overlap.

import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { Prng } from '../../../src/base/prng.ts';
import { topicConfig } from '../../../src/model/topic-config.ts';
import { MemoryKeyValueStore } from '../../../src/store/state/memory-key-value-store.ts';
import { StoreState } from '../../../src/store/state/store-state.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import { apacheOffsets, CONFIG, LogKeeper, OFFSETS_JSON, pass, stateOptions, TOPICS_JSON } from './state-harness.ts';

/** What must be true of the offset after a reopen. */
interface Bounds {
  /** Durable, or written by Apache and imported. */
  atLeast: number;
  /** Committed, durable or not. */
  atMost: number;
  hasTopic: boolean;
}

interface Simulation {
  fileSystem: CrashableFileSystem;
  keyValues: MemoryKeyValueStore;
  /** Of this process: what a dead one has scheduled never happens. */
  clock: ManualClock;
  readonly logger: LogKeeper;
  readonly bounds: Bounds;
  /** Milliseconds until the plug is pulled. */
  lifeMs: number;
}

/** Where the machine stops: at the n-th operation on files, or at the n-th millisecond. */
interface Stop {
  readonly at: number;
  readonly unit: 'operation' | 'millisecond';
  readonly how: 'power' | 'kill';
}

/** A day; resolves early, with false, when the machine stopped. */
async function live(on: Simulation): Promise<boolean> {
  const { bounds, clock } = on;
  const alive = async <Value>(promise: Promise<Value>): Promise<{ value: Value } | undefined> => {
    let outcome: { value: Value } | undefined;
    let failure: unknown;
    promise.then(
      (value) => (outcome = { value }),
      (error: unknown) => (failure = error ?? new Error('rejected')),
    );
    for (let round = 0; round < 2_000 && outcome === undefined && failure === undefined; round++) {
      if (on.fileSystem.isDead || on.lifeMs <= 0) return undefined;
      await pass(1, clock);
      on.lifeMs -= 1;
    }
    if (on.fileSystem.isDead || on.lifeMs <= 0) return undefined;
    if (failure !== undefined) throw failure as Error;
    return outcome;
  };
  const opened = await alive(StoreState.open(stateOptions(on)));
  if (opened === undefined) return false;
  const state = opened.value;
  const found = state.consumerOffsets.fetch('g', 'a', 0) ?? 0;
  expect(found).toBeGreaterThanOrEqual(bounds.atLeast);
  expect(found).toBeLessThanOrEqual(bounds.atMost);
  if (bounds.hasTopic) expect(state.topics.has('a')).toBe(true);
  for (let step = 0; step < 3; step++) {
    bounds.atMost = Math.max(bounds.atMost, found) + step + 1;
    state.consumerOffsets.commit('g', 'a', 0, bounds.atMost);
    state.topics.put(topicConfig('a', { topicSysFlag: step }));
    if ((await alive(state.whenDurable())) === undefined) return false;
    bounds.atLeast = bounds.atMost;
    bounds.hasTopic = true;
    const progress = { isExporting: true };
    const exporting = state.exportAll().finally(() => (progress.isExporting = false));
    exporting.catch(() => undefined); // looked at below, unless the machine stops first
    while (progress.isExporting) {
      // Consumers do not wait for an export: the key-value store gets ahead of the file that is being written.
      bounds.atMost += 1;
      state.consumerOffsets.commit('g', 'a', 0, bounds.atMost);
      if ((await alive(state.whenDurable())) === undefined) return false;
      bounds.atLeast = bounds.atMost;
    }
    if ((await alive(exporting)) === undefined) return false;
  }
  bounds.atMost += 1;
  state.consumerOffsets.commit('g', 'a', 0, bounds.atMost);
  if ((await alive(state.close())) === undefined) return false;
  bounds.atLeast = bounds.atMost;
  return true;
}

/** Apache runs and stops cleanly: it goes on from the file, consumes, and writes both files in its own way. */
function runApache(on: Simulation): void {
  const text =
    on.fileSystem.readFileSync(OFFSETS_JSON)?.toString() ??
    on.fileSystem.readFileSync(`${OFFSETS_JSON}.bak`)?.toString();
  const offset = Number(/"a@g":\{\s*0:(\d+)/.exec(text ?? '')?.[1] ?? 0) + 100;
  if (text !== undefined) on.fileSystem.replaceFileSync(`${OFFSETS_JSON}.bak`, Buffer.from(text));
  on.fileSystem.replaceFileSync(OFFSETS_JSON, Buffer.from(apacheOffsets({ 'a@g': { 0: offset } }, offset)));
  on.bounds.atLeast = offset;
  on.bounds.atMost = offset;
}

function newMachine(seed: number): Simulation {
  const clock = new ManualClock();
  const on: Simulation = {
    fileSystem: new CrashableFileSystem({
      seed,
      nowMs: () => on.clock.nowMs(),
      defer: (task) => void on.clock.schedule(1, task),
      pausesMax: 1,
    }),
    keyValues: new MemoryKeyValueStore({ clock, latencyMs: 2 }),
    clock,
    logger: new LogKeeper(),
    bounds: { atLeast: 0, atMost: 0, hasTopic: false },
    lifeMs: Number.MAX_SAFE_INTEGER,
  };
  on.fileSystem.makeDirectorySync(CONFIG);
  return on;
}

function plan(on: Simulation, { at, unit, how }: Stop): void {
  if (unit === 'operation') on.fileSystem.crashAt(on.fileSystem.operationCount + at, how);
  else on.lifeMs = at;
}

function restart(on: Simulation, prng: Prng, how: 'power' | 'kill'): void {
  on.fileSystem = how === 'power' ? on.fileSystem.crash() : on.fileSystem.kill();
  on.lifeMs = Number.MAX_SAFE_INTEGER;
  on.clock = new ManualClock(on.clock.nowMs() + 1_000);
  const pendingKept = prng.below(on.keyValues.pendingCommitCount + 1);
  on.keyValues = on.keyValues.crash(pendingKept, { clock: on.clock, latencyMs: 2 });
}

/** The machine stops, comes back, stops again somewhere, and lives two more days with Apache in between. */
async function simulate(stop: Stop, isApacheFirst: boolean): Promise<boolean> {
  const prng = new Prng(stop.at);
  const on = newMachine(stop.at);
  if (isApacheFirst) runApache(on);
  plan(on, stop);
  const isComplete = await live(on);
  restart(on, prng, stop.how);
  plan(on, { at: 1 + prng.below(60), unit: prng.pick(['operation', 'millisecond']), how: stop.how });
  if (await live(on)) runApache(on);
  restart(on, prng, stop.how);
  expect(await live(on)).toBe(true);
  runApache(on);
  restart(on, prng, 'kill');
  expect(await live(on)).toBe(true);
  expect(on.fileSystem.readFileSync(TOPICS_JSON)?.toString()).toContain('"a"');
  return isComplete;
}

describe('a crash of the state tables', () => {
  const cases = (['power', 'kill'] as const).flatMap((how) =>
    (['operation', 'millisecond'] as const).flatMap((unit) =>
      [true, false].map((isApacheFirst) => ({ how, unit, isApacheFirst })),
    ),
  );
  test.each(cases)(
    '($how) at any $unit moves no offset back and loses no topic; Apache was there before: $isApacheFirst',
    async ({ how, unit, isApacheFirst }) => {
      let at = 1;
      while (!(await simulate({ at, unit, how }, isApacheFirst))) {
        at += 1;
        if (at > 2_000) throw new Error('The day has no end.');
      }
      expect(at).toBeGreaterThan(20);
    },
    60_000,
  );
});
