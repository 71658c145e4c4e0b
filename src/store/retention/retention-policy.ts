// Decides, from numbers alone, how many of the oldest segments go and whether writes are refused
// (Java: DefaultMessageStore.CleanCommitLogService). No clock, no files: a table of cases tests it.

export interface RetentionSettings {
  readonly fileReservedMs: number;
  readonly deleteWhenHours: readonly number[];
  readonly deleteFileBatchMax: number;
  readonly diskMaxUsedPercent: number;
  readonly diskCleanForciblyPercent: number;
  readonly diskWarningPercent: number;
  readonly cleanFileForciblyEnabled: boolean;
}

export interface RetentionFacts {
  /** Local hour of the day, 0..23. */
  readonly hour: number;
  /** Guarded time: see {@link GuardedClock}. */
  readonly nowMs: number;
  readonly diskUsedPercent: number;
  /** When each segment was last written, oldest segment first; the one being written is not among them. */
  readonly lastWrittenMs: readonly number[];
}

export interface RetentionDecision {
  /** Segments to remove, counted from the oldest. */
  readonly removeCount: number;
  readonly reason: 'hour' | 'disk' | 'forced' | 'none';
  readonly refuseWrites: boolean;
}

export function decideRetention(settings: RetentionSettings, facts: RetentionFacts): RetentionDecision {
  const refuseWrites = facts.diskUsedPercent > settings.diskWarningPercent;
  const isForced = settings.cleanFileForciblyEnabled && facts.diskUsedPercent > settings.diskCleanForciblyPercent;
  const isDisk = facts.diskUsedPercent > settings.diskMaxUsedPercent;
  const isHour = settings.deleteWhenHours.includes(facts.hour);
  if (!isForced && !isDisk && !isHour) return { removeCount: 0, reason: 'none', refuseWrites };

  let expired = 0;
  while (
    expired < facts.lastWrittenMs.length &&
    facts.nowMs - (facts.lastWrittenMs[expired] as number) >= settings.fileReservedMs
  ) {
    expired++;
  }
  if (isForced && expired === 0) {
    // Nothing has expired and the disk is nearly full: give up the oldest segment, one a round, rather than stop writing.
    return { removeCount: Math.min(1, facts.lastWrittenMs.length), reason: 'forced', refuseWrites };
  }
  const removeCount = Math.min(expired, settings.deleteFileBatchMax);
  const reason = removeCount === 0 ? 'none' : isHour ? 'hour' : isDisk ? 'disk' : 'forced';
  return { removeCount, reason, refuseWrites };
}
