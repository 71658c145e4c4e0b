// The check of a whole store: walks the log once, with queues and index beside it, then everything else. Reads only; lists every
// violation. Used by `cometmq store check` and by the crash tests after each simulated crash.

import { DelayLevels } from '../dispatch/delay-levels.ts';
import type { DispatchRequest } from '../dispatch/dispatch-request.ts';
import { TagsCodes } from '../dispatch/tags-code.ts';
import { queueIdOf, queueOffsetOf, sysFlagOf } from '../commit-log/message-decoder.ts';
import type { FileSystem } from '../file-system.ts';
import type { IndexGeometry } from '../index/index-layout.ts';
import { NodeFileSystem } from '../node-file-system.ts';
import { defaultStoreConfig } from '../store-config.ts';
import { storePaths, type StorePaths } from '../store-paths.ts';
import { IndexCheck } from './check-index.ts';
import { checkMarks, endsAtDamage, type LogFacts, type Marks, readMarks } from './check-marks.ts';
import { QueueCheck } from './check-queues.ts';
import { checkSegments, tellDamage, tellEnd, tellTornTail } from './check-log.ts';
import { checkState } from './check-state.ts';
import { lockDirectory, requireStore } from './directory-access.ts';
import { type Finding, type FindingKind, Findings } from './finding.ts';
import { listLog, type LogFiles } from './log-files.ts';
import { type DamagedRange, type LogItem, walkLog } from './log-walk.ts';
import { readStateRows, readStateTables, type StateRows, type StateTables } from './state-tables.ts';
import { isTombstone } from './tombstone.ts';

export interface CheckStoreOptions {
  readonly dir: string;
  readonly commitLogDirectory?: string;
  /** Default: the real one. */
  readonly fileSystem?: FileSystem;
  /** Called for each finding as it is found; none is kept. */
  readonly onFinding?: (finding: Finding) => void;
  /** Called every now and then; a promise is awaited. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void | Promise<void>;
  /** Take the lock of the directory (default). False for a store that this process has open and that rests. */
  readonly lock?: boolean;
  /**
   * Excuse nothing: not what a crash leaves for the next open to put right, nor what a deleted topic leaves. For a store that was
   * just recovered or closed.
   */
  readonly strict?: boolean;
  /** Default: found from the files. */
  readonly segmentSizeBytes?: number;
  readonly indexGeometry?: IndexGeometry;
  /** Gives the tags codes of delayed messages; default Apache's. */
  readonly messageDelayLevel?: string;
  /** Rows of the state tables; by default LMDB's. For a store whose tables are kept elsewhere. */
  readonly stateRows?: () => Promise<StateRows | undefined>;
}

export interface CheckReport {
  readonly violationCount: number;
  readonly noteCount: number;
  readonly countByKind: Readonly<Partial<Record<FindingKind, number>>>;
  readonly minOffset: number;
  readonly endOffset: number;
  readonly segmentCount: number;
  readonly recordCount: number;
  readonly queueCount: number;
  readonly unitCount: number;
  readonly indexFileCount: number;
  readonly indexEntryCount: number;
}

const PROGRESS_BYTES = 8 * 1024 * 1024;

/**
 * Resolves when everything was looked at, also when all of it is damaged. Rejects with ERR_STORE_LOCKED, ERR_STORE_BAD_FILE (no
 * store there) or the FileSystemError of a file that could not be read.
 */
export async function checkStore(options: CheckStoreOptions): Promise<CheckReport> {
  const fileSystem = options.fileSystem ?? new NodeFileSystem();
  const paths = storePaths(options.dir, options.commitLogDirectory);
  requireStore(fileSystem, paths);
  const lock = options.lock === false ? undefined : lockDirectory(fileSystem, paths, `${process.pid}\n`);
  try {
    return await new StoreCheck(options, fileSystem, paths).run();
  } finally {
    lock?.release();
  }
}

/** {@link checkStore} for tests: what it found, violations only. */
export async function findViolations(options: Omit<CheckStoreOptions, 'onFinding'>): Promise<Finding[]> {
  const found: Finding[] = [];
  await checkStore({
    ...options,
    onFinding: (finding) => {
      if (finding.severity === 'violation') found.push(finding);
    },
  });
  return found;
}

