// The files that say how far things are on disk (Apache's checkpoint, our durable offset, the abort file), against the log.

import { readInt64OrNaN } from '../../base/int64.ts';
import { DURABLE_OFFSET_FILE_SIZE_BYTES } from '../checkpoint/durable-offset-layout.ts';
import { type DurableOffsetRecord, readDurableOffset } from '../checkpoint/durable-offset.ts';
import {
  INDEX_MSG_TIMESTAMP_POSITION,
  LOGICS_MSG_TIMESTAMP_POSITION,
  LOGICS_PHYSICAL_OFFSET_POSITION,
  PHYSIC_MSG_TIMESTAMP_POSITION,
  STORE_CHECKPOINT_SIZE_BYTES,
} from '../checkpoint/store-checkpoint-layout.ts';
import type { FileSystem } from '../file-system.ts';
import type { StorePaths } from '../store-paths.ts';
import type { Findings } from './finding.ts';

const CHECKPOINT_FIELDS = {
  physicMsgTimestamp: PHYSIC_MSG_TIMESTAMP_POSITION,
  logicsMsgTimestamp: LOGICS_MSG_TIMESTAMP_POSITION,
  indexMsgTimestamp: INDEX_MSG_TIMESTAMP_POSITION,
  logicsPhysicalOffset: LOGICS_PHYSICAL_OFFSET_POSITION,
} as const;

export type CheckpointValues = Readonly<Record<keyof typeof CHECKPOINT_FIELDS, number>>;

export interface Marks {
  readonly hasAbortFile: boolean;
  /** undefined when missing or damaged. */
  readonly checkpoint: CheckpointValues | undefined;
  readonly durable: DurableOffsetRecord | undefined;
  readonly problems: readonly {
    readonly kind: 'checkpoint-damaged' | 'durable-offset-damaged';
    readonly message: string;
    readonly path: string;
  }[];
}

export function readMarks(fileSystem: FileSystem, paths: StorePaths): Marks {
  const problems: Marks['problems'][number][] = [];
  return {
    hasAbortFile: fileSystem.statusSync(paths.abort) !== undefined,
    checkpoint: readCheckpoint(fileSystem, paths.checkpoint, problems),
    durable: readDurable(fileSystem, paths.durableOffset, problems),
    problems,
  };
}

function readCheckpoint(
  fileSystem: FileSystem,
  path: string,
  problems: Marks['problems'][number][],
): CheckpointValues | undefined {
  const bytes = fileSystem.readFileSync(path);
  if (bytes === undefined) return undefined;
  if (bytes.length > STORE_CHECKPOINT_SIZE_BYTES) {
    const message = `${path} has ${bytes.length} bytes where ${STORE_CHECKPOINT_SIZE_BYTES} are expected.`;
    problems.push({ kind: 'checkpoint-damaged', message, path });
    return undefined;
  }
  const padded = Buffer.alloc(STORE_CHECKPOINT_SIZE_BYTES);
  bytes.copy(padded);
  const values = Object.fromEntries(
    Object.entries(CHECKPOINT_FIELDS).map(([name, position]) => [name, readInt64OrNaN(padded, position)]),
  ) as CheckpointValues;
  const wrong = Object.entries(values).filter(([, value]) => Number.isNaN(value));
  for (const [name] of wrong) {
    problems.push({
      kind: 'checkpoint-damaged',
      message: `${path} has a ${name} that is neither a time nor an offset.`,
      path,
    });
  }
  return wrong.length === 0 ? values : undefined;
}

function readDurable(
  fileSystem: FileSystem,
  path: string,
  problems: Marks['problems'][number][],
): DurableOffsetRecord | undefined {
  const bytes = fileSystem.readFileSync(path);
  if (bytes === undefined) return undefined;
  if (bytes.length !== DURABLE_OFFSET_FILE_SIZE_BYTES) {
    const message = `${path} has ${bytes.length} bytes where ${DURABLE_OFFSET_FILE_SIZE_BYTES} are expected.`;
    problems.push({ kind: 'durable-offset-damaged', message, path });
    return undefined;
  }
  const durable = readDurableOffset(bytes);
  if (durable === undefined && bytes.some((byte) => byte !== 0)) {
    const message = `${path} is damaged: neither of its two slots can be read.`;
    problems.push({ kind: 'durable-offset-damaged', message, path });
  }
  return durable;
}

