// Opens a data directory: takes the lock, opens the rooms in order, recovers, starts the services. What was opened before a
// failure is closed again, in the reverse order.

import { systemClock, type Clock } from '../base/clock.ts';
import { silentLogger, type Logger } from '../base/logger.ts';
import { describeError, errorCode } from '../base/errors.ts';
import { createAbortFile, hasAbortFile, removeAbortFile } from './checkpoint/abort-file.ts';
import { DurableOffset } from './checkpoint/durable-offset.ts';
import { QueueCount } from './checkpoint/queue-count.ts';
import { StoreCheckpoint } from './checkpoint/store-checkpoint.ts';
import { Checkpointer } from './checkpointer.ts';
import { ASYNC_FLUSH_POLICY, SYNC_FLUSH_POLICY } from './commit-log/populate-ahead.ts';
import { CommitLog } from './commit-log/commit-log.ts';
import { LogFlush } from './commit-log/log-flush.ts';
import { ConsumeQueueStore } from './consume-queue/consume-queue-store.ts';
import { DelayLevels } from './dispatch/delay-levels.ts';
import { TagsCodes } from './dispatch/tags-code.ts';
import type { FileLock, FileSystem } from './file-system.ts';
import { IndexService } from './index/index-service.ts';
import { MessageStore } from './message-store.ts';
import { NodeFileSystem } from './node-file-system.ts';
import { Retention } from './retention/retention.ts';
import type { KeyValueStore } from './state/key-value-store.ts';
import { openLmdbKeyValueStore } from './state/lmdb-key-value-store.ts';
import { StoreState } from './state/store-state.ts';
import { readTopicDeletions } from './state/topic-deletion-table.ts';
import { defaultStoreConfig, type StoreConfig } from './store-config.ts';
import { StoreError } from './store-errors.ts';
import { storePaths, type StorePaths } from './store-paths.ts';
import { recoverStore } from './store-recovery.ts';
import { WriteGate } from './write-gate.ts';

export interface OpenStoreOptions {
  /** The data directory; made when it is not there. One process owns it at a time. */
  readonly dir: string;
  /** Where the commit log lies when not below `dir`. */
  readonly commitLogDirectory?: string;
  readonly config?: Partial<StoreConfig>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly fileSystem?: FileSystem;
  /** Where the state tables are kept; LMDB below `dir` by default. */
  readonly openKeyValues?: (paths: StorePaths) => Promise<KeyValueStore>;
  /** Called once when a sync failed. The store refuses writes from then on; the process should end. */
  readonly onFatal?: (error: Error) => void;
}

/** Written into the lock file, for the error of whoever comes second. */
const ownerText = (): string => `${process.pid}\n`;

/**
 * Resolves when every message that was ever acknowledged can be read and new ones can be put.
 * Rejects with ERR_STORE_LOCKED (another process owns the directory), ERR_STORE_CORRUPT (something that was durable is damaged;
 * nothing was changed), ERR_STORE_BAD_FILE (a file of a wrong size or name), or a FileSystemError.
 */
export async function openStore(options: OpenStoreOptions): Promise<MessageStore> {
  const opening = new Opening(options);
  try {
    return await opening.run();
  } catch (error) {
    await opening.undo();
    throw error;
  }
}

class Opening {
  readonly #options: OpenStoreOptions;
  readonly #config: StoreConfig;
  readonly #paths: StorePaths;
  readonly #fileSystem: FileSystem;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #undo: (() => unknown)[] = [];

  constructor(options: OpenStoreOptions) {
    this.#options = options;
    this.#config = Object.freeze({ ...defaultStoreConfig, ...options.config });
    this.#paths = storePaths(options.dir, options.commitLogDirectory);
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#fileSystem = options.fileSystem ?? new NodeFileSystem();
  }

  /** Every room is closed, also when closing one of them fails: the lock above all must not stay. */
  async undo(): Promise<void> {
    for (const step of this.#undo.reverse()) {
      try {
        await step();
      } catch (error) {
        this.#logger.warn('store.open.undo-failed', { reason: describeError(error) });
      }
    }
  }

