// The public door of `cometmq/store`: the engine alone. Importing it loads no network code.

export { ManualClock, systemClock, type Clock, type Timer } from '../base/clock.ts';
export { createJsonLogger, silentLogger, type Logger } from '../base/logger.ts';
export type { HostAddress } from '../model/host-address.ts';
export type { MessageToPut, StoredMessage } from '../model/message.ts';
export { getProperty, parseProperties, PropertyName } from '../model/message-properties.ts';
export { topicConfig, type TopicConfig } from '../model/topic-config.ts';
export { createMessage, type NewMessage } from './create-message.ts';
export type { FileSystem, MappedRegion } from './file-system.ts';
export type { MessageStore, StoreStats } from './message-store.ts';
export { openStore, type OpenStoreOptions } from './open-store.ts';
export { defaultStoreConfig, type FlushDiskType, type StoreConfig } from './store-config.ts';
export { CorruptionError, FileSystemError, StoreError } from './store-errors.ts';
export type {
  BoundaryType,
  GetMessageRequest,
  GetMessageResult,
  GetMessageStatus,
  MessageArrival,
  MessageFilter,
  PutMessageResult,
  PutRefused,
  PutStored,
} from './store-types.ts';