class StoreCheck {
  readonly #options: CheckStoreOptions;
  readonly #fileSystem: FileSystem;
  readonly #paths: StorePaths;
  readonly #findings: Findings;
  readonly #files: LogFiles;
  readonly #marks: Marks;
  readonly #tagsCodes: TagsCodes;
  /** Offsets that files name; those at which a record begins are kept in the second set. */
  readonly #asked: ReadonlySet<number>;
  readonly #boundaries = new Set<number>();
  #recordCount = 0;
  #endOffset = 0;
  #lastStoreTimestampMs = 0;
  #newestStoreTimestampMs = 0;

  constructor(options: CheckStoreOptions, fileSystem: FileSystem, paths: StorePaths) {
    this.#options = options;
    this.#fileSystem = fileSystem;
    this.#paths = paths;
    this.#findings = new Findings(options.onFinding ?? (() => undefined));
    this.#files = listLog(fileSystem, paths.commitLog, options.segmentSizeBytes);
    this.#marks = readMarks(fileSystem, paths);
    this.#tagsCodes = new TagsCodes(new DelayLevels(options.messageDelayLevel ?? defaultStoreConfig.messageDelayLevel));
    this.#asked = new Set([this.#marks.durable?.offset ?? -1, this.#marks.checkpoint?.logicsPhysicalOffset ?? -1]);
  }

