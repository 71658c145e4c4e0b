// Opens a log after anything but our own clean stop: finds its end, tells a torn tail from corruption, cuts the tail, and hands
// the records to the views again. Where a bad record may be corruption everything is decided before anything is changed; where
// none can be, because nothing is known to be durable, a record is handed on as soon as it was checked. A recovery that is killed
// and repeated ends the same: what is cut is cut from the far end, and the records stay what they are. The rows are in
// open-decision.ts.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { DispatchRequest } from '../dispatch/dispatch-request.ts';
import type { MappedRegion } from '../file-system.ts';
import type { MappedFile } from '../mapped-file/mapped-file.ts';
import type { MappedFileQueue } from '../mapped-file/mapped-file-queue.ts';
import { chunksWithData, isAllZero } from '../mapped-file/zero-check.ts';
import { CorruptionError } from '../store-errors.ts';
import type { CommitLog } from './commit-log.ts';
import { decideEnd, type OpenFacts } from './open-decision.ts';
import { RecordChecker, scanLog, type ScannedPlace, type ScanResult } from './log-scan.ts';
import { decodeRecord, queueIdOf, queueOffsetOf } from './message-decoder.ts';
import { MAGIC_CODE_POSITION, MAGIC_CODE_V1, MAGIC_CODE_V2, RECORD_SIZE_BYTES_MIN } from './message-layout.ts';

/** Java: CommitLog.isMappedFileMatchedRecover: the checkpoint's times may be this much ahead of what was synced. */
const CHECKPOINT_SAFETY_MS = 3_000;

type Progress = (scannedOffset: number, endOffset: number) => void | Promise<void>;
/** A good record: borrowed, valid during the call. A promise is awaited. */
export type OnRecord = (buffer: Buffer, place: ScannedPlace) => void | Promise<void>;

export interface FindEndOptions {
  readonly commitLog: CommitLog;
  readonly action: 'walk' | 'scan';
  readonly from: number;
  /** See OpenDecision.floor. */
  readonly durableOffset: number | undefined;
  readonly checkCrc: boolean;
  /**
   * Takes each good record, so that the log need not be read again. Only for a scan from a segment's start with nothing known to
   * be durable: whatever comes behind it, such a record stays.
   */
  readonly onRecord?: OnRecord;
  readonly onProgress?: Progress;
}

export interface LogEnd {
  readonly endOffset: number;
  readonly recordCount: number;
  /** Of the last record read; 0 when none was. */
  readonly lastStoreTimestampMs: number;
}

export interface FoundEnd extends LogEnd {
  /** Where reading began: `from`, or the start of its segment. A record begins there: dispatch from here. */
  readonly fromOffset: number;
  /** Why no good record begins at the end. */
  readonly reason: string;
}

export interface Cut {
  readonly offset: number;
  /** Why no good record begins there. */
  readonly reason: string;
  /** Bytes behind the offset that were not zero, in units of the check (1 MiB at most each). */
  readonly zeroedBytes: number;
  /** Where segments behind the cut are kept. */
  readonly quarantined: readonly string[];
}

/** What {@link decideOpen} needs of the log. Reads a few bytes of each segment at most. */
export async function readOpenFacts(options: {
  commitLog: CommitLog;
  hasAbortFile: boolean;
  durable: { readonly offset: number; readonly clean: boolean } | undefined;
  checkpoint: {
    readonly logicsPhysicalOffset: number;
    readonly physicMsgTimestamp: number;
    readonly logicsMsgTimestamp: number;
  };
}): Promise<OpenFacts> {
  const { commitLog, hasAbortFile, durable, checkpoint } = options;
  const { logicsPhysicalOffset, physicMsgTimestamp, logicsMsgTimestamp } = checkpoint;
  const { minOffset } = commitLog;
  const timestampMs = Math.min(physicMsgTimestamp, logicsMsgTimestamp) - CHECKPOINT_SAFETY_MS;
  const checkpointed = commitLog.files.find(logicsPhysicalOffset) ?? commitLog.files.last;
  return {
    hasAbortFile,
    durable,
    endsAtDurableOffset: durable !== undefined && (await isEmptyAt(commitLog, durable.offset)),
    logicsPhysicalOffset,
    minOffset,
    lastSegmentOffset: (await lastStartingBefore(commitLog, Number.POSITIVE_INFINITY)) ?? minOffset,
    checkpointSegmentOffset: logicsPhysicalOffset > minOffset ? (checkpointed?.startOffset ?? minOffset) : minOffset,
    timestampSegmentOffset: (await lastStartingBefore(commitLog, timestampMs)) ?? minOffset,
  };
}

