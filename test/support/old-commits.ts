// Which of the offsets that a process committed must be on disk by now, for processes that are killed: those older than the
// promise, on a disk whose syncs are quick. A disk that other work keeps busy makes a sync slow, and a machine that other work
// keeps busy makes a timer late; both are waited for, and what has not ended yet counts as long as it has lasted so far:
// the wait in which the process is killed is never among those that ended.

import type { Clock } from '../../src/base/clock.ts';
import type { KeyValueChange, KeyValueStore } from '../../src/store/state/key-value-store.ts';

/** What the store promises. */
const OLD_MS = 100;
/** The timer of a round may be late, and the round wait for one under way; LMDB syncs twice, its pages and its mark. */
const WAITS_PER_COMMIT = 4;

interface Commit {
  readonly offset: number;
  readonly atMs: number;
}

export class OldCommits {
  readonly #clock: Clock;
  readonly #commitIntervalMs: number;
  readonly #running = new Set<{ readonly beganMs: number }>();
  /** The oldest first. */
  readonly #commits: Commit[] = [];
  #slowestEndedMs = 0;

  constructor(clock: Clock, commitIntervalMs: number) {
    this.#clock = clock;
    this.#commitIntervalMs = commitIntervalMs;
  }

  /** Work like what a commit waits for. */
  async watch<T>(begin: () => Promise<T>): Promise<T> {
    const running = { beganMs: this.#clock.monotonicMs() };
    this.#running.add(running);
    try {
      return await begin();
    } finally {
      this.#running.delete(running);
      this.#slowestEndedMs = Math.max(this.#slowestEndedMs, this.#clock.monotonicMs() - running.beganMs);
    }
  }

  /** The same store, each batch watched: its syncs are the ones that offsets wait for. */
  watchBatches(keyValues: KeyValueStore, onDurable?: (changes: readonly KeyValueChange[]) => void): KeyValueStore {
    return {
      origin: keyValues.origin,
      get: (key) => keyValues.get(key),
      range: (prefix) => keyValues.range(prefix),
      commit: async (changes) => {
        await this.watch(() => keyValues.commit(changes));
        onDurable?.(changes);
      },
      close: () => keyValues.close(),
    };
  }

  /** The offset was committed now. */
  add(offset: number): void {
    this.#commits.push({ offset, atMs: this.#clock.monotonicMs() });
  }

  /** The newest offset that became old since the last call. */
  takeOld(): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    const oldMs = Math.max(OLD_MS, this.#commitIntervalMs + WAITS_PER_COMMIT * this.#slowestMs(nowMs));
    const last = this.#commits.findLastIndex(({ atMs }) => atMs <= nowMs - oldMs);
    return this.#commits.splice(0, last + 1).at(-1)?.offset;
  }

  #slowestMs(nowMs: number): number {
    return Math.max(this.#slowestEndedMs, ...[...this.#running].map(({ beganMs }) => nowMs - beganMs));
  }
}
