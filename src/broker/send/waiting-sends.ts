// Counts the sends that wait for the store (a sync, room on disk) and says when there are too many: bounded memory instead of a
// queue without an end. Owner: the send processor.

import { assert } from '../../base/assert.ts';

export class WaitingSends {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #count = 0;
  #bytes = 0;

  constructor(limits: { readonly countMax: number; readonly bytesMax: number }) {
    this.#countMax = limits.countMax;
    this.#bytesMax = limits.bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** undefined when one more send may wait. */
  get problem(): string | undefined {
    if (this.#count >= this.#countMax)
      return `${this.#count} sends are waiting for the store already; try again in a moment.`;
    if (this.#bytes >= this.#bytesMax) {
      return `${this.#bytes} bytes of messages are waiting for the store already; try again in a moment.`;
    }
    return undefined;
  }

  /** Counts a send until its promise settles. */
  async track<Result>(bodySizeBytes: number, waiting: Promise<Result>): Promise<Result> {
    this.#count++;
    this.#bytes += bodySizeBytes;
    try {
      return await waiting;
    } finally {
      this.#count--;
      this.#bytes -= bodySizeBytes;
      assert(this.#count >= 0 && this.#bytes >= 0, 'more sends ended than waited');
    }
  }
}
