// A store that Apache 5.5.0 wrote: ours reads its queues and its index, and builds the same bytes again from its log.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualClock } from '../../../src/base/clock.ts';
import { getProperty } from '../../../src/model/message-properties.ts';
import { hasQueueEntry } from '../../../src/model/sys-flag.ts';
import type { StoredMessage } from '../../../src/model/message.ts';
import { decodeRecord } from '../../../src/store/commit-log/message-decoder.ts';
import { ConsumeQueueStore } from '../../../src/store/consume-queue/consume-queue-store.ts';
import { DelayLevels } from '../../../src/store/dispatch/delay-levels.ts';
import { TagsCodes } from '../../../src/store/dispatch/tags-code.ts';
import { IndexService } from '../../../src/store/index/index-service.ts';
import { defaultStoreConfig } from '../../../src/store/store-config.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';

const GOLDEN = join(import.meta.dirname, '../../golden/store/apache-store');
const SEGMENT_SIZE_BYTES = 16_384;

/** The golden directory's files by their paths in it. */
function goldenFiles(): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const entry of readdirSync(GOLDEN, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.gz')) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(GOLDEN.length + 1, -'.gz'.length), gunzipSync(readFileSync(path)));
  }
  return files;
}

const golden = goldenFiles();
const goldenIn = (room: string): [string, Buffer][] =>
  [...golden].filter(([path]) => path.startsWith(`${room}/`)).sort();

/** Every record of the golden log, in order. */
function messages(): StoredMessage[] {
  const found: StoredMessage[] = [];
  for (const [, segment] of goldenIn('commitlog')) {
    for (let position = 0; position < SEGMENT_SIZE_BYTES;) {
      const record = decodeRecord(segment, { position, limit: SEGMENT_SIZE_BYTES });
      if (record.kind !== 'message') break;
      found.push(record.message);
      position += record.message.sizeBytes;
    }
  }
  return found;
}

async function fileSystemWith(files: [string, Buffer][]): Promise<CrashableFileSystem> {
  const fileSystem = new CrashableFileSystem({ seed: 1 });
  for (const [path, bytes] of files) {
    fileSystem.makeDirectorySync(join('/store', path, '..'));
    await fileSystem.replaceFile(join('/store', path), bytes);
  }
  fileSystem.makeDirectorySync('/store');
  return fileSystem;
}

const openQueues = (fileSystem: CrashableFileSystem): Promise<ConsumeQueueStore> =>
  ConsumeQueueStore.open({
    fileSystem,
    directory: '/store/consumequeue',
    segmentSizeBytes: 1_000,
    mappedFilesMax: 4,
    queueCountMax: 100,
    logger: silentLogger,
  });

const openIndex = (fileSystem: CrashableFileSystem): Promise<IndexService> =>
  IndexService.open({
    fileSystem,
    directory: '/store/index',
    hashSlotCount: 16,
    entryCountMax: 64,
    mappedFilesMax: 2,
    clock: new ManualClock(),
    logger: silentLogger,
  });

/** What is in the files of a room, by name order; index files have the time of their making as names. */
const contents = (fileSystem: CrashableFileSystem, paths: readonly string[]): (Buffer | undefined)[] =>
  paths.map((path) => fileSystem.readFileSync(path));

