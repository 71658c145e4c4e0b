// Which contents of one of Apache's files are our own exports. Kept in the key-value store and made durable before a file is
// touched, so that at open a file that we wrote is told from one that Apache or an operator changed, whatever step a crash
// interrupted: ours is never newer than the key-value store and must not win over it, theirs is and must.

import { createHash } from 'node:crypto';

/** Hashes in hex. */
export interface ExportRecord {
  /** What the file held when the last export began. */
  readonly last?: string;
  /** What the last export wrote, or was about to write. */
  readonly intended?: string;
  /** What the `.bak` beside it may hold from us: at most two, before and after one step. */
  readonly backups: readonly string[];
}

export const contentHash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What to make durable before the file that now holds `current` (undefined: there is none) is replaced. */
export function recordBefore(record: ExportRecord, current: string | undefined, intended: string): ExportRecord {
  const backups = current === undefined ? record.backups : [...new Set([current, ...record.backups])].slice(0, 2);
  return { ...(current !== undefined && { last: current }), intended, backups };
}

/** What is known when both files were replaced: an older export that appears in the file's place is no accident then. */
export function recordAfter(record: ExportRecord, previous: string | undefined): ExportRecord {
  if (record.intended === undefined) return record;
  return { last: record.intended, backups: previous === undefined ? record.backups : [previous] };
}

export function isOwnExport(record: ExportRecord, hash: string): boolean {
  return hash === record.last || hash === record.intended;
}

/** A `.bak` may also be the file itself, renamed by Apache just before it was killed. */
export function isOwnBackup(record: ExportRecord, hash: string): boolean {
  return isOwnExport(record, hash) || record.backups.includes(hash);
}

export function encodeExportRecord(record: ExportRecord): Buffer {
  return Buffer.from(JSON.stringify(record));
}

export function decodeExportRecord(bytes: Buffer): ExportRecord {
  return JSON.parse(bytes.toString()) as ExportRecord;
}
