import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMessage } from '../../src/store/create-message.ts';
import type { MessageStore } from '../../src/store/message-store.ts';
import { openStore, type OpenStoreOptions } from '../../src/store/open-store.ts';
import type { PutStored } from '../../src/store/store-types.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts';

const smallFiles = {
  commitLogSegmentSizeBytes: 1024 * 1024,
  consumeQueueSegmentSizeBytes: 2_000,
  indexHashSlotCount: 1_000,
  indexEntryCountMax: 4_000,
} as const;

let directory: TemporaryDirectory;
const opened: MessageStore[] = [];

beforeEach(() => {
  directory = makeTemporaryDirectory();
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  directory.remove();
});

async function open(options: Partial<OpenStoreOptions> = {}): Promise<MessageStore> {
  const store = await openStore({ dir: directory.path, ...options, config: { ...smallFiles, ...options.config } });
  opened.push(store);
  return store;
}

const stored = async (store: MessageStore, topic: string, body: string, queueId = 0): Promise<PutStored> => {
  const result = await store.put(
    createMessage({ topic, body, queueId, keys: [`key-${body.slice(0, 20)}`], tags: `tag-${body.length}` }),
  );
  expect(result.status).toBe('PUT_OK');
  return result as PutStored;
};

const bodies = async (store: MessageStore, topic: string, queueId = 0): Promise<string[]> => {
  const found: string[] = [];
  for await (const message of store.iterate(topic, queueId)) found.push(Buffer.from(message.body).toString());
  return found;
};

describe.each(['ASYNC_FLUSH', 'SYNC_FLUSH'] as const)('message store under %s', (flushDiskType) => {
  const config = { flushDiskType };

  it('gives back what was put, in order, also after it was closed and opened again', async () => {
    const store = await open({ config });
    for (let index = 0; index < 300; index++) {
      const result = await stored(store, 'orders', `body-${index}`, index % 2);
      expect(result.queueOffset).toBe(Math.floor(index / 2));
    }
    expect(await bodies(store, 'orders', 1)).toEqual(
      Array.from({ length: 150 }, (_, index) => `body-${index * 2 + 1}`),
    );
    await store.close();
    const again = await open({ config });
    expect(again.maxOffset('orders', 0)).toBe(150);
    expect((await bodies(again, 'orders')).length).toBe(150);
    expect((await stored(again, 'orders', 'next')).queueOffset).toBe(150);
  });

  it('rolls over many segments and reads across them', async () => {
    const store = await open({ config });
    const large = 'x'.repeat(100_000);
    for (let index = 0; index < 60; index++) await stored(store, 'large', `${index}-${large}`);
    const found = await bodies(store, 'large');
    expect(found.map((body) => Number(body.split('-')[0]))).toEqual(Array.from({ length: 60 }, (_, index) => index));
    const got = await store.get({ topic: 'large', queueId: 0, queueOffset: 5, messageCountMax: 32 });
    expect(got).toMatchObject({ status: 'FOUND', messageCount: 2, nextBeginOffset: 7 });
    got.release();
  });

  it('stores a batch back to back', async () => {
    const store = await open({ config });
    const messages = ['a', 'b', 'c'].map((body) => createMessage({ topic: 'batch', body }));
    const result = (await store.putBatch(messages)) as PutStored;
    expect(result).toMatchObject({ status: 'PUT_OK', queueOffset: 0, messageCount: 3 });
    expect(result.physicalOffsets).toHaveLength(3);
    expect(await bodies(store, 'batch')).toEqual(['a', 'b', 'c']);
  });

  it('announces each message once readers may see it', async () => {
    const store = await open({ config });
    const seen: number[] = [];
    store.onArrival((arrival) => {
      expect(store.maxOffset(arrival.topic, arrival.queueId)).toBeGreaterThan(arrival.queueOffset);
      seen.push(arrival.queueOffset);
    });
    await Promise.all(Array.from({ length: 20 }, (_, index) => stored(store, 'news', `n${index}`)));
    await store.flush();
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });
});

