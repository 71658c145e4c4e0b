// Index entries that are in no file yet, as three parallel arrays of numbers: adding one allocates nothing.

const CAPACITY_MIN = 1_024;

/** First in, first out. Owner: IndexService. */
export class PendingEntries {
  #keyHashes = new Int32Array(CAPACITY_MIN);
  #physicalOffsets = new Float64Array(CAPACITY_MIN);
  #storeTimestamps = new Float64Array(CAPACITY_MIN);
  #head = 0;
  #end = 0;

  get count(): number {
    return this.#end - this.#head;
  }

  add(keyHash: number, physicalOffset: number, storeTimestampMs: number): void {
    if (this.#end === this.#keyHashes.length) this.#makeRoom();
    const at = this.#end++;
    this.#keyHashes[at] = keyHash;
    this.#physicalOffsets[at] = physicalOffset;
    this.#storeTimestamps[at] = storeTimestampMs;
  }

  /** Hands the oldest `count` entries to `put`, in order. */
  take(count: number, put: (keyHash: number, physicalOffset: number, storeTimestampMs: number) => void): void {
    const end = Math.min(this.#end, this.#head + count);
    for (let at = this.#head; at < end; at++) {
      put(this.#keyHashes[at] as number, this.#physicalOffsets[at] as number, this.#storeTimestamps[at] as number);
    }
    this.#head = end;
    if (this.#head === this.#end) this.#clear();
  }

  #clear(): void {
    this.#head = 0;
    this.#end = 0;
    if (this.#keyHashes.length > CAPACITY_MIN * 16) this.#resize(CAPACITY_MIN);
  }

  #makeRoom(): void {
    this.#resize(this.count * 2 > this.#keyHashes.length ? this.#keyHashes.length * 2 : this.#keyHashes.length);
  }

  /** Moves what is there to the beginning of arrays of the given length. */
  #resize(length: number): void {
    const keyHashes = new Int32Array(length);
    const physicalOffsets = new Float64Array(length);
    const storeTimestamps = new Float64Array(length);
    keyHashes.set(this.#keyHashes.subarray(this.#head, this.#end));
    physicalOffsets.set(this.#physicalOffsets.subarray(this.#head, this.#end));
    storeTimestamps.set(this.#storeTimestamps.subarray(this.#head, this.#end));
    this.#end -= this.#head;
    this.#head = 0;
    this.#keyHashes = keyHashes;
    this.#physicalOffsets = physicalOffsets;
    this.#storeTimestamps = storeTimestamps;
  }
}