async function isEmptyAt({ files }: CommitLog, offset: number): Promise<boolean> {
  const file = files.find(offset);
  if (file === undefined) return offset === files.endOffset;
  const position = offset - file.startOffset;
  return files.use(file, ({ buffer }) =>
    isAllZero(buffer, position, Math.min(position + RECORD_SIZE_BYTES_MIN, buffer.length)),
  );
}

/** Start of the last segment whose first record is good and was stored at or before the time. */
async function lastStartingBefore({ files }: CommitLog, timestampMs: number): Promise<number | undefined> {
  // No time is known: none of the segments has to be looked at.
  if (timestampMs <= 0) return undefined;
  for (const file of [...files.files].reverse()) {
    const first = await files.use(file, ({ buffer }) => decodeRecord(buffer, { position: 0, limit: buffer.length }));
    if (first.kind === 'message' && first.message.storeTimestampMs <= timestampMs) return file.startOffset;
  }
  return undefined;
}

/**
 * Reads from `from` to the log's end. Changes nothing. Throws CorruptionError when the bytes where the good records end were
 * durable (rows B2 and C2).
 */
export async function findLogEnd(options: FindEndOptions): Promise<FoundEnd> {
  const { commitLog, action, durableOffset: floor } = options;
  const scan = await scanFromRecord(options);
  const { stopOffset } = scan;
  const isWalk = action === 'walk';
  const newerRecordOffset = isWalk ? await findNewerRecord(commitLog, scan) : undefined;
  const row = decideEnd({ action, stopOffset, floor, hasNewerRecordBehind: newerRecordOffset !== undefined });
  if (row === 'B2' || row === 'C2') throw corruption(commitLog, scan, { floor, newerRecordOffset });
  const { recordCount, lastStoreTimestampMs, reason, fromOffset } = scan;
  return { endOffset: stopOffset, recordCount, lastStoreTimestampMs, reason, fromOffset };
}

/**
 * Should no record begin at `from`, the log was cut and written again by somebody who keeps no durable offset: then the
 * segment's start, where one always begins, decides.
 */
