// Small stores to look into and to damage: real ones on disk, and one that Apache wrote.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createMessage } from '../../../src/store/create-message.ts';
import type { Finding } from '../../../src/store/inspect/finding.ts';
import { checkStore, type CheckStoreOptions } from '../../../src/store/inspect/check-store.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { StoreConfig } from '../../../src/store/store-config.ts';
import type { PutStored } from '../../../src/store/store-types.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

export const SMALL_FILES = {
  commitLogSegmentSizeBytes: 65_536,
  consumeQueueSegmentSizeBytes: 2_000,
  indexHashSlotCount: 100,
  indexEntryCountMax: 400,
} as const satisfies Partial<StoreConfig>;

export interface InspectedStore {
  readonly dir: string;
  /** Of every message in the order of the log. */
  readonly placed: readonly Placed[];
  readonly log: (segment?: number) => string;
  readonly queue: (topic: string, queueId: number, startBytes?: number) => string;
}

export interface Placed {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly body: string;
}

export const openSmall = (dir: string): Promise<MessageStore> => openStore({ dir, config: SMALL_FILES });

/** `count` messages in three topics of two queues, with keys and tags, put and closed. Bodies grow up to 500 bytes. */
export async function closedStore(count = 300, dir = temporaryDirectory()): Promise<InspectedStore> {
  const store = await openSmall(dir);
  const placed: Placed[] = [];
  for (let index = 0; index < count; index++) {
    const topic = `topic-${index % 3}`;
    const queueId = index % 2;
    const body = `${index}:${'x'.repeat(index % 500)}`;
    const tags = `tag-${index % 5}`;
    const result = await store.put(createMessage({ topic, queueId, body, keys: [`key-${index}`], tags }));
    const { queueOffset, physicalOffset } = result as PutStored;
    placed.push({ topic, queueId, queueOffset, physicalOffset, body });
  }
  await store.close();
  return {
    dir,
    placed,
    log: (segment = 0) =>
      join(dir, 'commitlog', String(segment * SMALL_FILES.commitLogSegmentSizeBytes).padStart(20, '0')),
    queue: (topic, queueId, startBytes = 0) =>
      join(dir, 'consumequeue', topic, String(queueId), String(startBytes).padStart(20, '0')),
  };
}

/** Where a physical offset lies: the segment's number and the position in it. */
export function placeOf(physicalOffset: number): { segment: number; position: number } {
  const size = SMALL_FILES.commitLogSegmentSizeBytes;
  return { segment: Math.floor(physicalOffset / size), position: physicalOffset % size };
}

/** Changes the bytes of a file. */
export function edit(path: string, change: (bytes: Buffer) => Buffer | void): void {
  const bytes = readFileSync(path);
  writeFileSync(path, change(bytes) ?? bytes);
}

export const flip = (path: string, position: number): void =>
  edit(path, (bytes) => void (bytes[position] = (bytes[position] as number) ^ 0x40));

export async function findingsOf(dir: string, options: Partial<CheckStoreOptions> = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  await checkStore({ dir, onFinding: (finding) => findings.push(finding), ...options });
  return findings;
}

/** Kinds of the violations, sorted, each once. */
export async function violationKinds(dir: string, options: Partial<CheckStoreOptions> = {}): Promise<string[]> {
  const violations = (await findingsOf(dir, options)).filter(({ severity }) => severity === 'violation');
  return [...new Set(violations.map(({ kind }) => kind))].sort();
}

const GOLDEN = new URL('../../golden/store/apache-store/', import.meta.url).pathname;

/** A directory that Apache 5.5.0 wrote: two segments, both record versions, transactions, batches, four index files. */
export function apacheStore(): string {
  const dir = temporaryDirectory();
  for (const name of readdirSync(GOLDEN, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.gz')) continue;
    const path = join(dir, name.slice(0, -'.gz'.length));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, gunzipSync(readFileSync(join(GOLDEN, name))));
  }
  return dir;
}
