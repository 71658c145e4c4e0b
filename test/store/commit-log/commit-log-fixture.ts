// A commit log over the crashable file system, small enough that segments roll after a few messages.

import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { hostAddress } from '../../../src/model/host-address.ts';
import type { MessageToPut } from '../../../src/model/message.ts';
import { CommitLog, type CommitLogOptions } from '../../../src/store/commit-log/commit-log.ts';
import { ASYNC_FLUSH_POLICY } from '../../../src/store/commit-log/populate-ahead.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';

export const LOG_DIRECTORY = '/store/commitlog';
export const QUARANTINE_DIRECTORY = '/store/cometmq/quarantine';
export const SEGMENT_SIZE_BYTES = 16_384;
export const STORE_TIME_MS = 1_700_000_000_000;

export function message(overrides: Partial<MessageToPut> = {}): MessageToPut {
  return {
    topic: 'Orders',
    queueId: 1,
    flag: 7,
    sysFlag: 0,
    bornTimestampMs: 1_699_999_999_999,
    bornHost: hostAddress('10.0.0.1', 40_000),
    storeHost: hostAddress('10.0.0.2', 10_911),
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body: Buffer.from('hello'),
    properties: 'KEYS\u0001k1\u0002TAGS\u0001blue\u0002',
    ...overrides,
  };
}

export const newFileSystem = (seed = 1): CrashableFileSystem => new CrashableFileSystem({ seed, writeBackChance: 0 });

export function openLog(
  fileSystem: CrashableFileSystem,
  overrides: Partial<CommitLogOptions> = {},
): Promise<CommitLog> {
  fileSystem.makeDirectorySync(LOG_DIRECTORY);
  return CommitLog.open({
    fileSystem,
    directory: LOG_DIRECTORY,
    segmentSizeBytes: SEGMENT_SIZE_BYTES,
    messageSizeBytesMax: 8_192,
    clock: new ManualClock(STORE_TIME_MS),
    logger: silentLogger,
    hotLogBytes: SEGMENT_SIZE_BYTES,
    populatePolicy: { ...ASYNC_FLUSH_POLICY, windowBytesMax: 0 },
    ...overrides,
  });
}

/** An empty log with its first segment ready. */
export async function newLog(
  fileSystem: CrashableFileSystem,
  overrides: Partial<CommitLogOptions> = {},
): Promise<CommitLog> {
  const log = await openLog(fileSystem, overrides);
  log.setEnd(0);
  await log.whenRoom();
  return log;
}

/** Appends, waiting for room where the log has to roll. Returns the physical offset. */
export async function append(
  log: CommitLog,
  toPut: MessageToPut = message(),
  queueOffset = 0,
  storeTimestampMs = STORE_TIME_MS,
): Promise<number> {
  for (;;) {
    const sizeBytes = log.append(toPut, queueOffset, storeTimestampMs);
    if (sizeBytes !== undefined) return log.endOffset - sizeBytes;
    await log.whenRoom();
  }
}

/** `count` messages of about `bodyBytes`, with rising queue offsets; returns their physical offsets. */
export async function fill(log: CommitLog, count: number, bodyBytes = 500): Promise<number[]> {
  const offsets: number[] = [];
  for (let index = 0; index < count; index++) {
    const body = Buffer.alloc(bodyBytes, index + 1);
    offsets.push(await append(log, message({ body }), index, STORE_TIME_MS + index));
  }
  return offsets;
}

/** Every byte of the log directory, for comparing before and after. */
export function snapshot(fileSystem: CrashableFileSystem): string[] {
  return [...fileSystem.files()].map(([path, bytes]) => `${path} ${bytes.toString('hex')}`).sort();
}