/**
 * True when the next open ends the log there: after a crash, behind what is known to be durable, any page may be missing. Good
 * records behind it were never promised to anybody. What Apache alone wrote has no such mark, and the damage is told as one.
 */
export function endsAtDamage({ hasAbortFile, durable }: Marks, physicalOffset: number): boolean {
  return hasAbortFile && durable !== undefined && physicalOffset >= durable.offset;
}

/** What the walk over the log found. */
export interface LogFacts {
  readonly minOffset: number;
  readonly endOffset: number;
  readonly recordCount: number;
  readonly lastStoreTimestampMs: number;
  readonly newestStoreTimestampMs: number;
  /** Of the offsets that were asked for, those where a record (or blank) begins or the log ends. */
  readonly boundaries: ReadonlySet<number>;
}

export function checkMarks(marks: Marks, log: LogFacts, findings: Findings, paths: StorePaths): void {
  for (const { kind, message, path } of marks.problems) findings.violation(kind, message, { path });
  if (marks.hasAbortFile) {
    findings.note(
      'unclean-stop',
      `The file ${paths.abort} is there: the last process that had the directory did not stop cleanly, or has it now.`,
      { path: paths.abort },
    );
  }
  checkCheckpoint(marks, log, findings, paths.checkpoint);
  checkDurable(marks, log, findings, paths.durableOffset);
}

function checkCheckpoint({ checkpoint, durable }: Marks, log: LogFacts, findings: Findings, path: string): void {
  if (checkpoint === undefined) return;
  const { logicsPhysicalOffset } = checkpoint;
  const details = { path, logicsPhysicalOffset, endOffset: log.endOffset };
  if (logicsPhysicalOffset > log.endOffset) {
    const message = `${path} says that queues are on disk up to physical offset ${logicsPhysicalOffset}, but the log ends at ${log.endOffset}.`;
    findings.violation('checkpoint-beyond-log', message, details);
  } else if (durable !== undefined && logicsPhysicalOffset >= log.minOffset && logicsPhysicalOffset > 0) {
    if (!log.boundaries.has(logicsPhysicalOffset)) {
      const message = `${path} names physical offset ${logicsPhysicalOffset}, where no record begins.`;
      findings.violation('checkpoint-not-at-record', message, details);
    }
  }
  if (log.recordCount === 0) return;
  for (const name of ['physicMsgTimestamp', 'logicsMsgTimestamp', 'indexMsgTimestamp'] as const) {
    const timestampMs = checkpoint[name];
    if (timestampMs <= log.newestStoreTimestampMs) continue;
    const message = `${path} has a ${name} of ${timestampMs}, but the newest message was stored at ${log.newestStoreTimestampMs}.`;
    findings.violation('checkpoint-beyond-log', message, { path, [name]: timestampMs });
  }
}

function checkDurable({ durable, hasAbortFile }: Marks, log: LogFacts, findings: Findings, path: string): void {
  if (durable === undefined) return;
  const { offset } = durable;
  const { minOffset, endOffset } = log;
  const details = { path, durableOffset: offset, endOffset };
  if (offset > endOffset) {
    const message = `${path} says that the log was on disk up to physical offset ${offset}, but it ends at ${endOffset}.`;
    findings.violation('log-shorter-than-durable', message, details);
  } else if (offset >= minOffset && !log.boundaries.has(offset)) {
    const message = `${path} names physical offset ${offset}, where no record begins.`;
    findings.violation('durable-offset-not-at-record', message, details);
  } else if (!hasAbortFile && offset !== endOffset) {
    const message = `The log goes on from ${offset} to ${endOffset}: Apache has written to it since CometMQ stopped.`;
    findings.note('log-longer-than-durable', message, details);
  }
}
