// Says when the next sync under SYNC_FLUSH should begin. Producers that wait for their answers come back a moment after a sync has
// ended; whoever syncs without them has twice the syncs for the same messages, and each costs more CPU than twenty appends. So the
// next group waits until as many are there as were in flight when the last sync ended, but never longer than GATHER_MS. When they
// don't come (producers that do not wait for one another), the waiting is given up for longer and longer. Large groups do not wait:
// for them a sync costs little a message, and appending to one while the other is synced is worth more.

/** The most that gathering adds to an answer. */
export const GATHER_MS = 1;
/** So many are never made to wait. */
const LARGE_GROUP_COUNT = 64;
const REST_ROUNDS_MAX = 1_024;

export class GroupGathering {
  #expectedCount = 0;
  /** Groups that are synced without gathering. */
  #restRounds = 0;
  #nextRestRounds = 1;

  /** A sync has ended: it covered so many, and so many came meanwhile. */
  synced(coveredCount: number, waitingCount: number): void {
    this.#expectedCount = Math.min(LARGE_GROUP_COUNT, coveredCount + waitingCount);
    if (this.#restRounds > 0) this.#restRounds--;
  }

  /** True when a sync should begin for those who wait; else ask again when more have come, or call {@link missed}. */
  isComplete(waitingCount: number): boolean {
    if (this.#restRounds > 0) return true;
    if (waitingCount < this.#expectedCount) return false;
    // More than luck: they came although there was something to wait for.
    if (this.#expectedCount > 1) this.#nextRestRounds = Math.max(1, this.#nextRestRounds >> 1);
    return true;
  }

  /** GATHER_MS went by and the group was not complete. */
  missed(): void {
    this.#restRounds = this.#nextRestRounds;
    this.#nextRestRounds = Math.min(REST_ROUNDS_MAX, this.#nextRestRounds * 2);
  }
}
