// What the views (consume queues, index) need to know of one record. The same whether the record was appended a moment ago or
// is read again from the log during recovery (Java: DispatchRequest).

import type { StoredMessage } from '../../model/message.ts';

export interface DispatchRequest {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly sizeBytes: number;
  /** See {@link TagsCodes.of}. */
  readonly tagsCode: number;
  readonly storeTimestampMs: number;
  readonly sysFlag: number;
  readonly properties: string;
}

/** The request for a record that was read from the log. */
export function dispatchRequestOf(message: StoredMessage, tagsCode: number): DispatchRequest {
  return {
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    physicalOffset: message.physicalOffset,
    sizeBytes: message.sizeBytes,
    tagsCode,
    storeTimestampMs: message.storeTimestampMs,
    sysFlag: message.sysFlag,
    properties: message.properties,
  };
}
