// What `cometmq store dump` prints, as plain objects: records of the log, units of a queue, entries of the index. Works on damaged
// files: what can't be read is an item of its own, and the dump goes on behind it.

import { formatHostAddress } from '../../model/host-address.ts';
import { createMessageId } from '../../model/message-id.ts';
import { parseProperties } from '../../model/message-properties.ts';
import { decodeRecord } from '../commit-log/message-decoder.ts';
import type { FileSystem } from '../file-system.ts';
import type { IndexGeometry } from '../index/index-layout.ts';
import type { StorePaths } from '../store-paths.ts';
import { listIndex, walkIndexFile } from './index-files.ts';
import { listLog } from './log-files.ts';
import { type LogItem, walkLog } from './log-walk.ts';
import { listQueues, type QueueDirectory, walkQueue } from './queue-files.ts';

export type DumpItem = Readonly<Record<string, unknown>> & { readonly type: string };

export interface DumpOptions {
  readonly fileSystem: FileSystem;
  readonly paths: StorePaths;
  /** Physical offset (log, index) or queue offset to begin at. */
  readonly from?: number;
  /** Items at most that are records, units or entries. */
  readonly countMax?: number;
}

export interface DumpLogOptions extends DumpOptions {
  readonly withBody: boolean;
  readonly segmentSizeBytes?: number;
}

/** Types: record, blank, damage, end. */
export function* dumpLog(options: DumpLogOptions): Generator<DumpItem, void, undefined> {
  const { fileSystem, paths, from, countMax = Infinity, withBody, segmentSizeBytes } = options;
  let count = 0;
  const files = listLog(fileSystem, paths.commitLog, segmentSizeBytes);
  for (const item of walkLog(fileSystem, files, from)) {
    if (item.kind === 'record' && count++ >= countMax) return;
    yield describe(item, withBody);
  }
}

function describe(item: LogItem, withBody: boolean): DumpItem {
  switch (item.kind) {
    case 'record':
      return describeRecord(item, withBody);
    case 'blank':
      return { type: 'blank', physicalOffset: item.offset, sizeBytes: item.sizeBytes, path: item.segment.path };
    case 'damage': {
      const { from, to, reason, form, path, position } = item;
      return {
        type: 'damage',
        physicalOffset: from,
        endOffset: to,
        lengthBytes: to - from,
        form,
        reason,
        path,
        position,
      };
    }
    case 'end': {
      const { offset, reason, dataAt } = item;
      return { type: 'end', physicalOffset: offset, reason, ...(dataAt === undefined ? {} : { dataOffset: dataAt }) };
    }
  }
}

function describeRecord({ buffer, place }: Extract<LogItem, { kind: 'record' }>, withBody: boolean): DumpItem {
  const { position, shape } = place;
  const decoded = decodeRecord(buffer, { position, limit: position + shape.sizeBytes });
  if (decoded.kind !== 'message') return { type: 'damage', physicalOffset: place.physicalOffset, reason: decoded.kind };
  const { body, bornHost, storeHost, properties, topic, queueId, queueOffset, physicalOffset, ...rest } =
    decoded.message;
  return {
    type: 'record',
    physicalOffset,
    topic,
    queueId,
    queueOffset,
    messageId: createMessageId(storeHost, physicalOffset),
    ...rest,
    bornHost: formatHostAddress(bornHost),
    storeHost: formatHostAddress(storeHost),
    properties: Object.fromEntries(parseProperties(properties)),
    bodySizeBytes: body.length,
    ...(withBody ? bodyText(body) : {}),
  };
}

/** Text when it is printable UTF-8, else hex. */
function bodyText(body: Uint8Array): { body: string } | { bodyHex: string } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    if (!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/.test(text)) return { body: text };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  return { bodyHex: bytes.toString('hex') };
}

/** The queues of a topic, or the one of them. */
export function queuesOf(options: DumpOptions, topic: string, queueId: number | undefined): QueueDirectory[] {
  const { queues } = listQueues(options.fileSystem, options.paths.consumeQueue);
  return queues.filter((queue) => queue.topic === topic && (queueId === undefined || queue.queueId === queueId));
}

/** Types: unit, pre-blank (with the range of its neighbours), bad-unit, end. `from` and `countMax` count in each queue. */
export function* dumpQueue(options: DumpOptions, queue: QueueDirectory): Generator<DumpItem, void, undefined> {
  const { fileSystem, from = 0, countMax = Infinity } = options;
  const { topic, queueId } = queue;
  let count = 0;
  let blank: { from: number; to: number } | undefined;
  for (const item of walkQueue(fileSystem, queue)) {
    if (item.queueOffset < from) continue;
    if (item.kind === 'pre-blank') {
      blank = { from: blank?.from ?? item.queueOffset, to: item.queueOffset };
      continue;
    }
    if (blank !== undefined) yield { type: 'pre-blank', topic, queueId, fromOffset: blank.from, toOffset: blank.to };
    blank = undefined;
    if (item.kind === 'end') {
      const dataAt = item.dataAt === undefined ? {} : { dataPosition: item.dataAt };
      yield { type: 'end', topic, queueId, queueOffset: item.queueOffset, path: item.file.path, ...dataAt };
    } else {
      if (count++ >= countMax) return;
      const type = item.kind === 'unit' ? 'unit' : 'bad-unit';
      yield { type, topic, queueId, queueOffset: item.queueOffset, ...item.unit };
    }
  }
}

/** Types: file, entry. `from` is a physical offset. */
export function* dumpIndex(
  options: DumpOptions & { readonly geometry?: IndexGeometry },
): Generator<DumpItem, void, undefined> {
  const { fileSystem, paths, from = 0, countMax = Infinity } = options;
  const { files, geometry } = listIndex(fileSystem, paths.index, options.geometry);
  let count = 0;
  for (const file of files) {
    yield { type: 'file', path: file.path, sizeBytes: file.sizeBytes, ...file.header };
    for (const { index, entry } of walkIndexFile(fileSystem, file, geometry)) {
      if (entry.physicalOffset < from) continue;
      if (count++ >= countMax) return;
      const storeTimestampMs = (file.header?.beginTimestampMs ?? 0) + entry.timeDiffSeconds * 1_000;
      yield { type: 'entry', file: file.name, index, ...entry, storeTimestampMs };
    }
  }
}
