// Decides what a repair of the log would do and what would be lost; changes nothing. Two ways: give up everything from the first
// damage on, or put tombstones in the place of what is damaged so that later records survive.

import { hasQueueEntry } from '../../model/sys-flag.ts';
import { queueIdOf, queueOffsetOf, sysFlagOf } from '../commit-log/message-decoder.ts';
import type { FileSystem } from '../file-system.ts';
import type { StorePaths } from '../store-paths.ts';
import { endsAtDamage, type Marks, readMarks } from './check-marks.ts';
import { listLog, type LogFiles, type LogSegment } from './log-files.ts';
import { type DamagedRange, type LogItem, walkLog } from './log-walk.ts';
import { type OffsetGap, type Patch, planPatches, type QueueLoss } from './repair-patches.ts';

export type RepairMode = 'truncate-at-damage' | 'skip-damage';

export interface RepairOptions {
  readonly fileSystem: FileSystem;
  readonly paths: StorePaths;
  readonly mode: RepairMode;
  readonly segmentSizeBytes?: number;
}

export interface RepairPlan {
  readonly mode: RepairMode;
  /** What is wrong, a sentence each; empty when nothing is. */
  readonly problems: readonly string[];
  /** Why this way is not possible; then nothing is to be done. */
  readonly refusal: string | undefined;
  readonly files: LogFiles;
  /** Where the log ends afterwards. */
  readonly endOffset: number;
  /** For 'truncate-at-damage': everything from here on goes; undefined when the log stays as it is. */
  readonly cutOffset: number | undefined;
  /** For 'skip-damage'. */
  readonly patches: readonly Patch[];
  /** Good records that go, or messages that a tombstone replaces. */
  readonly losses: readonly QueueLoss[];
  readonly lostRecordCount: number;
  /** Of the last good record before the damage. */
  readonly storeTimestampMs: number;
  /** Segments that are too short and are filled up with zeros. */
  readonly shortSegments: readonly LogSegment[];
  /** Checkpoint files that can't be read and are moved away. */
  readonly badMarks: readonly string[];
}

/** What the walk found. */
interface Survey {
  readonly damages: DamagedRange[];
  /** Store time of the last good record before each of them. */
  readonly timesMs: number[];
  readonly gaps: OffsetGap[];
  readonly losses: Map<string, QueueLoss>;
  lostRecordCount: number;
  /** Of the first damage, or the newest record. */
  storeTimestampMs: number;
  endOffset: number;
  endDataAt: number | undefined;
  endReason: string;
}

/** Reads the whole log. */
export function planRepair(options: RepairOptions): RepairPlan {
  const { fileSystem, paths, mode } = options;
  const files = listLog(fileSystem, paths.commitLog, options.segmentSizeBytes);
  const marks = readMarks(fileSystem, paths);
  const survey = surveyLog(fileSystem, files, marks);
  const tailCut = needsCutAtEnd(survey, marks) ? survey.endOffset : undefined;
  const problems = problemsOf(survey, marks, tailCut);
  const { damages, storeTimestampMs } = survey;
  const shortSegments = files.segments.filter(({ sizeBytes }) => sizeBytes < files.segmentSizeBytes);
  const longSegment = files.segments.find(({ sizeBytes }) => sizeBytes > files.segmentSizeBytes);
  const common = {
    mode,
    problems,
    files,
    storeTimestampMs,
    shortSegments,
    badMarks: [...new Set(marks.problems.map(({ path }) => path))],
  };
  const nothing = { cutOffset: undefined, patches: [], losses: [], lostRecordCount: 0, endOffset: survey.endOffset };
  if (longSegment !== undefined) {
    const refusal =
      `${longSegment.path} has ${longSegment.sizeBytes} bytes, more than the ${files.segmentSizeBytes} of a segment: what is right ` +
      'can only be told by who knows where it came from; restore the file.';
    return { ...common, ...nothing, refusal };
  }
  if (mode === 'truncate-at-damage') {
    const cutOffset = damages[0]?.from ?? tailCut;
    const { lostRecordCount } = survey;
    const losses = [...survey.losses.values()];
    return {
      ...common,
      refusal: undefined,
      cutOffset,
      patches: [],
      losses,
      lostRecordCount,
      endOffset: cutOffset ?? survey.endOffset,
    };
  }
  if (tailCut !== undefined) {
    const refusal = `Nothing good follows the damage at offset ${tailCut}, so there is nothing to save behind it; use --truncate-at-damage.`;
    return { ...common, ...nothing, refusal };
  }
  const { timesMs, gaps } = survey;
  const patched = planPatches({ fileSystem, paths, files, damages, timesMs, gaps });
  if ('refusal' in patched) return { ...common, ...nothing, refusal: patched.refusal };
  const { patches, losses } = patched;
  return {
    ...common,
    ...nothing,
    refusal: undefined,
    patches,
    losses,
    lostRecordCount: patches.filter(({ unit }) => unit !== undefined).length,
  };
}

