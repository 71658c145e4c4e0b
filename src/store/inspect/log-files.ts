// The segments of a commit log as files, read in windows: no mapping, so that a bad sector is an error and not the end of the
// process, and nothing is ever changed.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { RECORD_SIZE_BYTES_MIN } from '../commit-log/message-layout.ts';
import type { FileSystem } from '../file-system.ts';
import { startOffsetOf } from '../mapped-file/segment-names.ts';
import { commonFileSize } from './directory-access.ts';

export interface LogSegment {
  readonly path: string;
  readonly startOffset: number;
  /** As it is; may differ from the segment size. */
  readonly sizeBytes: number;
}

export interface LogFiles {
  readonly directory: string;
  /** What a segment should have; 0 when there are none. */
  readonly segmentSizeBytes: number;
  /** In their order; may have gaps and wrong sizes. */
  readonly segments: readonly LogSegment[];
  /** Names that are no segment's. */
  readonly strangers: readonly string[];
}

/** `segmentSizeBytes` undefined: found from the files themselves. */
export function listLog(fileSystem: FileSystem, directory: string, segmentSizeBytes?: number): LogFiles {
  const segments: LogSegment[] = [];
  const strangers: string[] = [];
  for (const name of fileSystem.listSync(directory)) {
    const path = join(directory, name);
    const startOffset = startOffsetOf(name);
    const status = fileSystem.statusSync(path);
    if (startOffset === undefined || status === undefined || status.isDirectory) strangers.push(name);
    else segments.push({ path, startOffset, sizeBytes: status.sizeBytes });
  }
  segments.sort((a, b) => a.startOffset - b.startOffset);
  const sized = segments.map(({ startOffset, sizeBytes }) => ({ startBytes: startOffset, sizeBytes }));
  return {
    directory,
    segmentSizeBytes: segmentSizeBytes ?? commonFileSize([sized]) ?? 0,
    segments,
    strangers,
  };
}

const WINDOW_SIZE_BYTES = 4 * 1024 * 1024;
/** No setting lets a record grow beyond a frame of the wire; a size field above this is damage, not a reason to read so much. */
export const RECORD_SIZE_BYTES_MAX = 64 * 1024 * 1024;

/** A part of one segment in memory. */
export class SegmentWindow {
  /** Bytes of the segment that can be read. */
  readonly limit: number;
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  /** The window; {@link position} is where it begins in the segment. */
  buffer: Buffer = Buffer.alloc(0);
  position = 0;

  constructor(fileSystem: FileSystem, segment: LogSegment, segmentSizeBytes: number) {
    this.#fileSystem = fileSystem;
    this.#path = segment.path;
    this.limit = Math.min(segment.sizeBytes, segmentSizeBytes);
  }

  /** Makes the window hold `lengthBytes` from `position` on, or all that there is. Views of the old window stay valid. */
  ensure(position: number, lengthBytes: number): void {
    assert(position >= 0 && position <= this.limit, 'a window lies in its segment');
    const end = Math.min(this.limit, position + lengthBytes);
    if (position >= this.position && end <= this.position + this.buffer.length) return;
    const size = Math.min(this.limit - position, Math.max(lengthBytes, WINDOW_SIZE_BYTES));
    this.buffer = this.#fileSystem.readFileAtSync(this.#path, position, size);
    this.position = position;
  }

  /** Makes the window hold the whole record that says it begins at `position`, if that can be one. */
  ensureRecord(position: number): void {
    this.ensure(position, RECORD_SIZE_BYTES_MIN);
    const at = position - this.position;
    if (at + 4 > this.buffer.length) return;
    const sizeBytes = this.buffer.readInt32BE(at);
    if (sizeBytes > RECORD_SIZE_BYTES_MIN && sizeBytes <= RECORD_SIZE_BYTES_MAX) this.ensure(position, sizeBytes);
  }
}
