// Takes a batch body apart (code 320; Java: MessageDecoder.encodeMessage). The bodies of the messages stay views of it.
//
// | size | field                                  |
// |------|----------------------------------------|
// | 4    | size of the element, itself included   |
// | 4    | magic code, 0                          |
// | 4    | CRC of the body, 0                     |
// | 4    | flag                                   |
// | 4+n  | body                                   |
// | 2+n  | properties                             |

import type { MessageToPut } from '../../model/message.ts';

const FLAG_POSITION = 12;
const BODY_LENGTH_POSITION = 16;
const BODY_POSITION = 20;
const PROPERTIES_LENGTH_SIZE_BYTES = 2;
const ELEMENT_SIZE_BYTES_MIN = BODY_POSITION + PROPERTIES_LENGTH_SIZE_BYTES;

/** What all messages of a batch have in common. */
export type BatchCommon = Omit<MessageToPut, 'body' | 'flag' | 'properties'>;

/** undefined when the lengths do not fit into one another, or there are more messages than allowed, or none. */
export function readBatchBody(body: Buffer, common: BatchCommon, countMax: number): MessageToPut[] | undefined {
  const messages: MessageToPut[] = [];
  for (let position = 0; position < body.length;) {
    if (messages.length === countMax || body.length - position < ELEMENT_SIZE_BYTES_MIN) return undefined;
    const sizeBytes = body.readInt32BE(position);
    const bodyLength = body.readInt32BE(position + BODY_LENGTH_POSITION);
    if (sizeBytes < ELEMENT_SIZE_BYTES_MIN || sizeBytes > body.length - position) return undefined;
    if (bodyLength < 0 || bodyLength > sizeBytes - ELEMENT_SIZE_BYTES_MIN) return undefined;
    const bodyEnd = position + BODY_POSITION + bodyLength;
    const propertiesStart = bodyEnd + PROPERTIES_LENGTH_SIZE_BYTES;
    const propertiesLength = body.readInt16BE(bodyEnd);
    if (propertiesLength < 0 || propertiesStart + propertiesLength !== position + sizeBytes) return undefined;
    messages.push({
      topic: common.topic,
      queueId: common.queueId,
      flag: body.readInt32BE(position + FLAG_POSITION),
      sysFlag: common.sysFlag,
      bornTimestampMs: common.bornTimestampMs,
      bornHost: common.bornHost,
      storeHost: common.storeHost,
      reconsumeTimes: common.reconsumeTimes,
      preparedTransactionOffset: common.preparedTransactionOffset,
      body: body.subarray(position + BODY_POSITION, bodyEnd),
      properties: body.toString('utf8', propertiesStart, propertiesStart + propertiesLength),
    });
    position += sizeBytes;
  }
  return messages.length === 0 ? undefined : messages;
}