function surveyLog(fileSystem: FileSystem, files: LogFiles, marks: Marks): Survey {
  const survey: Survey = {
    damages: [],
    timesMs: [],
    gaps: [],
    losses: new Map(),
    lostRecordCount: 0,
    storeTimestampMs: 0,
    endOffset: 0,
    endDataAt: undefined,
    endReason: '',
  };
  const nextOffsets = new Map<string, number>();
  let lastMs = 0;
  for (const item of walkLog(fileSystem, files)) {
    if (item.kind === 'record') {
      lastMs = item.place.storeTimestampMs;
      if (survey.damages.length === 0) survey.storeTimestampMs = lastMs;
      surveyRecord(item, survey, nextOffsets);
    } else if (item.kind === 'damage') {
      if (endsAtDamage(marks, item.from)) {
        // A torn tail: the next open cuts it off by itself.
        survey.endOffset = item.from;
        break;
      }
      survey.damages.push(item);
      survey.timesMs.push(lastMs);
    } else if (item.kind === 'end') {
      survey.endOffset = item.offset;
      survey.endDataAt = item.dataAt;
      survey.endReason = item.reason;
    }
  }
  return survey;
}

function surveyRecord(
  { buffer, place }: Extract<LogItem, { kind: 'record' }>,
  survey: Survey,
  nextOffsets: Map<string, number>,
): void {
  const { position, topic } = place;
  const isBehind = survey.damages.length > 0;
  if (isBehind) survey.lostRecordCount++;
  if (!hasQueueEntry(sysFlagOf(buffer, position))) return;
  const queueId = queueIdOf(buffer, position);
  const queueOffset = queueOffsetOf(buffer, position);
  const key = `${topic}/${queueId}`;
  const next = nextOffsets.get(key);
  nextOffsets.set(key, queueOffset + 1);
  if (next !== undefined && queueOffset > next) survey.gaps.push({ topic, queueId, from: next, to: queueOffset });
  if (!isBehind) return;
  const loss = survey.losses.get(key);
  survey.losses.set(key, {
    topic,
    queueId,
    firstQueueOffset: loss?.firstQueueOffset ?? queueOffset,
    lastQueueOffset: queueOffset,
    messageCount: (loss?.messageCount ?? 0) + 1,
  });
}

/** Bytes that were durable are gone, or something that is no record lies behind the end of a log that was stopped cleanly. */
function needsCutAtEnd({ endOffset, endDataAt }: Survey, { durable, hasAbortFile }: Marks): boolean {
  if (durable === undefined) return false;
  return durable.offset > endOffset || (endDataAt !== undefined && !hasAbortFile);
}

function problemsOf(survey: Survey, marks: Marks, tailCut: number | undefined): string[] {
  const problems = survey.damages.map(
    ({ path, position, from, to, reason }) =>
      `${path} is damaged at position ${position} (offset ${from}, ${to - from} bytes): ${reason}.`,
  );
  if (tailCut !== undefined) {
    const durable = marks.durable?.offset ?? 0;
    problems.push(
      durable > tailCut
        ? `The log ends at offset ${tailCut} (${survey.endReason}), but it was on disk up to ${durable}.`
        : `There is data behind the end of the log at offset ${tailCut} (${survey.endReason}).`,
    );
  }
  return [...problems, ...marks.problems.map(({ message }) => message)];
}
