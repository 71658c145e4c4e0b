import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { Prng } from '../../../src/base/prng.ts';
import { getProperty } from '../../../src/model/message-properties.ts';
import type { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import type { IndexRequest, IndexService } from '../../../src/store/index/index-service.ts';
import { memoryFileSystem, openIndex, requestFor, START_MS } from './index-harness.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 100);
const KEY_COUNT = 40;
/** Slots and entries over several pages, so that they survive on their own. */
const SETTINGS = { hashSlotCount: 3_000, entryCountMax: 1_500 };

function randomRequest(prng: Prng, n: number): IndexRequest {
  const keys = Array.from({ length: prng.below(4) }, () => `k${prng.below(KEY_COUNT)}`).join(' ');
  return requestFor(n, { uniqueKey: `U${n}`, keys, ...(prng.chance(0.3) ? { tags: 'red' } : {}) });
}

/** What a crashed store does: opens, trims, dispatches every record above again. */
async function recover(
  fileSystem: CrashableFileSystem,
  log: readonly IndexRequest[],
  trusted: number,
): Promise<IndexService> {
  const index = await openIndex(fileSystem, { ...SETTINGS, clock: new ManualClock(START_MS + log.length) });
  const from = Math.min(await index.trim(trusted), index.rebuildFrom ?? trusted);
  for (const request of log) if (request.physicalOffset >= from) index.add(request);
  return index;
}

async function work(
  prng: Prng,
  index: IndexService,
  log: IndexRequest[],
  fileSystem: CrashableFileSystem,
): Promise<number | undefined> {
  let trusted: number | undefined;
  for (let step = prng.below(8); step >= 0; step--) {
    for (let count = prng.below(300); count > 0; count--) {
      const request = randomRequest(prng, log.length);
      log.push(request);
      index.add(request);
    }
    const end = log.length * 100;
    if (prng.chance(0.5)) await index.flushPending();
    if (prng.chance(0.3)) {
      await index.flushPending();
      if (prng.chance(0.5)) await fileSystem.syncAll('/store');
      else {
        await index.sync();
        await fileSystem.syncDirectory('/store/index');
        await fileSystem.syncDirectory('/store');
      }
      trusted = end;
    }
  }
  return trusted;
}

const keysOf = (properties: string): string[] => (getProperty(properties, 'KEYS') ?? '').split(' ');

async function check(index: IndexService, log: readonly IndexRequest[]): Promise<void> {
  await index.flushPending();
  for (let key = 0; key < KEY_COUNT; key++) {
    const token = `k${key}`;
    const expected = log.filter(({ properties }) => keysOf(properties).includes(token));
    const { physicalOffsets } = await index.query('Orders', token, {
      countMax: 100_000,
      beginMs: 0,
      endMs: Number.MAX_SAFE_INTEGER,
    });
    // A key may stand twice in one message, and hashes of other keys may collide: neither may lose anything.
    expect([...new Set(physicalOffsets)].reverse()).toEqual(expected.map(({ physicalOffset }) => physicalOffset));
    expect(physicalOffsets).toEqual([...physicalOffsets].sort((a, b) => b - a));
  }
}

describe('the index after a power cut', () => {
  it.each(Array.from({ length: SEEDS }, (_, seed) => seed + 1))(
    'finds every record again, whatever pages survived (seed %i)',
    async (seed) => {
      const prng = new Prng(seed);
      let fileSystem = memoryFileSystem(seed);
      const log: IndexRequest[] = [];
      let trusted = 0;
      for (let crash = 0; crash < 3; crash++) {
        const index = await recover(fileSystem, log, trusted);
        trusted = (await work(prng, index, log, fileSystem)) ?? trusted;
        if (prng.chance(0.3)) {
          const flushing = index.flushPending();
          if (flushing instanceof Promise) flushing.catch(() => undefined);
        }
        fileSystem = prng.chance(0.7) ? fileSystem.crash() : fileSystem.kill();
        // Of what was not durable the log lost a tail.
        log.length = trusted / 100 + prng.below(log.length - trusted / 100 + 1);
      }
      const index = await recover(fileSystem, log, trusted);
      await check(index, log);
      await index.close();
      const again = await recover(fileSystem, log, trusted);
      await check(again, log);
    },
  );
});
