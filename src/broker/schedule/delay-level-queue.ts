// One delay level: its queue in the schedule topic, how far it has been delivered, and how far that is known to be on disk. All
// messages of a level wait equally long, so the queue is in order of due time and only its head matters.

import { assert } from '../../base/assert.ts';
import { queueIdOfLevel } from '../send/delay-transform.ts';

/** A delivery whose new record may not be on disk yet. */
interface Unconfirmed {
  readonly nextOffset: number;
  /** Where the delivered record ends in the log. */
  readonly endPhysicalOffset: number;
}

export class DelayLevelQueue {
  readonly level: number;
  readonly queueId: number;
  /** The next message to deliver. */
  offset: number;
  /** When the head may be due: 0 = unknown, look; Infinity = the queue is empty from here on. */
  dueMs = 0;
  isBusy = false;
  #unconfirmed: Unconfirmed[] = [];

  constructor(level: number, offset: number) {
    this.level = level;
    this.queueId = queueIdOfLevel(level);
    this.offset = offset;
  }

  get hasUnconfirmed(): boolean {
    return this.#unconfirmed.length > 0;
  }

  delivered(nextOffset: number, endPhysicalOffset: number): void {
    assert(nextOffset > this.offset, 'a delay level goes back');
    this.offset = nextOffset;
    this.#unconfirmed.push({ nextOffset, endPhysicalOffset });
  }

  /** The offset that may be persisted when the log is on disk up to `flushedOffset`; undefined when it is as before. */
  confirm(flushedOffset: number): number | undefined {
    let count = 0;
    while (count < this.#unconfirmed.length && this.#at(count).endPhysicalOffset <= flushedOffset) count++;
    if (count === 0) return undefined;
    const confirmed = this.#at(count - 1).nextOffset;
    this.#unconfirmed = this.#unconfirmed.slice(count);
    return confirmed;
  }

  #at(index: number): Unconfirmed {
    return this.#unconfirmed[index] as Unconfirmed;
  }
}
