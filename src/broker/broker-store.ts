// What the broker needs of a store: MessageStore has this shape. Stated here so that processors can be tested without files.

import type { DataVersion } from '../model/data-version.ts';
import type { MessageToPut, StoredMessage } from '../model/message.ts';
import type { SubscriptionGroupConfig } from '../model/subscription-group-config.ts';
import type { TopicConfig } from '../model/topic-config.ts';
import type {
  BoundaryType,
  GetMessageRequest,
  GetMessageResult,
  MessageArrival,
  PutMessageResult,
} from '../store/store-types.ts';

export interface BrokerStore {
  /** Where the files are, for what is told about the disk. */
  readonly directory: string;
  readonly state: BrokerStoreState;
  readonly delayLevels: { readonly maxLevel: number; delayMsOf(level: number): number };
  put(message: MessageToPut): PutMessageResult | Promise<PutMessageResult>;
  putBatch(messages: readonly MessageToPut[]): PutMessageResult | Promise<PutMessageResult>;
  get(request: GetMessageRequest): GetMessageResult | Promise<GetMessageResult>;
  minOffset(topic: string, queueId: number): number;
  maxOffset(topic: string, queueId: number): number;
  messageAt(physicalOffset: number): Promise<StoredMessage | undefined>;
  offsetByTime(topic: string, queueId: number, timestampMs: number, boundary: BoundaryType): Promise<number>;
  onArrival(listener: (arrival: MessageArrival) => void): () => void;
  /** Resolves when everything put so far is durable; rejects when a sync failed. */
  flush(): Promise<void>;
  stats(): BrokerStoreStats;
}

export interface BrokerStoreStats {
  readonly minPhysicalOffset: number;
  readonly endPhysicalOffset: number;
  readonly flushedOffset: number;
}

export interface BrokerStoreState {
  readonly topics: NamedTable<TopicConfig>;
  readonly groups: NamedTable<SubscriptionGroupConfig> & {
    readonly forbiddenTable: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
  readonly consumerOffsets: {
    commit(group: string, topic: string, queueId: number, offset: number): void;
    fetch(group: string, topic: string, queueId: number): number | undefined;
  };
  readonly delayOffsets: {
    get(level: number): number | undefined;
    set(level: number, offset: number): void;
    entries(): readonly (readonly [number, number])[];
  };
}

/** Settings by name; `put` adds or replaces. */
export interface NamedTable<Config> {
  readonly dataVersion: DataVersion;
  readonly size: number;
  get(name: string): Config | undefined;
  has(name: string): boolean;
  values(): IterableIterator<Config>;
  put(config: Config): Config;
}
