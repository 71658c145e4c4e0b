// What `cometmq store stats` says: totals of a directory, without reading more of the log than its last segment.

import type { DurableOffsetRecord } from '../checkpoint/durable-offset.ts';
import type { FileSystem } from '../file-system.ts';
import { FIRST_INDEX, type IndexGeometry } from '../index/index-layout.ts';
import type { StorePaths } from '../store-paths.ts';
import { type CheckpointValues, readMarks } from './check-marks.ts';
import { listIndex } from './index-files.ts';
import { listLog, type LogFiles } from './log-files.ts';
import { walkLog } from './log-walk.ts';
import { listQueues, type QueueDirectory, rangeOf, UnitReader } from './queue-files.ts';
import { readStateRows, readStateTables, type StateRows, type StateTables } from './state-tables.ts';

export interface QueueTotals {
  readonly queueId: number;
  readonly minOffset: number;
  readonly maxOffset: number;
}

export interface TopicTotals {
  readonly topic: string;
  readonly messageCount: number;
  readonly queues: readonly QueueTotals[];
}

export interface GroupTotals {
  readonly group: string;
  readonly topics: readonly {
    readonly topic: string;
    readonly lag: number;
    readonly queues: readonly { readonly queueId: number; readonly offset: number; readonly lag: number }[];
  }[];
}

export interface StoreTotals {
  readonly directory: string;
  readonly cleanStop: boolean;
  /** In the queues. */
  readonly messageCount: number;
  readonly log: {
    readonly minOffset: number;
    readonly endOffset: number;
    readonly bytes: number;
    readonly segmentCount: number;
    readonly segmentSizeBytes: number;
  };
  readonly firstMessageMs: number | undefined;
  readonly lastMessageMs: number | undefined;
  readonly durable: DurableOffsetRecord | undefined;
  readonly checkpoint: CheckpointValues | undefined;
  readonly queueCount: number;
  readonly topics: readonly TopicTotals[];
  readonly groups: readonly GroupTotals[];
  readonly index: { readonly fileCount: number; readonly entryCount: number };
  /** Sum of the files' sizes; holes and preallocated blocks count in full. */
  readonly fileBytes: Readonly<Record<'commitLog' | 'consumeQueue' | 'index' | 'state' | 'quarantine', number>>;
}

export interface StoreTotalsOptions {
  readonly fileSystem: FileSystem;
  readonly paths: StorePaths;
  readonly segmentSizeBytes?: number;
  readonly indexGeometry?: IndexGeometry;
  readonly stateRows?: () => Promise<StateRows | undefined>;
}

/** The directory must not be in use. Rejects with the FileSystemError of a file that can't be read. */
export async function storeTotals(options: StoreTotalsOptions): Promise<StoreTotals> {
  const { fileSystem, paths } = options;
  const files = listLog(fileSystem, paths.commitLog, options.segmentSizeBytes);
  const log = logTotals(fileSystem, files);
  const listing = listQueues(fileSystem, paths.consumeQueue);
  const reader = new UnitReader(fileSystem, listing.fileSizeBytes);
  const queues = listing.queues.map((queue) => ({ queue, totals: queueTotals(reader, queue, log.minOffset) }));
  const rows = await (options.stateRows?.() ?? readStateRows(fileSystem, paths));
  const state = readStateTables(fileSystem, paths, rows);
  const index = listIndex(fileSystem, paths.index, options.indexGeometry);
  const { hasAbortFile, durable, checkpoint } = readMarks(fileSystem, paths);
  const topics = topicTotals(queues, state);
  return {
    directory: paths.root,
    cleanStop: !hasAbortFile,
    messageCount: topics.reduce((sum, topic) => sum + topic.messageCount, 0),
    log: { ...log.sizes, segmentCount: files.segments.length, segmentSizeBytes: files.segmentSizeBytes },
    firstMessageMs: log.firstMessageMs,
    lastMessageMs: log.lastMessageMs,
    durable,
    checkpoint,
    queueCount: listing.queues.length,
    topics,
    groups: groupTotals(state, topics),
    index: {
      fileCount: index.files.length,
      entryCount: index.files.reduce((sum, { header }) => sum + (header?.indexCount ?? FIRST_INDEX) - FIRST_INDEX, 0),
    },
    fileBytes: {
      commitLog: bytesBelow(fileSystem, paths.commitLog),
      consumeQueue: bytesBelow(fileSystem, paths.consumeQueue),
      index: bytesBelow(fileSystem, paths.index),
      state: bytesBelow(fileSystem, paths.state) + bytesBelow(fileSystem, paths.config),
      quarantine: bytesBelow(fileSystem, paths.quarantine),
    },
  };
}

