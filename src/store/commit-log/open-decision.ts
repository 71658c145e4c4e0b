// How to open a log: from facts to a decision, as a table. Each row is lettered; for every combination of facts exactly one row
// holds (a test enumerates them). Nothing is read or changed here. The letters are those of docs/design/store.md.

import { assert } from '../../base/assert.ts';

export interface OpenFacts {
  /** The file `abort` is there: the process that had the store died. */
  readonly hasAbortFile: boolean;
  /** Our record of what is durable; undefined when there is none. */
  readonly durable: { readonly offset: number; readonly clean: boolean } | undefined;
  /** No record begins at the durable offset: as far as one look can tell, the log ends there. */
  readonly endsAtDurableOffset: boolean;
  /** The checkpoint's logicsPhysicalOffset; 0 or less when unknown. */
  readonly logicsPhysicalOffset: number;
  /** Where the log's first segment begins. */
  readonly minOffset: number;
  /** Where the last segment with a record begins; minOffset when the log is empty. */
  readonly lastSegmentOffset: number;
  /** Where the segment with the last checkpointed offset begins; minOffset when that is unknown. */
  readonly checkpointSegmentOffset: number;
  /** Where Apache's rule by timestamps would begin; minOffset when the checkpoint has none. */
  readonly timestampSegmentOffset: number;
}

export type OpenRow = 'A' | 'B.durable' | 'B.unknown' | 'C.both' | 'C.durable' | 'C.checkpoint' | 'C.unknown';

export interface OpenDecision {
  readonly row: OpenRow;
  /**
   * 'trust': open at `from` without reading. 'walk': the stop was clean, so a bad record with good ones behind it is corruption.
   * 'scan': after a crash, the first bad record at or above `floor` ends the log.
   */
  readonly action: 'trust' | 'walk' | 'scan';
  /** Where reading begins; for 'trust' the log's end. */
  readonly from: number;
  /** A bad record below this is corruption; undefined when nothing is known to be durable. */
  readonly floor: number | undefined;
}

interface Row {
  readonly row: OpenRow;
  /** Why this row is there. */
  readonly reason: string;
  holds(facts: OpenFacts): boolean;
  decide(facts: OpenFacts): Omit<OpenDecision, 'row'>;
}

/** A record below the first segment is older than everything that is left: Apache ran and deleted meanwhile. */
const knowsDurable = ({ durable, minOffset }: OpenFacts): boolean =>
  durable !== undefined && durable.offset >= minOffset;
const knowsCheckpoint = ({ logicsPhysicalOffset }: OpenFacts): boolean => logicsPhysicalOffset > 0;
const isCleanEnd = (facts: OpenFacts): boolean =>
  knowsDurable(facts) && facts.durable?.clean === true && facts.endsAtDurableOffset;
const durableOffsetOf = ({ durable }: OpenFacts): number => {
  assert(durable !== undefined, 'the row asks for a durable offset only when there is one');
  return durable.offset;
};

export const openRows: readonly Row[] = [
  {
    row: 'A',
    reason: 'We stopped cleanly and nobody wrote since.',
    holds: (facts) => !facts.hasAbortFile && isCleanEnd(facts),
    decide: (facts) => ({ action: 'trust', from: durableOffsetOf(facts), floor: durableOffsetOf(facts) }),
  },
  {
    row: 'B.durable',
    reason: 'Apache ran after us and stopped cleanly: its records follow ours.',
    holds: (facts) => !facts.hasAbortFile && !isCleanEnd(facts) && knowsDurable(facts),
    decide: (facts) => ({ action: 'walk', from: durableOffsetOf(facts), floor: durableOffsetOf(facts) }),
  },
  {
    row: 'B.unknown',
    reason: 'A log that only Apache wrote, stopped cleanly: only its end has to be found.',
    holds: (facts) => !facts.hasAbortFile && !knowsDurable(facts),
    decide: (facts) => ({ action: 'walk', from: facts.lastSegmentOffset, floor: undefined }),
  },
  {
    row: 'C.both',
    reason: 'Our own crash, after a checkpoint.',
    holds: (facts) => facts.hasAbortFile && knowsDurable(facts) && knowsCheckpoint(facts),
    decide: (facts) => ({
      action: 'scan',
      from: Math.max(facts.minOffset, Math.min(facts.logicsPhysicalOffset, durableOffsetOf(facts))),
      floor: durableOffsetOf(facts),
    }),
  },
  {
    row: 'C.durable',
    reason: 'Our own crash before the first checkpoint, or an Apache that writes no logicsPhysicalOffset.',
    holds: (facts) => facts.hasAbortFile && knowsDurable(facts) && !knowsCheckpoint(facts),
    decide: (facts) => ({ action: 'scan', from: facts.timestampSegmentOffset, floor: durableOffsetOf(facts) }),
  },
  {
    row: 'C.checkpoint',
    reason:
      'Apache crashed. It syncs queues and log apart, so its checkpoint may name log bytes that were lost: begin at a segment.',
    holds: (facts) => facts.hasAbortFile && !knowsDurable(facts) && knowsCheckpoint(facts),
    decide: (facts) => ({ action: 'scan', from: facts.checkpointSegmentOffset, floor: undefined }),
  },
  {
    row: 'C.unknown',
    reason: 'An older Apache crashed: its own rule by timestamps.',
    holds: (facts) => facts.hasAbortFile && !knowsDurable(facts) && !knowsCheckpoint(facts),
    decide: (facts) => ({ action: 'scan', from: facts.timestampSegmentOffset, floor: undefined }),
  },
];

export function decideOpen(facts: OpenFacts): OpenDecision {
  assert(facts.lastSegmentOffset >= facts.minOffset, 'the last segment is not before the first');
  assert(facts.checkpointSegmentOffset >= facts.minOffset, 'the checkpoint names a segment that is there');
  assert(facts.timestampSegmentOffset >= facts.minOffset, 'the timestamps name a segment that is there');
  const row = openRows.find((candidate) => candidate.holds(facts));
  assert(row !== undefined, 'one row holds for every combination of facts');
  return { row: row.row, ...row.decide(facts) };
}

export interface EndFacts {
  readonly action: 'walk' | 'scan';
  /** Where the first thing that is not a good record lies. */
  readonly stopOffset: number;
  readonly floor: number | undefined;
  /** Only looked for in a walk: a good record behind the stop, not older than the last one before it. */
  readonly hasNewerRecordBehind: boolean;
}

/**
 * B1, C1: the log ends at the stop, what lies behind is cut. B2, C2: bytes that were durable are not what was written: corruption.
 */
export type EndRow = 'B1' | 'B2' | 'C1' | 'C2';

/** What the place where reading stopped means. */
export function decideEnd(facts: EndFacts): EndRow {
  const isBelowFloor = facts.floor !== undefined && facts.stopOffset < facts.floor;
  if (facts.action === 'scan') return isBelowFloor ? 'C2' : 'C1';
  return isBelowFloor || facts.hasNewerRecordBehind ? 'B2' : 'B1';
}
