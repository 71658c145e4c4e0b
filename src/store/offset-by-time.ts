// Finds the queue offset that belongs to a time, by halving the queue and reading store timestamps from the log
// (Java: ConsumeQueue.getOffsetInQueueByTime). Store times are taken to rise with the offset; where a clock jumped back, the
// answer is near rather than exact, as it is in Java.

import type { ConsumeQueue } from './consume-queue/consume-queue.ts';
import type { BoundaryType } from './store-types.ts';

/**
 * LOWER: the first offset whose message was stored at or after the time, or `maxOffset` when there is none.
 * UPPER: the last offset whose message was stored at or before the time, or `minOffset` when there is none.
 */
export async function offsetByTime(options: {
  queue: ConsumeQueue;
  maxOffset: number;
  timestampMs: number;
  boundary: BoundaryType;
  /** undefined when retention removed the record meanwhile. */
  storeTimestampAt: (queueOffset: number) => Promise<number | undefined>;
}): Promise<number> {
  const { queue, maxOffset, timestampMs, boundary, storeTimestampAt } = options;
  const minOffset = queue.minOffset;
  // Invariant: every message below `low` is before the boundary, every message at or above `high` is behind it.
  let low = minOffset;
  let high = maxOffset;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const stored = await storeTimestampAt(middle);
    const isBefore = stored === undefined || (boundary === 'LOWER' ? stored < timestampMs : stored <= timestampMs);
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  if (boundary === 'LOWER') return low;
  return Math.max(minOffset, low - 1);
}
