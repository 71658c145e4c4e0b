// A key-value store in memory for simulations: it has LMDB's promises (atomic batches, durable in order, resolved when
// durable) and can crash: a commit that has not resolved may be lost, and then so are all after it.

import type { Clock } from '../../base/clock.ts';
import { StoreError } from '../store-errors.ts';
import type { KeyValueChange, KeyValueEntry, KeyValueOrigin, KeyValueStore } from './key-value-store.ts';

interface PendingCommit {
  readonly changes: readonly KeyValueChange[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface MemoryKeyValueStoreOptions {
  /** With a clock a commit takes `latencyMs`; without one it is durable at the end of the current job (a microtask). */
  readonly clock?: Clock;
  readonly latencyMs?: number;
  readonly origin?: KeyValueOrigin;
}

export class MemoryKeyValueStore implements KeyValueStore {
  readonly origin: KeyValueOrigin;
  readonly #options: MemoryKeyValueStoreOptions;
  readonly #durable: Map<string, Buffer>;
  #pending: PendingCommit[] = [];
  #refusal: StoreError | undefined;
  #isClosed = false;
  #isCrashed = false;

  constructor(options: MemoryKeyValueStoreOptions = {}, durable: ReadonlyMap<string, Buffer> = new Map()) {
    this.#options = options;
    this.#durable = new Map(durable);
    this.origin = options.origin ?? (durable.size === 0 ? 'new' : 'existing');
  }

  get pendingCommitCount(): number {
    return this.#pending.length;
  }

  get(key: string): Buffer | undefined {
    const value = this.#durable.get(key);
    return value === undefined ? undefined : Buffer.from(value);
  }

  range(prefix: string): Iterable<KeyValueEntry> {
    return [...this.#durable]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => ({ key, value: Buffer.from(value) }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  commit(changes: readonly KeyValueChange[]): Promise<void> {
    if (this.#isCrashed) return new Promise(() => undefined); // nobody is there any more to hear of it
    if (this.#isClosed) {
      return Promise.reject(new StoreError('ERR_STORE_CLOSED', 'The key-value store is closed; open the store again.'));
    }
    // The caller may reuse its buffers once the promise has settled, and a crash must not see later bytes.
    const owned = changes.map(({ key, value }) => ({
      key,
      value: value === undefined ? undefined : Buffer.from(value),
    }));
    return new Promise((resolve, reject) => {
      this.#pending.push({ changes: owned, resolve, reject });
      const settle = (): void => this.#settleNext();
      if (this.#options.clock === undefined) queueMicrotask(settle);
      else this.#options.clock.schedule(this.#options.latencyMs ?? 1, settle);
    });
  }

  /** Every commit is refused with this error, until called again with undefined. */
  refuseWith(error: StoreError | undefined): void {
    this.#refusal = error;
  }

  /**
   * What a crash now leaves, as a new store: everything durable and the first `pendingKept` of the unresolved commits. This
   * store takes part in nothing any more: its commits never settle.
   */
  crash(pendingKept: number, options: MemoryKeyValueStoreOptions = this.#options): MemoryKeyValueStore {
    const survivor = new MemoryKeyValueStore(options, this.#durable);
    for (const commit of this.#pending.slice(0, pendingKept)) survivor.#apply(commit.changes);
    this.#pending = [];
    this.#isCrashed = true;
    return survivor;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#pending.length > 0) this.#settleNext();
    return Promise.resolve();
  }

  #settleNext(): void {
    const commit = this.#pending.shift();
    if (commit === undefined) return; // crashed or closed meanwhile
    if (this.#refusal !== undefined) {
      commit.reject(this.#refusal);
      return;
    }
    this.#apply(commit.changes);
    commit.resolve();
  }

  #apply(changes: readonly KeyValueChange[]): void {
    for (const { key, value } of changes) {
      if (value === undefined) this.#durable.delete(key);
      else this.#durable.set(key, value);
    }
  }
}
