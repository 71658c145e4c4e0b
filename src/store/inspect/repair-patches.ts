// Fills damaged ranges with records of exactly the right sizes. Which messages were there is known from the consume queues: each
// unit gives place and size, and the queue's name and the unit's place the rest. Bytes that no unit claims become one filler.

import { assert } from '../../base/assert.ts';
import { RECORD_SIZE_BYTES_MIN, BLANK_SIZE_BYTES, MAGIC_CODE_BLANK } from '../commit-log/message-layout.ts';
import type { Unit } from '../consume-queue/consume-queue-layout.ts';
import type { FileSystem } from '../file-system.ts';
import { segmentName } from '../mapped-file/segment-names.ts';
import type { StorePaths } from '../store-paths.ts';
import type { LogFiles } from './log-files.ts';
import type { DamagedRange } from './log-walk.ts';
import { listQueues, type QueueDirectory, rangeOf, UnitReader } from './queue-files.ts';
import { encodeFiller, encodeTombstone } from './tombstone.ts';

/** Messages of one queue that are given up. */
export interface QueueLoss {
  readonly topic: string;
  readonly queueId: number;
  readonly firstQueueOffset: number;
  readonly lastQueueOffset: number;
  readonly messageCount: number;
}

/** A break in a queue's offsets across a damage: those in [from, to) are lost. */
export interface OffsetGap {
  readonly topic: string;
  readonly queueId: number;
  readonly from: number;
  readonly to: number;
}

/** Bytes to be written into one segment. */
export interface Patch {
  readonly path: string;
  readonly position: number;
  readonly physicalOffset: number;
  readonly bytes: Buffer;
  /** The message that was there; undefined for a filler or a blank. */
  readonly unit: LostUnit | undefined;
}

export interface LostUnit {
  readonly queue: QueueDirectory;
  readonly queueOffset: number;
  readonly unit: Unit;
}

export interface PatchOptions {
  readonly fileSystem: FileSystem;
  readonly paths: StorePaths;
  readonly files: LogFiles;
  readonly damages: readonly DamagedRange[];
  /** Store time for the records in the place of each damage. */
  readonly timesMs: readonly number[];
  readonly gaps: readonly OffsetGap[];
}

export type PlannedPatches =
  { readonly patches: readonly Patch[]; readonly losses: readonly QueueLoss[] } | { readonly refusal: string };

/** Thrown inside this file only. */
class Refusal extends Error {}

export function planPatches(options: PatchOptions): PlannedPatches {
  const { fileSystem, paths, damages } = options;
  const { queues, fileSizeBytes } = listQueues(fileSystem, paths.consumeQueue);
  const reader = new UnitReader(fileSystem, fileSizeBytes);
  try {
    const patches: Patch[] = [];
    for (const [index, damage] of damages.entries()) {
      const storeTimestampMs = Math.max(1, options.timesMs[index] ?? 0);
      for (const range of splitAtSegments(options.files, damage)) {
        const units = queues.flatMap((queue) => unitsIn(reader, queue, range)).sort(byOffset);
        patches.push(...fill(range, units, storeTimestampMs));
      }
    }
    checkGaps(patches, options.gaps);
    return { patches, losses: lossesOf(patches) };
  } catch (error) {
    if (error instanceof Refusal)
      return { refusal: `${error.message}; use --truncate-at-damage, or restore the file from a copy.` };
    throw error;
  }
}

interface Range {
  readonly path: string;
  readonly segmentOffset: number;
  readonly segmentEnd: number;
  readonly from: number;
  readonly to: number;
}

/** Only where segments are missing can a range touch more than one. */
function splitAtSegments({ directory, segmentSizeBytes, segments }: LogFiles, damage: DamagedRange): Range[] {
  const base = (segments[0]?.startOffset ?? 0) % segmentSizeBytes;
  const ranges: Range[] = [];
  for (let from = damage.from; from < damage.to;) {
    const segmentOffset = from - ((from - base) % segmentSizeBytes);
    const segmentEnd = segmentOffset + segmentSizeBytes;
    const to = Math.min(damage.to, segmentEnd);
    ranges.push({ path: `${directory}/${segmentName(segmentOffset)}`, segmentOffset, segmentEnd, from, to });
    from = to;
  }
  return ranges;
}

const byOffset = (a: LostUnit, b: LostUnit): number => a.unit.physicalOffset - b.unit.physicalOffset;

