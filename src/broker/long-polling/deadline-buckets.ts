// Deadlines in coarse buckets under one timer: adding and removing cost the same for one item and for a hundred thousand, and
// nothing ticks while nothing waits. An item falls due up to one granule after its deadline, never before.

import type { Clock, Timer } from '../../base/clock.ts';

export class DeadlineBuckets<Item> {
  readonly #clock: Clock;
  readonly #granuleMs: number;
  readonly #onDue: (item: Item) => void;
  readonly #buckets = new Map<number, Set<Item>>();
  #timer: Timer | undefined;
  #timerBucket = Number.POSITIVE_INFINITY;

  constructor(options: { readonly clock: Clock; readonly granuleMs: number; readonly onDue: (item: Item) => void }) {
    this.#clock = options.clock;
    this.#granuleMs = options.granuleMs;
    this.#onDue = options.onDue;
  }

  /** Returns the bucket, which {@link remove} wants back. */
  add(item: Item, afterMs: number): number {
    const bucket = Math.ceil((this.#clock.monotonicMs() + afterMs) / this.#granuleMs);
    const items = this.#buckets.get(bucket);
    if (items === undefined) this.#buckets.set(bucket, new Set([item]));
    else items.add(item);
    if (bucket < this.#timerBucket) this.#arm(bucket);
    return bucket;
  }

  remove(item: Item, bucket: number): void {
    const items = this.#buckets.get(bucket);
    if (items?.delete(item) !== true || items.size > 0) return;
    this.#buckets.delete(bucket);
    if (this.#buckets.size === 0) this.#disarm();
  }

  /** Forgets everything. */
  clear(): void {
    this.#buckets.clear();
    this.#disarm();
  }

  #arm(bucket: number): void {
    this.#timer?.cancel();
    this.#timerBucket = bucket;
    const afterMs = bucket * this.#granuleMs - this.#clock.monotonicMs();
    this.#timer = this.#clock.schedule(Math.max(0, afterMs), () => this.#fire());
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerBucket = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerBucket = Number.POSITIVE_INFINITY;
    // A timer may be a moment early against the monotonic clock; a bucket that it was set for counts as due.
    const dueBucket = Math.floor((this.#clock.monotonicMs() + 1) / this.#granuleMs);
    const due: Item[] = [];
    for (const [bucket, items] of this.#buckets) {
      if (bucket > dueBucket) continue;
      this.#buckets.delete(bucket);
      // One by one: as arguments of one call they would have to fit the stack.
      for (const item of items) due.push(item);
    }
    for (const item of due) this.#onDue(item);
    const next = Math.min(...this.#buckets.keys());
    if (next < this.#timerBucket) this.#arm(next);
  }
}
