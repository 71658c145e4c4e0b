// All consume queues of a store: finds them, writes their units out, takes back what a crash left, and lets expired files go.
// Files: <directory>/<topic>/<queueId>/<20-digit byte offset>. Nothing is written here without writeOut, trim or a deletion.

import { assert } from '../../base/assert.ts';
import type { Logger } from '../../base/logger.ts';
import { QUEUE_ID_MAX, topicNameProblem } from '../../model/names.ts';
import type { FileSystem } from '../file-system.ts';
import type { DeletedBelow } from '../state/topic-deletion-table.ts';
import { MappedFileCache } from '../mapped-file/mapped-file-cache.ts';
import { StoreError } from '../store-errors.ts';
import { ConsumeQueue, type QueueExtent, type QueueSurroundings } from './consume-queue.ts';
import { UNIT_SIZE_BYTES } from './consume-queue-layout.ts';
import { openQueue } from './consume-queue-recovery.ts';
import { trimQueue } from './consume-queue-trim.ts';
import { WriteOut } from './consume-queue-write-out.ts';
import { UnitArena } from './unit-arena.ts';

export interface ConsumeQueueStoreOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** Of one file; a multiple of 20. */
  readonly segmentSizeBytes: number;
  /** Files mapped for reading at one time. */
  readonly mappedFilesMax: number;
  readonly queueCountMax: number;
  /** Where the log begins. Default 0. */
  readonly minPhysicalOffset?: number;
  readonly logger: Logger;
}

type QueuesById = (ConsumeQueue | undefined)[];

/** Owner: the message store. Appends and reads go on while any of the asynchronous methods works. */
export class ConsumeQueueStore {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #queueCountMax: number;
  readonly #fileUnits: number;
  readonly #arena = new UnitArena();
  readonly #files: MappedFileCache;
  readonly #shared: QueueSurroundings;
  readonly #topics = new Map<string, QueuesById>();
  /** Queues that have units in memory, each once (its isListed says so). Those of a write-out under way stay listed. */
  #pending: ConsumeQueue[] = [];
  #queueCount = 0;
  #rebuildFrom: number | undefined;
  /** What works on files does so one after the other. */
  #lane: Promise<unknown> = Promise.resolve();
  #nextWriteOut: Promise<number> | undefined;

