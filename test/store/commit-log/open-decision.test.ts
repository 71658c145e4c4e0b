import { describe, expect, it } from 'vitest';
import { decideEnd, decideOpen, openRows, type OpenFacts } from '../../../src/store/commit-log/open-decision.ts';

const base: OpenFacts = {
  hasAbortFile: false,
  durable: undefined,
  endsAtDurableOffset: false,
  logicsPhysicalOffset: 0,
  minOffset: 1_000,
  lastSegmentOffset: 9_000,
  checkpointSegmentOffset: 4_000,
  timestampSegmentOffset: 3_000,
};

function* everyCombination(): Generator<OpenFacts> {
  const durables = [
    undefined,
    ...[true, false].flatMap((clean) => [500, 1_000, 5_000, 9_500].map((offset) => ({ offset, clean }))),
  ];
  for (const hasAbortFile of [true, false]) {
    for (const durable of durables) {
      for (const endsAtDurableOffset of [true, false]) {
        for (const logicsPhysicalOffset of [-1, 0, 400, 4_500, 99_000]) {
          yield { ...base, hasAbortFile, durable, endsAtDurableOffset, logicsPhysicalOffset };
        }
      }
    }
  }
}

describe('decideOpen', () => {
  it('has exactly one row for every combination of facts, and every row for some', () => {
    const used = new Set<string>();
    for (const facts of everyCombination()) {
      const rows = openRows.filter((row) => row.holds(facts));
      expect(rows, JSON.stringify(facts)).toHaveLength(1);
      used.add(rows[0]?.row ?? '');
    }
    expect([...used].sort()).toEqual(openRows.map(({ row }) => row).sort());
  });

  it('never begins before the log does, and never trusts after a crash', () => {
    for (const facts of everyCombination()) {
      const decision = decideOpen(facts);
      expect(decision.from).toBeGreaterThanOrEqual(facts.minOffset);
      if (facts.hasAbortFile) expect(decision.action).toBe('scan');
      if (decision.action === 'trust') expect(facts.durable?.clean).toBe(true);
      if (decision.floor !== undefined) expect(decision.floor).toBe(facts.durable?.offset);
    }
  });

  const clean = { offset: 5_000, clean: true };
  const unclean = { offset: 5_000, clean: false };
  it.each([
    ['A: our clean stop', { durable: clean, endsAtDurableOffset: true }, 'A', 'trust', 5_000, 5_000],
    ['B: Apache wrote after our clean stop', { durable: clean }, 'B.durable', 'walk', 5_000, 5_000],
    [
      'B: Apache recovered our crash and stopped',
      { durable: unclean, endsAtDurableOffset: true },
      'B.durable',
      'walk',
      5_000,
      5_000,
    ],
    ['B: only Apache ever wrote', {}, 'B.unknown', 'walk', 9_000, undefined],
    ['B: Apache deleted what we knew', { durable: { offset: 10, clean: true } }, 'B.unknown', 'walk', 9_000, undefined],
    [
      'C: our crash',
      { hasAbortFile: true, durable: unclean, logicsPhysicalOffset: 4_500 },
      'C.both',
      'scan',
      4_500,
      5_000,
    ],
    [
      'C: checkpoint ahead',
      { hasAbortFile: true, durable: unclean, logicsPhysicalOffset: 6_000 },
      'C.both',
      'scan',
      5_000,
      5_000,
    ],
    [
      'C: checkpoint removed',
      { hasAbortFile: true, durable: unclean, logicsPhysicalOffset: 10 },
      'C.both',
      'scan',
      1_000,
      5_000,
    ],
    ['C: no checkpoint yet', { hasAbortFile: true, durable: unclean }, 'C.durable', 'scan', 3_000, 5_000],
    [
      'C: Apache 5.5 crashed',
      { hasAbortFile: true, logicsPhysicalOffset: 4_500 },
      'C.checkpoint',
      'scan',
      4_000,
      undefined,
    ],
    ['C: an older Apache crashed', { hasAbortFile: true }, 'C.unknown', 'scan', 3_000, undefined],
  ] as const)('%s', (_title, facts, row, action, from, floor) => {
    expect(decideOpen({ ...base, ...facts })).toEqual({ row, action, from, floor });
  });
});

describe('decideEnd', () => {
  it.each([
    ['scan', 5_000, 5_000, false, 'C1'],
    ['scan', 4_999, 5_000, false, 'C2'],
    ['scan', 4_999, undefined, false, 'C1'],
    ['walk', 5_000, 5_000, false, 'B1'],
    ['walk', 4_999, 5_000, false, 'B2'],
    ['walk', 5_000, 5_000, true, 'B2'],
    ['walk', 1, undefined, false, 'B1'],
    ['walk', 1, undefined, true, 'B2'],
  ] as const)(
    '%s stopped at %d, durable %s, newer record behind %s: %s',
    (action, stopOffset, floor, hasNewerRecordBehind, row) => {
      expect(decideEnd({ action, stopOffset, floor, hasNewerRecordBehind })).toBe(row);
    },
  );
});
