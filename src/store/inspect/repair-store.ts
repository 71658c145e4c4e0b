// Carries out what repair-plan.ts decided. Every byte that goes is first kept, durably, in cometmq/quarantine. Killed at any moment
// it can be run again: the log is changed from the far end, and what says where it ends comes last.

import { dirname, join } from 'node:path';
import { silentLogger } from '../../base/logger.ts';
import { DurableOffset } from '../checkpoint/durable-offset.ts';
import { StoreCheckpoint } from '../checkpoint/store-checkpoint.ts';
import { DelayLevels } from '../dispatch/delay-levels.ts';
import { TagsCodes } from '../dispatch/tags-code.ts';
import { UNIT_SIZE_BYTES, dataViewOf, writeUnit } from '../consume-queue/consume-queue-layout.ts';
import type { FileSystem } from '../file-system.ts';
import { isIndexFileName } from '../index/index-layout.ts';
import { defaultStoreConfig } from '../store-config.ts';
import { propertiesOf, storeTimestampOf } from '../commit-log/message-decoder.ts';
import type { Logger } from '../../base/logger.ts';
import { firstDataAt } from './directory-access.ts';
import type { LogSegment } from './log-files.ts';
import type { Patch } from './repair-patches.ts';
import type { RepairOptions, RepairPlan } from './repair-plan.ts';

const COPY_BYTES = 4 * 1024 * 1024;

export interface RepairResult {
  /** Files in the quarantine that this repair made. */
  readonly quarantined: readonly string[];
}

/** Resolves when everything is durable. The plan must be fresh and without a refusal, and the directory locked. */
export async function repairStore(
  options: RepairOptions & { readonly logger?: Logger },
  plan: RepairPlan,
): Promise<RepairResult> {
  return new Repair(options, plan).run();
}

class Repair {
  readonly #fileSystem: FileSystem;
  readonly #options: RepairOptions;
  readonly #plan: RepairPlan;
  readonly #logger: Logger;
  readonly #quarantined: string[] = [];

  constructor(options: RepairOptions & { readonly logger?: Logger }, plan: RepairPlan) {
    this.#options = options;
    this.#plan = plan;
    this.#fileSystem = options.fileSystem;
    this.#logger = options.logger ?? silentLogger;
  }

  async run(): Promise<RepairResult> {
    const { paths } = this.#options;
    const { cutOffset, patches, badMarks } = this.#plan;
    this.#fileSystem.makeDirectorySync(paths.quarantine);
    for (const path of badMarks) await this.#moveAway(path);
    if (cutOffset !== undefined) await this.#cut(cutOffset);
    else await this.#fillShortSegments(this.#plan.shortSegments);
    if (patches.length > 0) await this.#patch(patches);
    await this.#fileSystem.syncAll(paths.root);
    return { quarantined: this.#quarantined };
  }

  #quarantinePath(name: string): string {
    const { quarantine } = this.#options.paths;
    let path = join(quarantine, name);
    for (let copy = 1; this.#fileSystem.statusSync(path) !== undefined; copy++)
      path = join(quarantine, `${name}.${copy}`);
    this.#quarantined.push(path);
    return path;
  }

  async #moveAway(path: string): Promise<void> {
    this.#fileSystem.renameSync(path, this.#quarantinePath(path.slice(path.lastIndexOf('/') + 1)));
    await this.#fileSystem.syncDirectory(this.#options.paths.quarantine);
    await this.#fileSystem.syncDirectory(dirname(path));
  }

  /** Copies bytes of a segment, as far as there is something in them. */
  async #keepCopy(path: string, from: number, to: number): Promise<void> {
    const end = Math.min(to, this.#fileSystem.statusSync(path)?.sizeBytes ?? 0);
    if (from >= end || firstDataAt(this.#fileSystem, path, from, end) === undefined) return;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const target = this.#quarantinePath(`${name}.from-${from}`);
    for (let position = from; position < end; position += COPY_BYTES) {
      const bytes = await this.#fileSystem.readFileAt(path, position, Math.min(COPY_BYTES, end - position));
      await this.#fileSystem.writeFiles([
        { path: target, fileSizeBytes: end - from, position: position - from, bytes },
      ]);
    }
    await this.#fileSystem.syncAll(this.#options.paths.quarantine);
    await this.#fileSystem.syncDirectory(this.#options.paths.quarantine);
  }

