import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.ts';
import type { ConsumeQueueStore } from '../../../src/store/consume-queue/consume-queue-store.ts';
import type { Unit } from '../../../src/store/consume-queue/consume-queue.ts';
import type { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import { memoryFileSystem, openQueues, readAll } from './queue-harness.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 60);
const QUEUE_IDS = [0, 1, 2];

/** What a queue should hold: the units in a plain array, `first` of them forgotten. */
interface ModelQueue {
  units: Unit[];
  min: number;
}

class Model {
  readonly queues = new Map<number, ModelQueue>(QUEUE_IDS.map((id) => [id, { units: [], min: 0 }]));
  logEnd = 0;
}

class Run {
  readonly prng: Prng;
  readonly model = new Model();
  fileSystem: CrashableFileSystem;
  store!: ConsumeQueueStore;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.fileSystem = memoryFileSystem(seed);
  }

  append(): void {
    for (let count = this.prng.below(30); count > 0; count--) {
      const queueId = this.prng.pick(QUEUE_IDS);
      const queue = this.model.queues.get(queueId) as ModelQueue;
      const unit = {
        physicalOffset: this.model.logEnd,
        sizeBytes: 50 + this.prng.below(100),
        tagsCode: this.prng.below(9) - 4,
      };
      this.store
        .findOrCreate('T', queueId)
        .append(queue.units.length, unit.physicalOffset, unit.sizeBytes, unit.tagsCode);
      queue.units.push(unit);
      this.model.logEnd += unit.sizeBytes;
    }
  }

  /** What recovery does: trims, then dispatches every record from there on again, or even from before. */
  async recover(trusted: number): Promise<void> {
    this.store = await openQueues(this.fileSystem);
    await this.store.trim(trusted);
    const from = Math.min(trusted, this.store.rebuildFrom ?? trusted);
    for (const [queueId, { units }] of this.model.queues) {
      units.forEach((unit, offset) => {
        if (unit.physicalOffset + unit.sizeBytes <= from) return;
        this.store.findOrCreate('T', queueId).append(offset, unit.physicalOffset, unit.sizeBytes, unit.tagsCode);
      });
    }
  }

  async deleteExpired(): Promise<void> {
    const minPhysical = this.prng.below(this.model.logEnd + 1);
    await this.store.deleteExpired(minPhysical);
    for (const queue of this.model.queues.values()) {
      while (queue.min < queue.units.length && (queue.units[queue.min] as Unit).physicalOffset < minPhysical)
        queue.min++;
    }
  }

  async check(): Promise<void> {
    for (const [queueId, { units, min }] of this.model.queues) {
      const queue = this.store.find('T', queueId);
      if (queue === undefined) {
        expect(units.length).toBe(0);
        continue;
      }
      expect(queue.maxOffset).toBe(units.length);
      expect(queue.minOffset).toBe(min);
      expect(await readAll(queue)).toEqual(units.slice(min));
      const limit = this.prng.below(this.model.logEnd + 2);
      const readable = units.slice(min).filter((unit) => unit.physicalOffset + unit.sizeBytes <= limit);
      expect(queue.readableMax(limit)).toBe(min + readable.length);
      expect(await readAll(queue, min, limit)).toEqual(readable);
    }
  }
}

describe('consume queues against a model', () => {
  it.each(Array.from({ length: SEEDS }, (_, seed) => seed + 1))('seed %i', async (seed) => {
    const run = new Run(seed);
    run.store = await openQueues(run.fileSystem);
    for (let step = 0; step < 25; step++) {
      const choice = run.prng.below(10);
      if (choice < 4) run.append();
      else if (choice < 7) {
        const writing = run.store.writeOut();
        run.append();
        await writing;
      } else if (choice === 7) {
        await run.store.writeOut();
        await run.store.close();
        run.store = await openQueues(run.fileSystem);
        await run.store.deleteExpired(expiredBelow(run.model));
      } else if (choice === 8) await run.deleteExpired();
      else {
        await run.store.writeOut();
        await run.store.close();
        await run.recover(Math.max(run.prng.below(run.model.logEnd + 1), expiredBelow(run.model)));
        await run.store.deleteExpired(expiredBelow(run.model));
      }
      await run.check();
    }
  });
});

/** The log begins where the first unit that is left anywhere begins. */
function expiredBelow(model: Model): number {
  const starts = [...model.queues.values()].map(({ units, min }) => units[min]?.physicalOffset ?? model.logEnd);
  return Math.min(...starts);
}
