// Looks messages up by key. The index knows hashes only, so each record is read and its keys are compared.

import type { StoredMessage } from '../model/message.ts';
import { getProperty, PropertyName } from '../model/message-properties.ts';
import type { CommitLog } from './commit-log/commit-log.ts';
import type { IndexService, IndexType } from './index/index-service.ts';

/** Hash hits looked at for each message wanted: other keys share a hash now and then. */
const CANDIDATES_PER_MESSAGE = 4;

const INDEX_PRECISION_MS = 1_000;

export async function queryByKey(options: {
  index: IndexService;
  commitLog: CommitLog;
  readableLimit: number;
  topic: string;
  key: string;
  countMax: number;
  beginMs?: number;
  endMs?: number;
  indexType?: IndexType;
}): Promise<StoredMessage[]> {
  const { index, commitLog, readableLimit, topic, key, countMax, indexType } = options;
  await index.flushPending();
  const beginMs = options.beginMs ?? 0;
  const endMs = options.endMs ?? Number.MAX_SAFE_INTEGER;
  const hits = await index.query(topic, key, {
    countMax: countMax * CANDIDATES_PER_MESSAGE,
    // Entries know whole seconds: ask for a little more, and let the records decide.
    beginMs: Math.max(0, beginMs - INDEX_PRECISION_MS),
    endMs: Math.min(Number.MAX_SAFE_INTEGER, endMs + INDEX_PRECISION_MS),
    ...(indexType === undefined ? {} : { indexType }),
  });
  const found: StoredMessage[] = [];
  const seen = new Set<number>();
  for (const physicalOffset of hits.physicalOffsets) {
    if (found.length >= countMax) break;
    if (seen.has(physicalOffset)) continue;
    seen.add(physicalOffset);
    const message = await commitLog.recordAt(physicalOffset);
    if (message === undefined || physicalOffset + message.sizeBytes > readableLimit) continue;
    if (message.storeTimestampMs < beginMs || message.storeTimestampMs > endMs) continue;
    if (message.topic === topic && hasKey(message.properties, key, indexType)) found.push(message);
  }
  return found;
}

function hasKey(properties: string, key: string, indexType: IndexType | undefined): boolean {
  if (indexType === 'T') return getProperty(properties, PropertyName.TAGS) === key;
  if (getProperty(properties, PropertyName.UNIQUE_KEY) === key) return true;
  if (indexType === 'U') return false;
  return (getProperty(properties, PropertyName.KEYS) ?? '').split(' ').includes(key);
}
