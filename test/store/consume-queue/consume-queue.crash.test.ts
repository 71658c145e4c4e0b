import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.ts';
import type { ConsumeQueueStore } from '../../../src/store/consume-queue/consume-queue-store.ts';
import {
  dataViewOf,
  isValidUnit,
  unitAtPosition,
  type Unit,
} from '../../../src/store/consume-queue/consume-queue-layout.ts';
import type { FileSystem } from '../../../src/store/file-system.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import { DIRECTORY, openQueues, readAll } from './queue-harness.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 100);
/** Files of several pages, so that holes between surviving pages happen. */
const FILE_UNITS = 1_000;
const SETTINGS = { segmentSizeBytes: FILE_UNITS * 20 };
const QUEUE_COUNT = 3;

type Log = { readonly queueId: number; readonly unit: Unit }[];

/** The units as Apache's recovery walks them: to the first that is none, from the first file on. */
function walk(fileSystem: FileSystem, queueId: number): Unit[] {
  const directory = `${DIRECTORY}/T/${queueId}`;
  const units: Unit[] = [];
  for (const name of fileSystem.listSync(directory)) {
    const view = dataViewOf(fileSystem.readFileSync(`${directory}/${name}`) as Buffer);
    for (let position = 0; position < view.byteLength; position += 20) {
      const unit = unitAtPosition(view, position);
      if (!isValidUnit(unit.physicalOffset, unit.sizeBytes)) return units;
      units.push(unit);
    }
  }
  return units;
}

function appendRandom(prng: Prng, store: ConsumeQueueStore, log: Log): void {
  for (let count = prng.below(1_200); count > 0; count--) {
    const queueId = prng.below(QUEUE_COUNT);
    const queue = store.findOrCreate('T', queueId);
    const physicalOffset = log.length * 100;
    queue.append(queue.maxOffset, physicalOffset, 100, 1);
    log.push({ queueId, unit: { physicalOffset, sizeBytes: 100, tagsCode: 1 } });
  }
}

/** Some appends and write-outs, some of them made durable, and the power fails in the middle. */
async function workUntilCrash(prng: Prng, fileSystem: CrashableFileSystem, log: Log, trusted: number): Promise<number> {
  let durable = trusted;
  const store = await recover(fileSystem, log, trusted);
  for (let step = prng.below(6); step >= 0; step--) {
    appendRandom(prng, store, log);
    const end = log.length * 100;
    if (prng.chance(0.7)) await store.writeOut();
    if (prng.chance(0.3)) {
      await store.writeOut();
      await fileSystem.syncAll('/store');
      durable = end;
    }
  }
  if (prng.chance(0.5)) void store.writeOut().catch(() => undefined);
  for (let turns = prng.below(8); turns > 0; turns--) await Promise.resolve();
  return durable;
}

async function recover(fileSystem: FileSystem, log: Log, trusted: number): Promise<ConsumeQueueStore> {
  const store = await openQueues(fileSystem, SETTINGS);
  await store.trim(trusted);
  const from = Math.min(trusted, store.rebuildFrom ?? trusted);
  const counts = new Map<number, number>();
  for (const { queueId, unit } of log) {
    const offset = counts.get(queueId) ?? 0;
    counts.set(queueId, offset + 1);
    if (unit.physicalOffset < from) continue;
    store.findOrCreate('T', queueId).append(offset, unit.physicalOffset, unit.sizeBytes, unit.tagsCode);
  }
  return store;
}

describe('consume queues after a power cut', () => {
  it.each(Array.from({ length: SEEDS }, (_, seed) => seed + 1))(
    'hold what the log says, for Apache too, whatever pages survived (seed %i)',
    async (seed) => {
      const prng = new Prng(seed);
      let fileSystem = new CrashableFileSystem({ seed });
      fileSystem.makeDirectorySync('/store');
      const log: Log = [];
      let trusted = 0;
      for (let crash = 0; crash < 3; crash++) {
        trusted = await workUntilCrash(prng, fileSystem, log, trusted);
        fileSystem = prng.chance(0.8) ? fileSystem.crash() : fileSystem.kill();
        // Of what was not durable the log lost a tail, so queues may name records that never were.
        const kept = prng.below(log.length - trusted / 100 + 1);
        log.length = trusted / 100 + kept;
      }
      const store = await recover(fileSystem, log, trusted);
      await store.writeOut();
      for (let queueId = 0; queueId < QUEUE_COUNT; queueId++) {
        const expected = log.filter((entry) => entry.queueId === queueId).map(({ unit }) => unit);
        const queue = store.findOrCreate('T', queueId);
        expect(await readAll(queue)).toEqual(expected);
        expect(walk(fileSystem, queueId)).toEqual(expected);
      }
    },
  );
});
