// Looks messages up by key. The index knows hashes only, so each record is read and its keys are compared.

import type { StoredMessage } from '../model/message.ts';
import { getProperty, PropertyName } from '../model/message-properties.ts';
import type { CommitLog } from './commit-log/commit-log.ts';
import type { IndexService, IndexType } from './index/index-service.ts';

/** Hash hits looked at for each message wanted: other keys share a hash now and then. */
const CANDIDATES_PER_MESSAGE = 4;

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
  const hits = await index.query(topic, key, {
    countMax: countMax * CANDIDATES_PER_MESSAGE,
    beginMs: options.beginMs ?? 0,
    endMs: options.endMs ?? Number.MAX_SAFE_INTEGER,
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