describe('message store', () => {
  it('answers every get with the status and next offset that Java gives', async () => {
    const store = await open();
    const get = async (queueOffset: number, topic = 'orders') => {
      const result = await store.get({ topic, queueId: 0, queueOffset, messageCountMax: 32 });
      result.release();
      return [result.status, result.nextBeginOffset];
    };
    expect(await get(0, 'nowhere')).toEqual(['NO_MATCHED_LOGIC_QUEUE', 0]);
    for (let index = 0; index < 10; index++) await stored(store, 'orders', `m${index}`);
    expect(await get(0)).toEqual(['FOUND', 10]);
    expect(await get(4)).toEqual(['FOUND', 10]);
    expect(await get(10)).toEqual(['OFFSET_OVERFLOW_ONE', 10]);
    expect(await get(11)).toEqual(['OFFSET_OVERFLOW_BADLY', 10]);
    expect(await get(-1)).toEqual(['OFFSET_TOO_SMALL', 0]);
  });

  it('filters by tags code before the body and by properties after', async () => {
    const store = await open();
    for (let index = 0; index < 20; index++) await stored(store, 'orders', 'x'.repeat((index % 2) + 1));
    const first = await store.get({ topic: 'orders', queueId: 0, queueOffset: 0, messageCountMax: 1 });
    expect(first.queueOffsets).toEqual([0]);
    first.release();
    const filtered = await store.get({
      topic: 'orders',
      queueId: 0,
      queueOffset: 0,
      messageCountMax: 32,
      filter: { matchesProperties: (properties) => properties.includes('tag-2') },
    });
    expect(filtered.queueOffsets).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    filtered.release();
    const none = await store.get({
      topic: 'orders',
      queueId: 0,
      queueOffset: 0,
      messageCountMax: 32,
      filter: { matchesTagsCode: () => false },
    });
    expect(none).toMatchObject({ status: 'NO_MATCHED_MESSAGE', nextBeginOffset: 20 });
  });

  it('finds messages by key, by unique key and by time', async () => {
    let nowMs = 1_000_000;
    const { systemClock } = await import('../../src/base/clock.ts');
    const clock = { ...systemClock, nowMs: () => nowMs };
    const store = await open({ clock });
    for (let index = 0; index < 50; index++) {
      nowMs += 10;
      await stored(store, 'orders', `b${index}`);
    }
    const [found, ...others] = await store.query('orders', 'key-b7', { countMax: 5 });
    expect(Buffer.from(found?.body ?? []).toString()).toBe('b7');
    expect(others).toEqual([]);
    expect(await store.query('other', 'key-b7', { countMax: 5 })).toEqual([]);
    expect(await store.offsetByTime('orders', 0, 1_000_010)).toBe(0);
    expect(await store.offsetByTime('orders', 0, 1_000_105)).toBe(10);
    expect(await store.offsetByTime('orders', 0, 1_000_105, 'UPPER')).toBe(9);
    expect(await store.offsetByTime('orders', 0, 9_999_999)).toBe(50);
    expect(await store.offsetByTime('orders', 0, 9_999_999, 'UPPER')).toBe(49);
    expect(await store.offsetByTime('orders', 0, 0)).toBe(0);
  });

  it('refuses what is illegal with a reason and leaves no trace', async () => {
    const store = await open({ config: { messageSizeBytesMax: 1_000 } });
    const put = (topic: string, body: string, properties = {}) => store.put(createMessage({ topic, body, properties }));
    expect(await put('a/b', 'x')).toMatchObject({ status: 'MESSAGE_ILLEGAL' });
    expect(await put('', 'x')).toMatchObject({ status: 'MESSAGE_ILLEGAL' });
    expect(await put('../up', 'x')).toMatchObject({ status: 'MESSAGE_ILLEGAL' });
    expect(await put('ok', 'x'.repeat(1_001))).toMatchObject({ status: 'MESSAGE_ILLEGAL' });
    expect(await put('ok', 'x', { big: 'y'.repeat(33_000) })).toMatchObject({ status: 'PROPERTIES_SIZE_EXCEEDED' });
    expect(store.stats()).toMatchObject({ endPhysicalOffset: 0, queueCount: 0 });
  });

  it('keeps committed offsets, and deletes a topic with its offsets', async () => {
    const store = await open();
    await stored(store, 'orders', 'x');
    store.commitOffset('kitchen', 'orders', 0, 1);
    await store.close();
    const again = await open();
    expect(again.fetchOffset('kitchen', 'orders', 0)).toBe(1);
    await again.deleteTopic('orders');
    expect(again.fetchOffset('kitchen', 'orders', 0)).toBeUndefined();
    expect(again.maxOffset('orders', 0)).toBe(0);
    expect((await stored(again, 'orders', 'new')).queueOffset).toBe(0);
    await again.close();
    expect(await bodies(await open(), 'orders')).toEqual(['new']);
  });

  it('names the process that owns the directory', async () => {
    await open();
    await expect(openStore({ dir: directory.path })).rejects.toMatchObject({
      code: 'ERR_STORE_LOCKED',
      message: expect.stringContaining(String(process.pid)) as string,
    });
  });

  it('refuses work after close, and closes twice without harm', async () => {
    const store = await open();
    await store.close();
    await store.close();
    expect(await store.put(createMessage({ topic: 't', body: 'x' }))).toMatchObject({
      status: 'SERVICE_NOT_AVAILABLE',
    });
    expect(() => store.get({ topic: 't', queueId: 0, queueOffset: 0, messageCountMax: 1 })).toThrow('closed');
  });
});

describe('a view that was lost', () => {
  it.each(['after a clean stop', 'after a kill'])(
    'one queue directory is built again from the log, %s',
    async (how) => {
      const { rmSync, writeFileSync } = await import('node:fs');
      const store = await open();
      for (let index = 0; index < 20; index++) await stored(store, 'orders', `b${index}`, index % 2);
      await store.close();
      rmSync(`${directory.path}/consumequeue/orders/0`, { recursive: true });
      if (how === 'after a kill') writeFileSync(`${directory.path}/abort`, '');
      const again = await open();
      expect(again.maxOffset('orders', 0)).toBe(10);
      expect(await bodies(again, 'orders', 0)).toHaveLength(10);
      expect((await stored(again, 'orders', 'next')).queueOffset).toBe(10);
    },
  );
});