/** Units of one queue whose records begin in the range. They are in the order of the log. */
function unitsIn(reader: UnitReader, queue: QueueDirectory, { from, to }: Range): LostUnit[] {
  const { minOffset, maxOffset } = rangeOf(reader, queue);
  let low = minOffset;
  let high = maxOffset;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if ((reader.unitAt(queue, middle)?.physicalOffset ?? Infinity) < from) low = middle + 1;
    else high = middle;
  }
  const found: LostUnit[] = [];
  for (let queueOffset = low; queueOffset < maxOffset; queueOffset++) {
    const unit = reader.unitAt(queue, queueOffset);
    if (unit === undefined || unit.physicalOffset >= to) break;
    found.push({ queue, queueOffset, unit });
  }
  return found;
}

function fill(range: Range, units: readonly LostUnit[], storeTimestampMs: number): Patch[] {
  const patches: Patch[] = [];
  const patch = (physicalOffset: number, bytes: Buffer | undefined, unit?: LostUnit): void => {
    if (bytes === undefined) throw new Refusal(`No record of the right size fits at offset ${physicalOffset}`);
    patches.push({ path: range.path, position: physicalOffset - range.segmentOffset, physicalOffset, bytes, unit });
  };
  let at = range.from;
  for (const lost of units) {
    const { physicalOffset, sizeBytes } = lost.unit;
    if (physicalOffset < at) throw new Refusal(`Two queues claim the bytes at offset ${physicalOffset}`);
    if (physicalOffset + sizeBytes > range.to) {
      throw new Refusal(
        `The record at offset ${physicalOffset} should have ${sizeBytes} bytes, but a good one begins before its end`,
      );
    }
    if (physicalOffset > at) patch(at, fillerFor(at, physicalOffset - at, storeTimestampMs));
    const { topic, queueId } = lost.queue;
    const { queueOffset } = lost;
    patch(
      physicalOffset,
      encodeTombstone({ topic, queueId, queueOffset, physicalOffset, sizeBytes, storeTimestampMs }),
      lost,
    );
    at = physicalOffset + sizeBytes;
  }
  if (at < range.to && range.to === range.segmentEnd) patch(at, blankOf(range.to - at));
  else if (at < range.to) patch(at, fillerFor(at, range.to - at, storeTimestampMs));
  return patches;
}

function fillerFor(physicalOffset: number, sizeBytes: number, storeTimestampMs: number): Buffer {
  const bytes = encodeFiller({ physicalOffset, sizeBytes, storeTimestampMs });
  if (bytes !== undefined) return bytes;
  throw new Refusal(
    `The ${sizeBytes} bytes at offset ${physicalOffset} belong to no message that a queue knows, and are too few for a record ` +
      `(${RECORD_SIZE_BYTES_MIN} and the length of a topic)`,
  );
}

/** "Nothing more comes in this segment." */
function blankOf(sizeBytes: number): Buffer | undefined {
  if (sizeBytes < BLANK_SIZE_BYTES) return undefined;
  const bytes = Buffer.alloc(BLANK_SIZE_BYTES);
  bytes.writeInt32BE(sizeBytes, 0);
  bytes.writeInt32BE(MAGIC_CODE_BLANK, 4);
  return bytes;
}

/** A queue whose records go on behind the damage must have a tombstone for each offset in between: it could not be built again. */
function checkGaps(patches: readonly Patch[], gaps: readonly OffsetGap[]): void {
  const filled = new Set(patches.map(({ unit }) => (unit === undefined ? '' : nameOf(unit.queue, unit.queueOffset))));
  for (const { topic, queueId, from, to } of gaps) {
    for (let queueOffset = from; queueOffset < to; queueOffset++) {
      if (filled.has(nameOf({ topic, queueId }, queueOffset))) continue;
      throw new Refusal(
        `The log lost the record of ${topic}/${queueId}/${queueOffset}, and the queue does not say where it was`,
      );
    }
  }
}

const nameOf = ({ topic, queueId }: { topic: string; queueId: number }, queueOffset: number): string =>
  `${topic}/${queueId}/${queueOffset}`;

function lossesOf(patches: readonly Patch[]): QueueLoss[] {
  const losses = new Map<string, QueueLoss>();
  for (const { unit } of patches) {
    if (unit === undefined) continue;
    const { topic, queueId } = unit.queue;
    const { queueOffset } = unit;
    const key = `${topic}/${queueId}`;
    const loss = losses.get(key);
    assert(loss === undefined || loss.lastQueueOffset < queueOffset, 'a queue loses its messages in order');
    losses.set(key, {
      topic,
      queueId,
      firstQueueOffset: loss?.firstQueueOffset ?? queueOffset,
      lastQueueOffset: queueOffset,
      messageCount: (loss?.messageCount ?? 0) + 1,
    });
  }
  return [...losses.values()];
}