describe('the golden store of Apache 5.5.0', () => {
  const log = messages();
  const tagsCodes = new TagsCodes(new DelayLevels(defaultStoreConfig.messageDelayLevel));

  it('has a log of some size', () => {
    expect(log.length).toBeGreaterThan(50);
  });

  it('has consume queues that ours reads, unit for unit', async () => {
    const queues = await openQueues(await fileSystemWith(goldenIn('consumequeue')));
    expect(queues.rebuildFrom).toBeUndefined();
    const inQueues = log.filter(({ sysFlag }) => hasQueueEntry(sysFlag));
    for (const message of inQueues) {
      const { topic, queueId, queueOffset, physicalOffset, sizeBytes, properties, storeTimestampMs } = message;
      const tagsCode = tagsCodes.of(topic, properties, storeTimestampMs);
      expect(await queues.find(topic, queueId)?.unitAt(queueOffset)).toEqual({ physicalOffset, sizeBytes, tagsCode });
    }
    const total = [...queues.queues()].reduce((sum, queue) => sum + queue.maxOffset - queue.minOffset, 0);
    expect(total).toBe(inQueues.length);
  });

  it('gets the same consume queue files from ours', async () => {
    const fileSystem = await fileSystemWith([]);
    const queues = await openQueues(fileSystem);
    for (const message of log) {
      if (!hasQueueEntry(message.sysFlag)) continue;
      const tagsCode = tagsCodes.of(message.topic, message.properties, message.storeTimestampMs);
      const queue = queues.findOrCreate(message.topic, message.queueId);
      queue.append(message.queueOffset, message.physicalOffset, message.sizeBytes, tagsCode);
    }
    await queues.writeOut();
    for (const [path, bytes] of goldenIn('consumequeue'))
      expect(fileSystem.readFileSync(`/store/${path}`)).toEqual(bytes);
  });

  it('has an index in which ours finds every key, unique key and tag', async () => {
    const index = await openIndex(await fileSystemWith(goldenIn('index')));
    const range = { countMax: 1_000, beginMs: 0, endMs: Number.MAX_SAFE_INTEGER };
    for (const { topic, properties, physicalOffset, sysFlag } of log) {
      if ((sysFlag & 0xc) === 0xc) continue;
      const keys = (getProperty(properties, 'KEYS') ?? '').split(' ').filter((key) => key !== '');
      const uniqueKey = getProperty(properties, 'UNIQ_KEY');
      const tags = getProperty(properties, 'TAGS');
      for (const key of uniqueKey === undefined ? keys : [uniqueKey, ...keys]) {
        expect((await index.query(topic, key, range)).physicalOffsets).toContain(physicalOffset);
      }
      if (tags === undefined) continue;
      expect((await index.query(topic, tags, { ...range, indexType: 'T' })).physicalOffsets).toContain(physicalOffset);
    }
  });

  it('gets the same index files from ours', async () => {
    const fileSystem = await fileSystemWith([]);
    const index = await openIndex(fileSystem);
    for (const message of log) {
      index.add(message);
      await index.flushPending();
    }
    await index.close();
    const ours = fileSystem.listSync('/store/index').map((name) => `/store/index/${name}`);
    const theirs = goldenIn('index').map(([, bytes]) => bytes);
    expect(ours).toHaveLength(theirs.length);
    expect(contents(fileSystem, ours)).toEqual(theirs);
  });

  it('goes on where Apache stopped, and a trim at its end changes nothing', async () => {
    const fileSystem = await fileSystemWith([...goldenIn('index'), ...goldenIn('consumequeue')]);
    const last = log.at(-1) as StoredMessage;
    const endOffset = last.physicalOffset + last.sizeBytes;
    const queues = await openQueues(fileSystem);
    await queues.trim(endOffset);
    const index = await openIndex(fileSystem);
    expect(await index.trim(endOffset)).toBe(endOffset);
    for (const message of log) index.add(message);
    expect(index.pendingCount).toBe(0);
    for (const [path, bytes] of [...goldenIn('index'), ...goldenIn('consumequeue')]) {
      expect(fileSystem.readFileSync(`/store/${path}`)).toEqual(bytes);
    }
  });

  it.each([0.25, 0.5, 0.75])('a trim at %f of the log and a new dispatch end with the same bytes', async (share) => {
    const fileSystem = await fileSystemWith([...goldenIn('index'), ...goldenIn('consumequeue')]);
    const trusted = (log[Math.floor(log.length * share)] as StoredMessage).physicalOffset;
    const index = await openIndex(fileSystem);
    expect(await index.trim(trusted)).toBe(trusted);
    const queues = await openQueues(fileSystem);
    await queues.trim(trusted);
    for (const message of log) {
      if (message.physicalOffset < trusted) continue;
      index.add(message);
      await index.flushPending();
      if (!hasQueueEntry(message.sysFlag)) continue;
      const tagsCode = tagsCodes.of(message.topic, message.properties, message.storeTimestampMs);
      const queue = queues.findOrCreate(message.topic, message.queueId);
      queue.append(message.queueOffset, message.physicalOffset, message.sizeBytes, tagsCode);
    }
    await queues.writeOut();
    await index.close();
    for (const [path, bytes] of goldenIn('consumequeue'))
      expect(fileSystem.readFileSync(`/store/${path}`)).toEqual(bytes);
    const ours = fileSystem.listSync('/store/index').map((name) => `/store/index/${name}`);
    const theirs = goldenIn('index').map(([, bytes]) => bytes);
    expect(contents(fileSystem, ours)).toEqual(theirs);
  });
});