  private constructor(options: ConsumeQueueStoreOptions) {
    const { fileSystem, directory, segmentSizeBytes, mappedFilesMax } = options;
    if (segmentSizeBytes % UNIT_SIZE_BYTES !== 0 || segmentSizeBytes < UNIT_SIZE_BYTES) {
      throw new StoreError(
        'ERR_STORE_BAD_CONFIG',
        `a consume queue file must have a multiple of ${UNIT_SIZE_BYTES} bytes, not ${segmentSizeBytes}`,
        { segmentSizeBytes },
      );
    }
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#logger = options.logger;
    this.#queueCountMax = options.queueCountMax;
    this.#fileUnits = segmentSizeBytes / UNIT_SIZE_BYTES;
    this.#files = new MappedFileCache({ fileSystem, fileSizeBytes: segmentSizeBytes, filesMax: mappedFilesMax });
    this.#shared = {
      fileSystem,
      directory,
      fileUnits: this.#fileUnits,
      arena: this.#arena,
      files: this.#files,
      markPending: (queue) => {
        queue.isListed = true;
        this.#pending.push(queue);
      },
    };
  }

  /** Finds every queue and its first and last offset; maps nothing. Throws FileSystemErrors and ERR_STORE_BAD_CONFIG. */
  static async open(options: ConsumeQueueStoreOptions): Promise<ConsumeQueueStore> {
    const store = new ConsumeQueueStore(options);
    if (options.fileSystem.statusSync(options.directory) === undefined) {
      options.fileSystem.makeDirectorySync(options.directory);
      store.#rebuildFrom = 0;
    }
    for (const topic of options.fileSystem.listSync(options.directory)) {
      store.#openTopic(topic, options.minPhysicalOffset ?? 0);
      await Promise.resolve();
    }
    return store;
  }

  #openTopic(topic: string, minPhysicalOffset: number): void {
    const directory = `${this.#directory}/${topic}`;
    if (topicNameProblem(topic) !== undefined || this.#fileSystem.statusSync(directory)?.isDirectory !== true) {
      this.#logger.warn('store.consume-queue.unknown-file', { directory: this.#directory, name: topic });
      return;
    }
    for (const name of this.#fileSystem.listSync(directory)) {
      const queueId = /^(0|[1-9][0-9]{0,4})$/.test(name) ? Number(name) : Number.NaN;
      if (!(queueId <= QUEUE_ID_MAX)) {
        this.#logger.warn('store.consume-queue.unknown-file', { directory, name });
        continue;
      }
      const { extent, rebuildFrom } = openQueue({
        fileSystem: this.#fileSystem,
        directory: `${directory}/${name}`,
        fileUnits: this.#fileUnits,
        logger: this.#logger,
        minPhysicalOffset,
      });
      if (rebuildFrom !== undefined) this.#rebuildFrom = Math.min(this.#rebuildFrom ?? rebuildFrom, rebuildFrom);
      this.#create(topic, queueId, extent);
    }
  }

  /**
   * Set when files were lost or could not be right: records that begin at or above this physical offset (or at the log's
   * beginning, if that is above it) must be dispatched again. One queue's directory that is missing as a whole can't be noticed here.
   */
  get rebuildFrom(): number | undefined {
    return this.#rebuildFrom;
  }

  get queueCount(): number {
    return this.#queueCount;
  }

  /** Memory taken by units that are in no file yet. */
  get pendingBytes(): number {
    return this.#arena.usedBytes;
  }

  /** Files mapped for reading now. */
  get mappedFileCount(): number {
    return this.#files.mappedCount;
  }

  topics(): Iterable<string> {
    return this.#topics.keys();
  }

  /** In order of their ids. */
  queuesOf(topic: string): ConsumeQueue[] {
    return (this.#topics.get(topic) ?? []).filter((queue) => queue !== undefined);
  }

  *queues(): Iterable<ConsumeQueue> {
    for (const queues of this.#topics.values()) {
      for (const queue of queues) if (queue !== undefined) yield queue;
    }
  }

  find(topic: string, queueId: number): ConsumeQueue | undefined {
    return this.#topics.get(topic)?.[queueId];
  }

  /** Throws ERR_STORE_INVALID_ARGUMENT for a name or id that can't be a queue's, ERR_STORE_OVERLOADED at the limit. */
  findOrCreate(topic: string, queueId: number): ConsumeQueue {
    return this.#topics.get(topic)?.[queueId] ?? this.#createChecked(topic, queueId);
  }

  #createChecked(topic: string, queueId: number): ConsumeQueue {
    // The names become a path, so this door checks them too, whoever calls.
    const problem = topicNameProblem(topic);
    if (problem !== undefined)
      throw new StoreError('ERR_STORE_INVALID_ARGUMENT', problem, { topic: topic.slice(0, 256) });
    if (!Number.isInteger(queueId) || queueId < 0 || queueId > QUEUE_ID_MAX) {
      throw new StoreError(
        'ERR_STORE_INVALID_ARGUMENT',
        `a queue id is an integer from 0 to ${QUEUE_ID_MAX}, not ${queueId}`,
        {
          topic,
          queueId,
        },
      );
    }
    if (this.#queueCount >= this.#queueCountMax) {
      throw new StoreError(
        'ERR_STORE_OVERLOADED',
        `there are ${this.#queueCount} queues already, which is the limit; delete topics or raise queueCountMax`,
        { queueCount: this.#queueCount, queueCountMax: this.#queueCountMax },
      );
    }
    return this.#create(topic, queueId);
  }

  #create(topic: string, queueId: number, extent?: QueueExtent): ConsumeQueue {
    let queues = this.#topics.get(topic);
    if (queues === undefined) this.#topics.set(topic, (queues = []));
    assert(queues[queueId] === undefined, 'a queue is made once');
    const queue = new ConsumeQueue(topic, queueId, this.#shared, extent);
    queues[queueId] = queue;
    this.#queueCount++;
    return queue;
  }

  /**
   * Writes every unit that is pending at the call into its file: visible to every process, not durable. Resolves with the
   * number of units. One runs at a time; calls made meanwhile share the next one. Rejects with a FileSystemError; units that
   * were not written stay pending and readable.
   */
  writeOut(): Promise<number> {
    this.#nextWriteOut ??= this.#inLane(() => {
      this.#nextWriteOut = undefined;
      return this.#writeOutNow();
    });
    return this.#nextWriteOut;
  }

  async #writeOutNow(): Promise<number> {
    const queues = this.#pending;
    this.#pending = [];
    const pendingUnits = Math.floor(this.#arena.usedBytes / UNIT_SIZE_BYTES);
    const writeOut = new WriteOut({ fileSystem: this.#fileSystem, fileUnits: this.#fileUnits, pendingUnits });
    try {
      return await writeOut.run(queues);
    } finally {
      // Those that were not written, or got new units meanwhile.
      for (const queue of queues) {
        queue.isListed = queue.hasPending;
        if (queue.isListed) this.#pending.push(queue);
      }
    }
  }

  #inLane<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#lane.then(task);
    this.#lane = result.catch(() => undefined);
    return result;
  }

  /**
   * After open, when the store was not closed cleanly: keeps the units of records that end at or below `trustedOffset`, and
   * clears the rest in the files. Records above have to be dispatched again. Not durable; doing it again changes nothing.
   * Units of a deleted topic's records go too.
   */
  trim(trustedOffset: number, deletedBelow: DeletedBelow = new Map()): Promise<void> {
    assert(this.#pending.length === 0, 'queues are trimmed before anything is appended');
    return this.#inLane(async () => {
      for (const queue of this.queues())
        await trimQueue(this.#shared, queue, { from: deletedBelow.get(queue.topic) ?? 0, to: trustedOffset });
    });
  }

  /** After open: takes away units of deleted topics that the end of the process, or a disk's error, left in files. */
  trimDeleted(deletedBelow: DeletedBelow): Promise<void> {
    return this.#inLane(async () => {
      for (const [topic, from] of deletedBelow) {
        for (const queue of this.queuesOf(topic)) {
          if (queue.isKnownToBeginAt(from)) continue;
          await trimQueue(this.#shared, queue, { from, to: Number.MAX_SAFE_INTEGER });
        }
      }
    });
  }

  /**
   * Messages whose records begin below `minPhysicalOffset` are gone from the log: raises each queue's minimum and removes the
   * files that are wholly below it, but for the last one, which knows the queue's maximum. Resolves with the number of files.
   */
  deleteExpired(minPhysicalOffset: number): Promise<number> {
    return this.#inLane(async () => {
      let fileCount = 0;
      for (const queue of [...this.queues()]) {
        if (queue.isDropped || queue.isKnownToBeginAt(minPhysicalOffset)) continue;
        await raiseMinimum(queue, minPhysicalOffset);
        fileCount += await this.#removeExpiredFiles(queue);
      }
      return fileCount;
    });
  }

  async #removeExpiredFiles(queue: ConsumeQueue): Promise<number> {
    let fileCount = 0;
    for (const startOffset of queue.expiredFiles()) {
      const path = queue.filePath(startOffset);
      queue.raiseFirstFile(startOffset + this.#fileUnits);
      await this.#files.forget(path);
      await this.#fileSystem.remove(path);
      // One after the other on disk too: after a power cut the files that are left must not have a gap.
      await this.#fileSystem.syncDirectory(queue.directory);
      fileCount++;
    }
    return fileCount;
  }

  /**
   * The topic's queues are gone at once, their files when it resolves, not before `after` has settled. A topic of that name may
   * be used again meanwhile.
   */
  deleteTopic(topic: string, after?: Promise<void>): Promise<void> {
    const queues = this.queuesOf(topic);
    this.#topics.delete(topic);
    this.#queueCount -= queues.length;
    this.#drop(queues);
    return this.#inLane(async () => {
      // Whether that failed is for its own caller to know; new queues of the name need the place in any case.
      await after?.catch(() => undefined);
      await this.#removeFilesOf(queues);
      await this.#fileSystem.removeTree(`${this.#directory}/${topic}`);
    });
  }

  /**
   * While records are dispatched again: the log shows that the queue began anew (its topic was deleted and used again). What was
   * there goes, and an empty queue takes its place.
   */
  async restart(topic: string, queueId: number): Promise<ConsumeQueue> {
    const queues = this.#topics.get(topic);
    const queue = queues?.[queueId];
    assert(queues !== undefined && queue !== undefined, 'a queue that begins anew was there before');
    this.#drop([queue]);
    const next = new ConsumeQueue(topic, queueId, this.#shared);
    queues[queueId] = next;
    await this.#inLane(async () => {
      await this.#removeFilesOf([queue]);
      await this.#fileSystem.removeTree(queue.directory);
    });
    return next;
  }

  #drop(queues: readonly ConsumeQueue[]): void {
    for (const queue of queues) queue.drop();
    this.#pending = this.#pending.filter((queue) => !queue.isDropped);
  }

  async #removeFilesOf(queues: readonly ConsumeQueue[]): Promise<void> {
    for (const queue of queues) {
      for (const startOffset of queue.fileStarts()) await this.#files.forget(queue.filePath(startOffset));
    }
  }

  /** Unmaps everything, after the work under way. Pending units are not written: call {@link writeOut} first. */
  close(): Promise<void> {
    return this.#inLane(() => this.#files.close());
  }
}

async function raiseMinimum(queue: ConsumeQueue, minPhysicalOffset: number): Promise<void> {
  let low = queue.minOffset;
  let high = queue.maxOffset;
  // Invariant: units below `low` are expired, units from `high` on are not.
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const unit = await queue.unitAt(middle);
    if (unit === undefined || unit.physicalOffset < minPhysicalOffset) low = middle + 1;
    else high = middle;
  }
  if (queue.isDropped) return;
  const first = low < queue.maxOffset ? await queue.unitAt(low) : undefined;
  queue.raiseMinOffset(low, first?.physicalOffset ?? -1);
}