  async #fillShortSegments(segments: readonly LogSegment[]): Promise<void> {
    const { segmentSizeBytes } = this.#plan.files;
    for (const { path } of segments) {
      const zero = { path, fileSizeBytes: segmentSizeBytes, position: segmentSizeBytes - 1, bytes: Buffer.alloc(1) };
      await this.#fileSystem.writeFiles([zero]);
    }
  }

  async #cut(cutOffset: number): Promise<void> {
    const { segments, segmentSizeBytes } = this.#plan.files;
    const tail = segments.find(
      ({ startOffset }) => startOffset <= cutOffset && cutOffset < startOffset + segmentSizeBytes,
    );
    if (tail !== undefined) await this.#keepCopy(tail.path, cutOffset - tail.startOffset, segmentSizeBytes);
    // From the last one backwards: what stays has no gap at any moment.
    for (const segment of [...segments].reverse())
      if (segment.startOffset > cutOffset) await this.#moveAway(segment.path);
    const kept = this.#plan.shortSegments.filter(({ startOffset }) => startOffset <= cutOffset);
    await this.#fillShortSegments(kept);
    if (tail !== undefined) await this.#zero(tail.path, cutOffset - tail.startOffset);
    await this.#setMarks(cutOffset);
  }

  async #zero(path: string, position: number): Promise<void> {
    const sizeBytes = this.#plan.files.segmentSizeBytes;
    const region = await this.#fileSystem.openRegion(path, { sizeBytes, mode: 'open' });
    try {
      await region.zeroRange(position, sizeBytes - position);
    } finally {
      await region.close();
    }
  }

  /** With these the next open trims queues and index to the new end. */
  async #setMarks(endOffset: number): Promise<void> {
    const { paths } = this.#options;
    this.#fileSystem.makeDirectorySync(dirname(paths.durableOffset));
    const checkpoint = await StoreCheckpoint.open(this.#fileSystem, paths.checkpoint);
    const newest = this.#plan.storeTimestampMs;
    checkpoint.logicsPhysicalOffset = Math.min(checkpoint.logicsPhysicalOffset, endOffset);
    checkpoint.physicMsgTimestamp = Math.min(checkpoint.physicMsgTimestamp, newest);
    checkpoint.logicsMsgTimestamp = Math.min(checkpoint.logicsMsgTimestamp, newest);
    checkpoint.indexMsgTimestamp = Math.min(checkpoint.indexMsgTimestamp, newest);
    await checkpoint.flush();
    await checkpoint.close();
    const durable = await DurableOffset.open(this.#fileSystem, paths.durableOffset);
    durable.write(endOffset, false);
    await durable.sync();
    await durable.close();
  }

  async #patch(patches: readonly Patch[]): Promise<void> {
    for (const { from, to, path } of rangesOf(patches, this.#plan.files.segmentSizeBytes))
      await this.#keepCopy(path, from, to);
    const fileSizeBytes = this.#plan.files.segmentSizeBytes;
    const writes = patches.map(({ path, position, bytes }) => ({ path, fileSizeBytes, position, bytes }));
    await this.#fileSystem.writeFiles(writes);
    await this.#correctUnits(patches);
    // The index has the keys of what was lost: without files it is built again at the next open.
    const { index } = this.#options.paths;
    for (const name of this.#fileSystem.listSync(index))
      if (isIndexFileName(name)) await this.#moveAway(join(index, name));
    await this.#fileSystem.removeTree(index);
    this.#logger.info('store.repair.patched', { recordCount: patches.length });
  }

  /** A tombstone has a tag of its own, or none. */
  async #correctUnits(patches: readonly Patch[]): Promise<void> {
    const tagsCodes = new TagsCodes(new DelayLevels(defaultStoreConfig.messageDelayLevel));
    for (const { unit, bytes } of patches) {
      if (unit === undefined) continue;
      const { queue, queueOffset } = unit;
      const tagsCode = tagsCodes.of(queue.topic, propertiesOf(bytes), storeTimestampOf(bytes));
      const at = queueOffset * UNIT_SIZE_BYTES;
      const file = queue.files.find(({ startBytes, sizeBytes }) => startBytes <= at && at < startBytes + sizeBytes);
      if (file === undefined || tagsCode === unit.unit.tagsCode) continue;
      const unitBytes = Buffer.alloc(UNIT_SIZE_BYTES);
      writeUnit(dataViewOf(unitBytes), 0, { ...unit.unit, tagsCode });
      const { path, sizeBytes: fileSizeBytes, startBytes } = file;
      await this.#fileSystem.writeFiles([{ path, fileSizeBytes, position: at - startBytes, bytes: unitBytes }]);
    }
  }
}

/** The bytes that patches cover, neighbours joined. A blank covers everything to the segment's end. */
function rangesOf(patches: readonly Patch[], segmentSizeBytes: number): { path: string; from: number; to: number }[] {
  const ranges: { path: string; from: number; to: number }[] = [];
  for (const { path, position, bytes } of patches) {
    const end = bytes.length === 8 ? segmentSizeBytes : position + bytes.length;
    const last = ranges.at(-1);
    if (last?.path === path && last.to === position) last.to = end;
    else ranges.push({ path, from: position, to: end });
  }
  return ranges;
}
