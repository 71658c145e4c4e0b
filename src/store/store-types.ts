// What goes in and out of the store's front door: outcomes as unions on `status`, with RocketMQ's own names.

/** Java: PutMessageStatus. The first three mean that the message is stored. */
export type PutMessageStatus =
  | 'PUT_OK'
  | 'FLUSH_DISK_TIMEOUT'
  | 'FLUSH_SLAVE_TIMEOUT'
  | 'SERVICE_NOT_AVAILABLE'
  | 'MESSAGE_ILLEGAL'
  | 'PROPERTIES_SIZE_EXCEEDED'
  | 'OS_PAGE_CACHE_BUSY';

export interface PutStored {
  readonly status: 'PUT_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT';
  /** Where the (first) record begins. */
  readonly physicalOffset: number;
  /** Of the (first) message. */
  readonly queueOffset: number;
  /** Bytes of all records together. */
  readonly sizeBytes: number;
  readonly messageCount: number;
  readonly storeTimestampMs: number;
  /** Each record's physical offset, for a batch; absent for a single message. */
  readonly physicalOffsets?: readonly number[];
}

export interface PutRefused {
  readonly status: Exclude<PutMessageStatus, PutStored['status']>;
  /** One sentence for the producer: what is wrong and, where there is one, the number that was exceeded. */
  readonly reason: string;
}

export type PutMessageResult = PutStored | PutRefused;

/** Java: GetMessageStatus. */
export type GetMessageStatus =
  | 'FOUND'
  | 'NO_MATCHED_MESSAGE'
  | 'MESSAGE_WAS_REMOVING'
  | 'OFFSET_FOUND_NULL'
  | 'OFFSET_OVERFLOW_BADLY'
  | 'OFFSET_OVERFLOW_ONE'
  | 'OFFSET_TOO_SMALL'
  | 'NO_MATCHED_LOGIC_QUEUE'
  | 'NO_MESSAGE_IN_QUEUE';

/**
 * Whole records, back to back, exactly as they are on disk. `views` are borrowed: valid until {@link release}, which must be
 * called exactly once (also when the views were copied rather than sent).
 */
export interface GetMessageResult {
  readonly status: GetMessageStatus;
  readonly views: readonly Buffer[];
  readonly sizeBytes: number;
  readonly messageCount: number;
  /** Queue offset of each message, in order. */
  readonly queueOffsets: readonly number[];
  /** Where the next get of this queue should begin. */
  readonly nextBeginOffset: number;
  readonly minOffset: number;
  /** The next offset to be written that a reader may see. */
  readonly maxOffset: number;
  release(): void;
}

/** Decides before the body is touched. Both sides are optional; a message must pass each that is there. */
export interface MessageFilter {
  /** By the tags code of the consume queue unit. */
  matchesTagsCode?(tagsCode: number): boolean;
  /** By the record's properties. Called only for records that passed the first. */
  matchesProperties?(properties: string): boolean;
}

export interface GetMessageRequest {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly messageCountMax: number;
  /** At least one message is returned, however large. Default: no limit beyond Apache's 256 KiB. */
  readonly bytesMax?: number;
  readonly filter?: MessageFilter;
}

/** Java: BoundaryType. LOWER: the first message at or after the time; UPPER: the last at or before it. */
export type BoundaryType = 'LOWER' | 'UPPER';

/** A message that readers may now see. Emitted in log order; under SYNC_FLUSH after it is durable. */
export interface MessageArrival {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly tagsCode: number;
  readonly storeTimestampMs: number;
  readonly physicalOffset: number;
  readonly sizeBytes: number;
  readonly properties: string;
}