  async run(): Promise<CheckReport> {
    const { hasAbortFile, durable, checkpoint } = this.#marks;
    const strict = this.#options.strict === true;
    const isCleanStop = strict || !hasAbortFile;
    // Recovery begins at the lower of the two and fills the views from there; without both it may begin anywhere.
    if (!isCleanStop) {
      this.#findings.viewsTrustedUpTo =
        durable === undefined || checkpoint === undefined
          ? 0
          : Math.min(durable.offset, checkpoint.logicsPhysicalOffset);
    }
    const rows = await (this.#options.stateRows?.() ?? readStateRows(this.#fileSystem, this.#paths));
    const state = readStateTables(this.#fileSystem, this.#paths, rows);
    const queues = this.#queueCheck(state, strict);
    const index = this.#indexCheck(strict);
    checkSegments(this.#files, this.#findings);
    await this.#walk(queues, index);
    const log = this.#logFacts();
    queues.finish(log);
    index.finish();
    checkMarks(this.#marks, log, this.#findings, this.#paths);
    checkState(state, {
      findings: this.#findings,
      isCleanStop,
      maxOffsetOf: (topic, queueId) => queues.maxOffsetOf(topic, queueId),
    });
    return this.#report(queues, index, log);
  }

  #queueCheck(state: StateTables, strict: boolean): QueueCheck {
    const { topics } = state.effective;
    const { consumeQueue, root } = this.#paths;
    const fileSystem = this.#fileSystem;
    const findings = this.#findings;
    const hasExtendedTags = fileSystem.listSync(`${root}/consumequeue_ext`).length > 0;
    const batchQueues = `${root}/batchconsumequeue`;
    if (fileSystem.listSync(batchQueues).length > 0) {
      const message = `${batchQueues} holds batch consume queues, which are not looked at.`;
      findings.note('other-queue-type', message, { path: batchQueues });
    }
    const knownTopics = topics.size === 0 ? undefined : topics;
    const { deletedBelow } = state;
    return new QueueCheck({
      fileSystem,
      directory: consumeQueue,
      findings,
      strict,
      hasExtendedTags,
      knownTopics,
      deletedBelow,
    });
  }

  #indexCheck(strict: boolean): IndexCheck {
    return new IndexCheck({
      fileSystem: this.#fileSystem,
      directory: this.#paths.index,
      geometry: this.#options.indexGeometry,
      findings: this.#findings,
      strict,
      logMinOffset: this.#files.segments[0]?.startOffset ?? 0,
    });
  }

  async #walk(queues: QueueCheck, index: IndexCheck): Promise<void> {
    const { segments, segmentSizeBytes } = this.#files;
    const totalBytes = segments.length * segmentSizeBytes;
    const minOffset = segments[0]?.startOffset ?? 0;
    let progressAt = minOffset + PROGRESS_BYTES;
    for (const item of walkLog(this.#fileSystem, this.#files)) {
      if (item.kind === 'damage' && this.#isTornTail(item)) break;
      const offset = this.#onItem(item, queues, index);
      if (offset < progressAt) continue;
      progressAt = offset + PROGRESS_BYTES;
      await this.#options.onProgress?.(offset - minOffset, totalBytes);
    }
    await this.#options.onProgress?.(totalBytes, totalBytes);
  }

  #isTornTail(item: DamagedRange): boolean {
    if (this.#options.strict === true || !endsAtDamage(this.#marks, item.from)) return false;
    this.#endOffset = item.from;
    this.#reached(item.from);
    tellTornTail(item, this.#findings);
    return true;
  }

  /** Returns the offset that was reached. */
  #onItem(item: LogItem, queues: QueueCheck, index: IndexCheck): number {
    switch (item.kind) {
      case 'record': {
        const request = this.#requestOf(item);
        this.#reached(request.physicalOffset);
        this.#recordCount++;
        queues.onRecord(request);
        index.onRecord(request);
        return request.physicalOffset;
      }
      case 'blank':
        this.#reached(item.offset);
        return item.offset;
      case 'damage':
        tellDamage(item, this.#findings);
        return item.to;
      case 'end':
        this.#endOffset = item.offset;
        this.#reached(item.offset);
        tellEnd(item, this.#marks, this.#findings, { strict: this.#options.strict === true, files: this.#files });
        return item.offset;
    }
  }

  #reached(offset: number): void {
    if (this.#asked.has(offset)) this.#boundaries.add(offset);
  }

  #requestOf({ buffer, place }: Extract<LogItem, { kind: 'record' }>): DispatchRequest {
    const { position, shape, topic, physicalOffset, storeTimestampMs } = place;
    const { propertiesPosition, propertiesLength, sizeBytes } = shape;
    const properties = buffer.toString('utf8', propertiesPosition, propertiesPosition + propertiesLength);
    this.#lastStoreTimestampMs = storeTimestampMs;
    this.#newestStoreTimestampMs = Math.max(this.#newestStoreTimestampMs, storeTimestampMs);
    const request = {
      topic,
      queueId: queueIdOf(buffer, position),
      queueOffset: queueOffsetOf(buffer, position),
      physicalOffset,
      sizeBytes,
      tagsCode: this.#tagsCodes.of(topic, properties, storeTimestampMs),
      storeTimestampMs,
      sysFlag: sysFlagOf(buffer, position),
      properties,
    };
    if (isTombstone(topic, properties)) {
      const { queueId, queueOffset } = request;
      this.#findings.note(
        'repaired-message',
        `The message ${topic}/${queueId}/${queueOffset} at physical offset ${physicalOffset} was lost to damage and replaced by a repair.`,
        { topic, queueId, queueOffset, physicalOffset },
      );
    }
    return request;
  }

  #logFacts(): LogFacts {
    return {
      minOffset: this.#files.segments[0]?.startOffset ?? 0,
      endOffset: this.#endOffset,
      recordCount: this.#recordCount,
      lastStoreTimestampMs: this.#lastStoreTimestampMs,
      newestStoreTimestampMs: this.#newestStoreTimestampMs,
      boundaries: this.#boundaries,
    };
  }

  #report(queues: QueueCheck, index: IndexCheck, log: LogFacts): CheckReport {
    const { violationCount, noteCount, countByKind } = this.#findings;
    return {
      violationCount,
      noteCount,
      countByKind: Object.fromEntries(countByKind),
      minOffset: log.minOffset,
      endOffset: log.endOffset,
      segmentCount: this.#files.segments.length,
      recordCount: log.recordCount,
      queueCount: queues.listing.queues.length,
      unitCount: queues.unitCount,
      indexFileCount: index.listing.files.length,
      indexEntryCount: index.entryCount,
    };
  }
}