async function scanFromRecord(options: FindEndOptions): Promise<ScanResult & { readonly fromOffset: number }> {
  const { commitLog, from, durableOffset, checkCrc, onRecord, onProgress } = options;
  const startOffset = commitLog.files.find(from)?.startOffset ?? from;
  if (onRecord !== undefined) {
    assert(
      options.action === 'scan' && durableOffset === undefined,
      'only what can not be corruption is handed on at once',
    );
    assert(startOffset === from, 'records are handed on at once from the beginning of a segment');
  }
  const scanOptions = {
    commitLog,
    durableOffset,
    checkCrc,
    ...(onRecord === undefined ? {} : { onRecord }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  const scan = await scanLog({ ...scanOptions, from });
  if (scan.recordCount > 0 || scan.stop !== 'bad' || startOffset === from) return { ...scan, fromOffset: from };
  return { ...(await scanLog({ ...scanOptions, from: startOffset })), fromOffset: startOffset };
}

/**
 * After a clean stop the log has no holes: a good record behind the stop means that the stop is a damaged record. What Apache
 * left behind a cut of its own is older than the last good record. Looks as far as one damaged record can reach, and at the
 * beginning of the next segment.
 */
async function findNewerRecord(commitLog: CommitLog, scan: ScanResult): Promise<number | undefined> {
  const { stopOffset, lastStoreTimestampMs } = scan;
  const file = commitLog.files.find(stopOffset);
  if (file === undefined) return undefined;
  const checker = new RecordChecker({ crc32: commitLog.crc32, checkCrc: true, durableOffset: undefined });
  const isNewer = (buffer: Buffer, startOffset: number, position: number): boolean =>
    checker.look(buffer, startOffset, position) === 'record' && checker.place.storeTimestampMs >= lastStoreTimestampMs;
  const found = await commitLog.files.use(file, ({ buffer }) => {
    const from = stopOffset - file.startOffset + 1;
    const limit = Math.min(buffer.length, from + commitLog.recordSizeBytesMax + RECORD_SIZE_BYTES_MIN);
    for (const position of magicPositions(buffer, from, limit)) {
      if (isNewer(buffer, file.startOffset, position)) return file.startOffset + position;
    }
    return undefined;
  });
  const next = commitLog.files.find(file.endOffset);
  if (found !== undefined || next === undefined) return found;
  const isNextNewer = await commitLog.files.use(next, ({ buffer }) => isNewer(buffer, next.startOffset, 0));
  return isNextNewer ? next.startOffset : undefined;
}

/** Where records might begin: the positions whose magic code is right. */
function* magicPositions(buffer: Buffer, from: number, limit: number): Generator<number> {
  // Both magics share three bytes; the fourth and everything else is checked by who asks.
  const magic = Buffer.alloc(4);
  magic.writeInt32BE(MAGIC_CODE_V1);
  const shared = magic.subarray(0, 3);
  const window = buffer.subarray(from, limit);
  for (let at = window.indexOf(shared); at >= 0; at = window.indexOf(shared, at + 1)) {
    const position = from + at - MAGIC_CODE_POSITION;
    if (position < from || position + RECORD_SIZE_BYTES_MIN > buffer.length) continue;
    const code = buffer.readInt32BE(position + MAGIC_CODE_POSITION);
    if (code === MAGIC_CODE_V1 || code === MAGIC_CODE_V2) yield position;
  }
}

function corruption(
  commitLog: CommitLog,
  scan: ScanResult,
  known: { floor: number | undefined; newerRecordOffset: number | undefined },
): CorruptionError {
  const { stopOffset, reason } = scan;
  const { floor, newerRecordOffset } = known;
  const file = commitLog.files.find(stopOffset) ?? commitLog.files.last;
  const path = file?.path ?? 'the commit log';
  const position = stopOffset - (file?.startOffset ?? 0);
  const why =
    newerRecordOffset === undefined
      ? `the log was on disk up to offset ${floor ?? 0}`
      : `good records follow at offset ${newerRecordOffset}`;
  return new CorruptionError(
    `${path} has a bad record at position ${position} (offset ${stopOffset}): ${reason}, but ${why}. Nothing was changed; ` +
      'restore the file from a copy, or let `cometmq store repair` decide what to give up.',
    { path, position, physicalOffset: stopOffset, reason, durableOffset: floor, newerRecordOffset },
  );
}

/**
 * Makes the log end at `endOffset` on disk too, before anything is appended: what was read is synced, segments behind it that
 * hold data are kept in the quarantine, the rest of its segment is zero. Durable when it resolves.
 */
export async function cutLog(options: {
  commitLog: CommitLog;
  endOffset: number;
  /** Bytes below this are durable already. */
  syncedOffset: number;
  reason: string;
  quarantineDirectory: string;
}): Promise<Cut | undefined> {
  const { commitLog, endOffset, syncedOffset, reason, quarantineDirectory } = options;
  await syncLog(commitLog, Math.min(syncedOffset, endOffset), endOffset);
  const quarantined = await moveSegmentsAway(commitLog, endOffset, quarantineDirectory);
  const zeroedBytes = await zeroBehind(commitLog, endOffset);
  if (zeroedBytes === 0 && quarantined.length === 0) return undefined;
  const cut = { offset: endOffset, reason, zeroedBytes, quarantined };
  commitLog.logger.warn('store.commit-log.cut', cut);
  return cut;
}

/** After a kill the pages are only in memory: what is about to be called durable must be. */
export async function syncLog({ files }: CommitLog, from: number, to: number): Promise<void> {
  for (const file of files.files) {
    if (file.endOffset <= from || file.startOffset >= to) continue;
    const position = Math.max(0, from - file.startOffset);
    const lengthBytes = Math.min(to, file.endOffset) - file.startOffset - position;
    await files.use(file, (region) => region.sync(position, lengthBytes));
  }
}

/** From the last one backwards, so that the segments that stay have no gap at any moment. Empty ones at the end stay. */
async function moveSegmentsAway(commitLog: CommitLog, endOffset: number, directory: string): Promise<string[]> {
  const { files } = commitLog;
  const behind = files.files.filter((file) => file.startOffset > endOffset);
  const withData: number[] = [];
  for (const file of behind) {
    const hasData = await files.use(file, (region) =>
      withoutReadAhead(region, () => dataChunks(files, file, region, 0).next().done !== true),
    );
    if (hasData) withData.push(file.startOffset);
  }
  const quarantined: string[] = [];
  const lowest = withData[0];
  // An empty segment behind one with data goes too: what stays must be contiguous.
  while (lowest !== undefined && (files.last?.startOffset ?? -1) >= lowest) {
    quarantined.push(await files.moveLastAway(directory));
  }
  return quarantined;
}

async function zeroBehind({ files }: CommitLog, endOffset: number): Promise<number> {
  const file = files.find(endOffset);
  if (file === undefined) return 0;
  return files.use(file, (region) =>
    withoutReadAhead(region, async () => {
      let zeroedBytes = 0;
      for (const { position, lengthBytes } of dataChunks(files, file, region, endOffset - file.startOffset)) {
        await region.zeroRange(position, lengthBytes);
        zeroedBytes += lengthBytes;
      }
      return zeroedBytes;
    }),
  );
}

function dataChunks(
  files: MappedFileQueue,
  file: MappedFile,
  { buffer }: MappedRegion,
  from: number,
): ReturnType<typeof chunksWithData> {
  return chunksWithData(buffer, from, buffer.length, (position) => files.nextDataPosition(file, position));
}

/** What is read ahead in a hole becomes pages of memory, and to the file system a page is data: the hole would seem to end. */
async function withoutReadAhead<Result>(region: MappedRegion, work: () => Result | Promise<Result>): Promise<Result> {
  region.advise(0, region.sizeBytes, 'random');
  try {
    return await work();
  } finally {
    if (!region.isClosed) region.advise(0, region.sizeBytes, 'normal');
  }
}

export interface DispatchLogOptions {
  readonly commitLog: CommitLog;
  /** Where a record begins. */
  readonly from: number;
  /** The log's end. */
  readonly to: number;
  readonly onRecord: OnRecord;
  readonly onProgress?: Progress;
}

/** Hands records that are known to be good to the views again. Throws CorruptionError when one of them is not good after all. */
export async function dispatchLog(options: DispatchLogOptions): Promise<LogEnd> {
  const { commitLog, from, to, onRecord, onProgress } = options;
  const scan = await scanLog({
    commitLog,
    from,
    to,
    durableOffset: to,
    checkCrc: false,
    onRecord,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  if (scan.stopOffset < to) throw corruption(commitLog, scan, { floor: to, newerRecordOffset: undefined });
  return { endOffset: to, recordCount: scan.recordCount, lastStoreTimestampMs: scan.lastStoreTimestampMs };
}

/** What is dispatched of a record, as an object of its own. */
export function dispatchRequestAt(buffer: Buffer, place: ScannedPlace, tagsCode: number): DispatchRequest {
  const { position, shape, topic, physicalOffset, storeTimestampMs, sysFlag } = place;
  const { propertiesPosition, propertiesLength, sizeBytes } = shape;
  return {
    topic,
    queueId: queueIdOf(buffer, position),
    queueOffset: queueOffsetOf(buffer, position),
    physicalOffset,
    sizeBytes,
    tagsCode,
    storeTimestampMs,
    sysFlag,
    properties: buffer.toString('utf8', propertiesPosition, propertiesPosition + propertiesLength),
  };
}

/** The three steps for a log whose views need nothing in between: find the end, cut, dispatch. */
export async function recoverCommitLog(
  options: FindEndOptions & Omit<DispatchLogOptions, 'to'> & { readonly quarantineDirectory: string },
): Promise<LogEnd & { readonly cut: Cut | undefined }> {
  const { onRecord, quarantineDirectory, ...findOptions } = options;
  const { commitLog, durableOffset } = findOptions;
  const { endOffset, reason, fromOffset, recordCount, lastStoreTimestampMs } = await findLogEnd(findOptions);
  const syncedOffset = durableOffset ?? fromOffset;
  const cut = await cutLog({ commitLog, endOffset, syncedOffset, reason, quarantineDirectory });
  await dispatchLog({ ...findOptions, onRecord, from: Math.min(fromOffset, endOffset), to: endOffset });
  return { endOffset, recordCount, lastStoreTimestampMs, cut };
}

/** Where segments and other bytes go that no longer belong to the store, below the store's directory. */
export const quarantineDirectoryOf = (storeDirectory: string): string => join(storeDirectory, 'cometmq', 'quarantine');