function logTotals(
  fileSystem: FileSystem,
  files: LogFiles,
): {
  minOffset: number;
  sizes: { minOffset: number; endOffset: number; bytes: number };
  firstMessageMs: number | undefined;
  lastMessageMs: number | undefined;
} {
  const minOffset = files.segments[0]?.startOffset ?? 0;
  let firstMessageMs: number | undefined;
  for (const item of walkLog(fileSystem, files)) {
    if (item.kind === 'record') firstMessageMs = item.place.storeTimestampMs;
    if (item.kind === 'record' || item.kind === 'end') break;
  }
  let lastMessageMs: number | undefined;
  let endOffset = minOffset;
  for (const item of walkLog(fileSystem, files, lastUsedSegment(fileSystem, files))) {
    if (item.kind === 'record') lastMessageMs = item.place.storeTimestampMs;
    if (item.kind === 'end') endOffset = item.offset;
  }
  const sizes = { minOffset, endOffset, bytes: endOffset - minOffset };
  return { minOffset, sizes, firstMessageMs, lastMessageMs: lastMessageMs ?? firstMessageMs };
}

/** Start of the last segment that does not begin with zeros. */
function lastUsedSegment(fileSystem: FileSystem, { segments }: LogFiles): number {
  for (const { path, startOffset } of [...segments].reverse()) {
    if (fileSystem.readFileAtSync(path, 0, 8).some((byte) => byte !== 0)) return startOffset;
  }
  return segments[0]?.startOffset ?? 0;
}

/** Units below the log's beginning stand for nothing any more. */
function queueTotals(reader: UnitReader, queue: QueueDirectory, logMinOffset: number): QueueTotals {
  const { minOffset, maxOffset } = rangeOf(reader, queue);
  let from = minOffset;
  let to = maxOffset;
  while (from < to) {
    const middle = from + Math.floor((to - from) / 2);
    if ((reader.unitAt(queue, middle)?.physicalOffset ?? 0) < logMinOffset) from = middle + 1;
    else to = middle;
  }
  return { queueId: queue.queueId, minOffset: from, maxOffset };
}

function topicTotals(
  queues: readonly { queue: QueueDirectory; totals: QueueTotals }[],
  state: StateTables,
): TopicTotals[] {
  const topics = new Map<string, QueueTotals[]>();
  for (const topic of state.effective.topics) topics.set(topic, []);
  for (const { queue, totals } of queues) {
    const known = topics.get(queue.topic);
    if (known === undefined) topics.set(queue.topic, [totals]);
    else known.push(totals);
  }
  return [...topics]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([topic, each]) => ({
      topic,
      messageCount: each.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0),
      queues: each,
    }));
}

function groupTotals(state: StateTables, topics: readonly TopicTotals[]): GroupTotals[] {
  const maxOffsets = new Map(
    topics.map(({ topic, queues }) => [topic, new Map(queues.map((queue) => [queue.queueId, queue.maxOffset]))]),
  );
  const groups = new Map<string, Map<string, { queueId: number; offset: number; lag: number }[]>>();
  for (const group of state.effective.groups) groups.set(group, new Map());
  for (const { group, topic, queueId, offset } of state.effective.offsets.values()) {
    const ofGroup = groups.get(group) ?? new Map<string, { queueId: number; offset: number; lag: number }[]>();
    groups.set(group, ofGroup);
    const lag = Math.max(0, (maxOffsets.get(topic)?.get(queueId) ?? 0) - offset);
    const ofTopic = ofGroup.get(topic);
    if (ofTopic === undefined) ofGroup.set(topic, [{ queueId, offset, lag }]);
    else ofTopic.push({ queueId, offset, lag });
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, ofGroup]) => ({
      group,
      topics: [...ofGroup].map(([topic, queues]) => ({
        topic,
        lag: queues.reduce((sum, { lag }) => sum + lag, 0),
        queues: queues.sort((a, b) => a.queueId - b.queueId),
      })),
    }));
}

function bytesBelow(fileSystem: FileSystem, directory: string): number {
  let bytes = 0;
  for (const name of fileSystem.listSync(directory)) {
    const path = `${directory}/${name}`;
    const status = fileSystem.statusSync(path);
    if (status !== undefined) bytes += status.isDirectory ? bytesBelow(fileSystem, path) : status.sizeBytes;
  }
  return bytes;
}
