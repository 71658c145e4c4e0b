// The port to the key-value store under the state tables. Small on purpose: the tables live in memory, so it is read once at
// open and only written afterwards. Providers: LMDB (lmdb-key-value-store.ts) and memory (memory-key-value-store.ts).

/** One key of an atomic batch: `undefined` removes it. */
export interface KeyValueChange {
  readonly key: string;
  readonly value: Buffer | undefined;
}

export interface KeyValueEntry {
  readonly key: string;
  /** An owned copy. */
  readonly value: Buffer;
}

/**
 * - `existing`: was there before;
 * - `new`: made now, as a first open does;
 * - `rebuilt`: made now, although there was one before: it was lost or could not be read.
 */
export type KeyValueOrigin = 'existing' | 'new' | 'rebuilt';

export interface KeyValueStore {
  readonly origin: KeyValueOrigin;
  get(key: string): Buffer | undefined;
  /** Every entry whose key begins with `prefix`, in the order of the keys' bytes. */
  range(prefix: string): Iterable<KeyValueEntry>;
  /**
   * All of the batch or nothing of it; a later change of a key wins over an earlier one. Resolves when it is durable. Batches
   * become durable in the order of the calls. The work is done off the loop, but for one or two microseconds a change.
   *
   * Rejects with a StoreError: 'ERR_STORE_NO_SPACE' refuses this batch only, and it may be tried again; any other code is final,
   * for all later batches too.
   */
  commit(changes: readonly KeyValueChange[]): Promise<void>;
  /** Waits for what was committed. Twice is the same as once. */
  close(): Promise<void>;
}
