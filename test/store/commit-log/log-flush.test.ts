import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import type { CommitLog } from '../../../src/store/commit-log/commit-log.ts';
import { GATHER_MS } from '../../../src/store/commit-log/group-gathering.ts';
import { LogFlush, type LogFlushOptions } from '../../../src/store/commit-log/log-flush.ts';
import type { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import {
  append,
  fill,
  message,
  newFileSystem,
  newLog,
  openLog,
  SEGMENT_SIZE_BYTES,
  STORE_TIME_MS,
} from './commit-log-fixture.ts';

interface Bench {
  readonly fileSystem: CrashableFileSystem;
  readonly clock: ManualClock;
  readonly log: CommitLog;
  readonly flush: LogFlush;
  readonly recorded: number[];
  readonly told: number[];
  readonly failures: Error[];
  readonly syncs: () => number;
}

async function bench(overrides: Partial<LogFlushOptions> = {}): Promise<Bench> {
  const fileSystem = newFileSystem();
  const clock = new ManualClock();
  const log = await newLog(fileSystem);
  const recorded: number[] = [];
  const told: number[] = [];
  const failures: Error[] = [];
  const flush = new LogFlush({
    commitLog: log,
    durableOffset: { write: (offset) => void recorded.push(offset) },
    clock,
    flushDiskType: 'SYNC_FLUSH',
    flushIntervalMs: 500,
    syncFlushTimeoutMs: 5_000,
    onFlushed: (offset) => void told.push(offset),
    onFailed: (error) => void failures.push(error),
    ...overrides,
  });
  // The first segment is made before anything is counted: its making syncs too.
  await log.whenRoom();
  const counted = (): number => fileSystem.trace.filter((operation) => operation.kind === 'region.sync').length;
  const before = counted();
  const syncs = (): number => counted() - before;
  return { fileSystem, clock, log, flush, recorded, told, failures, syncs };
}

/** Lets everything that only waits for microtasks happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
}

describe('LogFlush', () => {
  it('covers everything that arrived in one turn with one sync', async () => {
    const { clock, log, flush, syncs, told, recorded } = await bench();
    const waiting = [];
    for (let index = 0; index < 10; index++) {
      await append(log);
      waiting.push(flush.whenFlushed(log.endOffset));
    }
    expect(log.flushedOffset).toBe(0);
    clock.runDeferred();
    expect(await Promise.all(waiting)).toEqual(Array(10).fill('flushed'));
    expect(syncs()).toBe(1);
    expect(log.flushedOffset).toBe(log.endOffset);
    expect(told).toEqual([log.endOffset]);
    expect(recorded).toEqual([log.endOffset]);
    await flush.stop();
  });

  it('starts the next group when the sync before it ends, if as many wait as it covered, or a moment later', async () => {
    const { fileSystem, clock, log, flush, syncs } = await bench();
    fileSystem.hold('region.sync');
    await append(log);
    const first = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    await settle();
    await append(log);
    const second = flush.whenFlushed(log.endOffset);
    await append(log);
    const third = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    await settle();
    expect(syncs()).toBe(1);
    fileSystem.release('region.sync');
    expect(await first).toBe('flushed');
    await settle();
    // Three were in flight, two are here: the third may come back with its answer.
    expect(syncs()).toBe(1);
    await append(log);
    const fourth = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    expect(await second).toBe('flushed');
    expect(await third).toBe('flushed');
    expect(await fourth).toBe('flushed');
    expect(syncs()).toBe(2);
    // Now it does not come.
    const schedule = clock.schedule.bind(clock);
    const keptAlive: (boolean | undefined)[] = [];
    clock.schedule = (delayMs, task, keepsAlive?: boolean) => {
      keptAlive.push(keepsAlive);
      return schedule(delayMs, task);
    };
    await append(log);
    const fifth = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    await settle();
    expect(syncs()).toBe(2);
    expect(keptAlive).toContain(true);
    clock.advance(GATHER_MS);
    expect(await fifth).toBe('flushed');
    await flush.stop();
  });

  it('answers at once when the offset is durable already', async () => {
    const { clock, log, flush, syncs } = await bench();
    await append(log);
    const waiting = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    await waiting;
    expect(await flush.whenFlushed(log.endOffset)).toBe('flushed');
    expect(syncs()).toBe(1);
    await flush.stop();
  });

  it('syncs every segment between the flushed offset and the end', async () => {
    const { fileSystem, clock, log, flush } = await bench();
    await fill(log, 70);
    expect(log.segments().length).toBeGreaterThan(2);
    const waiting = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    await waiting;
    expect(log.flushedOffset).toBe(log.endOffset);
    for (const file of log.files.files) expect(file.flushedPosition).toBe(file.wrotePosition);
    const before = fileSystem.files();
    const after = fileSystem.crash();
    const { endOffset } = log;
    const reopened = await openLog(after);
    for (let offset = 0; offset < endOffset; offset += SEGMENT_SIZE_BYTES) {
      const file = reopened.files.find(offset);
      expect(after.files().get(file?.path ?? '')).toEqual(before.get(file?.path ?? ''));
    }
    await reopened.close();
  });

  it('says timeout when the disk is too slow, for each waiter at its own time', async () => {
    const { fileSystem, clock, log, flush } = await bench();
    fileSystem.hold('region.sync');
    const outcomes: string[] = [];
    await append(log);
    void flush.whenFlushed(log.endOffset).then((outcome) => outcomes.push(`first ${outcome}`));
    clock.advance(3_000);
    await append(log);
    void flush.whenFlushed(log.endOffset).then((outcome) => outcomes.push(`second ${outcome}`));
    clock.advance(1_999);
    await settle();
    expect(outcomes).toEqual([]);
    clock.advance(1);
    await settle();
    expect(outcomes).toEqual(['first timeout']);
    clock.advance(2_999);
    await settle();
    expect(outcomes).toEqual(['first timeout']);
    clock.advance(1);
    await settle();
    expect(outcomes).toEqual(['first timeout', 'second timeout']);
    fileSystem.release('region.sync');
    await settle();
    await append(log);
    const later = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    expect(await later).toBe('flushed');
    await flush.stop();
  });

  it('fences for ever after a sync that failed', async () => {
    const { fileSystem, clock, log, flush, failures, told, recorded } = await bench();
    await append(log);
    const good = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    await good;
    const { flushedOffset } = log;
    fileSystem.failNth('region.sync', 1, 'EIO');
    await append(log);
    const bad = [flush.whenFlushed(log.endOffset), flush.whenFlushed(log.endOffset)];
    clock.runDeferred();
    for (const waiting of bad) await expect(waiting).rejects.toMatchObject({ code: 'ERR_STORE_FENCED' });
    expect(failures).toHaveLength(1);
    expect(flush.failure).toBe(failures[0]);
    await expect(flush.whenFlushed(log.endOffset)).rejects.toMatchObject({ code: 'ERR_STORE_FENCED' });
    await expect(flush.flushNow()).rejects.toMatchObject({ code: 'ERR_STORE_FENCED' });
    flush.wakeUp();
    clock.advance(10_000);
    await settle();
    expect(log.flushedOffset).toBe(flushedOffset);
    expect(told).toEqual([flushedOffset]);
    expect(recorded).toEqual([flushedOffset]);
    expect(failures).toHaveLength(1);
    await flush.stop();
  });

  it('fences those who joined while the failing sync ran, too', async () => {
    const { fileSystem, clock, log, flush } = await bench();
    fileSystem.failNth('region.sync', 1, 'EIO');
    fileSystem.hold('region.sync');
    await append(log);
    const first = flush.whenFlushed(log.endOffset);
    clock.runDeferred();
    await settle();
    await append(log);
    const second = flush.whenFlushed(log.endOffset);
    const both = Promise.allSettled([first, second]);
    fileSystem.release('region.sync');
    expect((await both).map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
    clock.runDeferred();
    await settle();
    expect(log.flushedOffset).toBe(0);
    await flush.stop();
  });

  it('syncs once an interval while something is new, and not at all when nothing is', async () => {
    const { clock, log, flush, syncs } = await bench({ flushDiskType: 'ASYNC_FLUSH' });
    clock.advance(10_000);
    await settle();
    expect(syncs()).toBe(0);
    for (let index = 0; index < 5; index++) {
      await append(log);
      flush.wakeUp();
    }
    clock.advance(499);
    await settle();
    expect(syncs()).toBe(0);
    clock.advance(1);
    await settle();
    expect(syncs()).toBe(1);
    expect(log.flushedOffset).toBe(log.endOffset);
    clock.advance(10_000);
    await settle();
    expect(syncs()).toBe(1);
    await append(log);
    flush.wakeUp();
    clock.advance(500);
    await settle();
    expect(syncs()).toBe(2);
    await flush.stop();
  });

  it('starts the interval again for what was appended while the sync ran', async () => {
    const { fileSystem, clock, log, flush } = await bench({ flushDiskType: 'ASYNC_FLUSH' });
    await append(log);
    flush.wakeUp();
    fileSystem.hold('region.sync');
    clock.advance(500);
    await settle();
    await append(log);
    flush.wakeUp();
    fileSystem.release('region.sync');
    await settle();
    expect(log.flushedOffset).toBeLessThan(log.endOffset);
    clock.advance(500);
    await settle();
    expect(log.flushedOffset).toBe(log.endOffset);
    await flush.stop();
  });

  it('flushes everything when it is stopped, and refuses to wait after that', async () => {
    const { log, flush, clock } = await bench({ flushDiskType: 'ASYNC_FLUSH' });
    await append(log);
    flush.wakeUp();
    await flush.stop();
    expect(log.flushedOffset).toBe(log.endOffset);
    log.append(message(), 0, STORE_TIME_MS);
    await expect(flush.whenFlushed(log.endOffset)).rejects.toMatchObject({ code: 'ERR_STORE_CLOSED' });
    clock.advance(60_000);
    await settle();
    expect(log.flushedOffset).toBeLessThan(log.endOffset);
  });

  it('flushNow covers what was appended before the call, also when a sync was under way', async () => {
    const { fileSystem, log, flush } = await bench();
    await append(log);
    fileSystem.hold('region.sync');
    const first = flush.flushNow();
    await settle();
    await append(log);
    const { endOffset } = log;
    const second = flush.flushNow();
    fileSystem.release('region.sync');
    await first;
    await second;
    expect(log.flushedOffset).toBe(endOffset);
    await flush.stop();
  });
});