  async run(): Promise<MessageStore> {
    const { paths, fileSystem, clock, logger, config } = this.#common();
    const lock = this.#lock();
    for (const limitation of fileSystem.limitations) logger.warn('store.file-system.limited', { limitation });
    for (const directory of [paths.commitLog, paths.config, `${paths.root}/cometmq`]) {
      fileSystem.makeDirectorySync(directory);
    }
    const wasAborted = hasAbortFile(fileSystem, paths.abort);
    const checkpoint = await this.#opened(StoreCheckpoint.open(fileSystem, paths.checkpoint));
    const durableOffset = await this.#opened(DurableOffset.open(fileSystem, paths.durableOffset));
    const queueCount = QueueCount.open(fileSystem, paths.queueCount);
    const commitLog = await this.#opened(this.#openCommitLog());
    const consumeQueues = await this.#opened(this.#openConsumeQueues(commitLog.minOffset));
    const index = config.indexEnabled ? await this.#opened(this.#openIndex()) : undefined;
    const delayLevels = new DelayLevels(config.messageDelayLevel);
    const tagsCodes = new TagsCodes(delayLevels);
    const keyValues = await this.#opened(this.#openKeyValues());
    await recoverStore({
      fileSystem,
      root: paths.root,
      quarantine: paths.quarantine,
      commitLog,
      consumeQueues,
      index,
      checkpoint,
      durableOffset,
      queueCount,
      tagsCodes,
      clock,
      logger,
      hasAbortFile: wasAborted,
      abortFile: paths.abort,
      checkCrc: config.checkCrcOnRecover,
      pendingBytesMax: config.consumeQueuePendingBytesMax,
      deletedBelow: readTopicDeletions(keyValues),
    });
    const writeGate = new WriteGate();
    await this.#makeRoom(commitLog, writeGate);
    const fatal = new FatalOnce(this.#options.onFatal, logger);
    const state = await this.#opened(this.#openState(keyValues, fatal));
    await this.#settleDeletions(state, commitLog);
    await createAbortFile(fileSystem, paths.abort);
    durableOffset.write(commitLog.endOffset, false);
    const views = { commitLog, consumeQueues, index };
    return this.#assemble({
      ...views,
      checkpoint,
      durableOffset,
      queueCount,
      delayLevels,
      tagsCodes,
      state,
      lock,
      fatal,
      writeGate,
    });
  }

  /**
   * The first append must find room. A new directory whose disk has none is refused here, with the reason; one that has messages
   * opens for reading, and takes writes as soon as there is room.
   */
  async #makeRoom(commitLog: CommitLog, writeGate: WriteGate): Promise<void> {
    if (commitLog.hasTail) return;
    try {
      await commitLog.whenRoom();
    } catch (error) {
      const isEmpty = commitLog.endOffset === commitLog.minOffset;
      if (isEmpty || errorCode(error) !== 'ERR_FS_NO_SPACE') throw error;
      const { reason } = writeGate.closeForSpace(error);
      this.#logger.error('store.disk.writes-refused', { reason });
    }
  }

  #common(): { paths: StorePaths; fileSystem: FileSystem; clock: Clock; logger: Logger; config: StoreConfig } {
    const config = this.#config;
    return { paths: this.#paths, fileSystem: this.#fileSystem, clock: this.#clock, logger: this.#logger, config };
  }

  /** Remembers how to close what was just opened. */
  async #opened<Room extends { close(): Promise<void> }>(opening: Promise<Room>): Promise<Room> {
    const room = await opening;
    this.#undo.push(() => room.close());
    return room;
  }

  /** Before anything else is opened: a second owner must not read a byte, let alone cut a tail. */
  #lock(): FileLock {
    this.#fileSystem.makeDirectorySync(this.#paths.root);
    try {
      const lock = this.#fileSystem.lockFile(this.#paths.lock, ownerText());
      this.#undo.push(() => lock.release());
      return lock;
    } catch (error) {
      if (errorCode(error) !== 'ERR_FS_LOCKED') throw error;
      const { owner: contents } = (error as StoreError).details;
      const owner = typeof contents === 'string' ? contents.trim() : '';
      const who = owner === '' ? 'another process' : `process ${owner}`;
      throw new StoreError(
        'ERR_STORE_LOCKED',
        `The data directory ${this.#paths.root} belongs to ${who}; stop it first, or use another directory.`,
        { directory: this.#paths.root, owner },
        { cause: error },
      );
    }
  }

  #openCommitLog(): Promise<CommitLog> {
    const { paths, fileSystem, clock, logger, config } = this.#common();
    return CommitLog.open({
      fileSystem,
      directory: paths.commitLog,
      segmentSizeBytes: config.commitLogSegmentSizeBytes,
      messageSizeBytesMax: config.messageSizeBytesMax,
      hotLogBytes: config.hotLogBytes,
      ...(fileSystem.crc32 === undefined ? {} : { crc32: fileSystem.crc32 }),
      populatePolicy: config.flushDiskType === 'SYNC_FLUSH' ? SYNC_FLUSH_POLICY : ASYNC_FLUSH_POLICY,
      clock,
      logger,
    });
  }

  #openConsumeQueues(minPhysicalOffset: number): Promise<ConsumeQueueStore> {
    const { paths, fileSystem, logger, config } = this.#common();
    return ConsumeQueueStore.open({
      fileSystem,
      directory: paths.consumeQueue,
      segmentSizeBytes: config.consumeQueueSegmentSizeBytes,
      mappedFilesMax: config.consumeQueueMappedFilesMax,
      queueCountMax: config.queueCountMax,
      minPhysicalOffset,
      logger,
    });
  }

  #openIndex(): Promise<IndexService> {
    const { paths, fileSystem, clock, logger, config } = this.#common();
    return IndexService.open({
      fileSystem,
      directory: paths.index,
      hashSlotCount: config.indexHashSlotCount,
      entryCountMax: config.indexEntryCountMax,
      mappedFilesMax: config.indexMappedFilesMax,
      clock,
      logger,
    });
  }

  #openKeyValues(): Promise<KeyValueStore> {
    const { paths, fileSystem, clock, logger } = this.#common();
    const quarantineDirectory = paths.quarantine;
    return (
      this.#options.openKeyValues?.(paths) ??
      openLmdbKeyValueStore({ directory: paths.state, quarantineDirectory, fileSystem, clock, logger })
    );
  }

  /** A deletion is about records that are in the log: not about such that it will get, nor such that expired. */
  async #settleDeletions(state: StoreState, commitLog: CommitLog): Promise<void> {
    state.topicDeletions.forgetBelow(commitLog.minOffset);
    if (state.topicDeletions.lowerTo(commitLog.endOffset)) await state.whenDurable();
  }

  #openState(keyValues: KeyValueStore, fatal: FatalOnce): Promise<StoreState> {
    const { paths, fileSystem, clock, logger, config } = this.#common();
    return StoreState.open({
      fileSystem,
      keyValues,
      configDirectory: paths.config,
      quarantineDirectory: paths.quarantine,
      clock,
      logger,
      offsetCommitIntervalMs: config.offsetCommitIntervalMs,
      offsetExportIntervalMs: config.offsetExportIntervalMs,
      onFailed: (error, isFinal) => {
        if (isFinal) fatal.report(error); // a full disk is not: the tables are written when there is room
      },
    });
  }

  #assemble(rooms: {
    commitLog: CommitLog;
    consumeQueues: ConsumeQueueStore;
    index: IndexService | undefined;
    checkpoint: StoreCheckpoint;
    durableOffset: DurableOffset;
    queueCount: QueueCount;
    delayLevels: DelayLevels;
    tagsCodes: TagsCodes;
    state: StoreState;
    lock: FileLock;
    fatal: FatalOnce;
    writeGate: WriteGate;
  }): MessageStore {
    const { paths, fileSystem, clock, logger, config } = this.#common();
    const { commitLog, consumeQueues, index, checkpoint, durableOffset, queueCount, lock, fatal, writeGate } = rooms;
    fatal.onFirst((error) => writeGate.fence(error));
    const logFlush = new LogFlush({
      commitLog,
      durableOffset,
      clock,
      flushDiskType: config.flushDiskType,
      flushIntervalMs: config.flushIntervalMs,
      syncFlushTimeoutMs: config.syncFlushTimeoutMs,
      onFlushed: (offset) => store.flushed(offset),
      onFailed: (error) => fatal.report(error),
    });
    const views = { fileSystem, directory: paths.root, commitLog, consumeQueues, index, clock, logger };
    const checkpointer = new Checkpointer({
      ...views,
      logFlush,
      checkpoint,
      durableOffset,
      queueCount,
      intervalMs: config.checkpointIntervalMs,
      pendingBytesMax: config.consumeQueuePendingBytesMax,
      onWriteOutProblem: (problem) => writeGate.setQueueProblem(problem),
      onFatal: (error) => fatal.report(error),
    });
    const intervalMs = config.cleanIntervalMs;
    const retention = new Retention({ ...views, checkpointer, writeGate, settings: config, intervalMs });
    const finish = async (clean: boolean): Promise<void> => {
      try {
        if (clean) {
          durableOffset.write(commitLog.endOffset, true);
          await durableOffset.sync();
        }
        await durableOffset.close();
        await checkpoint.close();
        if (clean) await removeAbortFile(fileSystem, paths.abort);
      } finally {
        lock.release();
      }
    };
    const store: MessageStore = new MessageStore({
      ...views,
      ...rooms,
      config,
      logFlush,
      checkpointer,
      retention,
      writeGate,
      finish,
    });
    retention.start();
    return store;
  }
}

/** The first failure that nothing can be done about: told once to everyone who must know. */
class FatalOnce {
  readonly #told: ((error: Error) => void)[];
  readonly #logger: Logger;
  #error: Error | undefined;

  constructor(onFatal: ((error: Error) => void) | undefined, logger: Logger) {
    this.#told = onFatal === undefined ? [] : [onFatal];
    this.#logger = logger;
  }

  onFirst(listener: (error: Error) => void): void {
    this.#told.unshift(listener);
  }

  report(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#logger.error('store.fenced', { reason: error.message });
    for (const listener of this.#told) listener(error);
  }
}
