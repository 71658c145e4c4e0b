// A store in memory behind the broker's port, for tests that need to decide what a put answers and when. It keeps messages, not
// bytes: `get` finds nothing, so pulls need the real one.

import type { DataVersion } from '../../../src/model/data-version.ts';
import type { MessageToPut } from '../../../src/model/message.ts';
import type { BrokerStore, NamedTable } from '../../../src/broker/broker-store.ts';
import { emptyResult } from '../../../src/store/get-messages.ts';
import { DelayLevels } from '../../../src/store/dispatch/delay-levels.ts';
import type { PutMessageResult, PutStored } from '../../../src/store/store-types.ts';

export interface FakeStore extends BrokerStore {
  readonly puts: MessageToPut[];
  /** What the next puts answer; without it they are stored. */
  answer: ((message: MessageToPut) => PutMessageResult | Promise<PutMessageResult>) | undefined;
}

export function fakeStore(): FakeStore {
  const puts: MessageToPut[] = [];
  const store: FakeStore = {
    directory: '.',
    puts,
    answer: undefined,
    delayLevels: new DelayLevels('1s 5s 10s'),
    state: {
      topics: namedTable((config) => config.topicName),
      groups: Object.assign(
        namedTable((config: { groupName: string }) => config.groupName),
        { forbiddenTable: {} },
      ) as unknown as BrokerStore['state']['groups'],
      consumerOffsets: { commit() {}, fetch: () => undefined },
      delayOffsets: { get: () => undefined, set() {}, entries: () => [] },
    },
    put(message) {
      puts.push(message);
      return store.answer?.(message) ?? stored(puts.length - 1);
    },
    putBatch: () => ({ status: 'MESSAGE_ILLEGAL', reason: 'The fake store takes no batches.' }),
    get: () => emptyResult('NO_MATCHED_LOGIC_QUEUE', { nextBeginOffset: 0, minOffset: 0, maxOffset: 0 }),
    minOffset: () => 0,
    maxOffset: () => 0,
    messageAt: () => Promise.resolve(undefined),
    offsetByTime: () => Promise.resolve(0),
    onArrival: () => () => {},
    flush: () => Promise.resolve(),
    stats: () => ({ minPhysicalOffset: 0, endPhysicalOffset: 0, flushedOffset: 0 }),
  };
  return store;
}

export const stored = (queueOffset: number): PutStored => ({
  status: 'PUT_OK',
  physicalOffset: queueOffset * 100,
  queueOffset,
  sizeBytes: 100,
  messageCount: 1,
  storeTimestampMs: 1_700_000_000_000,
});

function namedTable<Config>(nameOf: (config: Config) => string): NamedTable<Config> {
  const configs = new Map<string, Config>();
  const dataVersion: DataVersion = { stateVersion: 0, timestamp: 0, counter: 0 };
  return {
    dataVersion,
    get size() {
      return configs.size;
    },
    get: (name) => configs.get(name),
    has: (name) => configs.has(name),
    values: () => configs.values(),
    put(config) {
      configs.set(nameOf(config), config);
      return config;
    },
  };
}
