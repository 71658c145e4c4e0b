// What a put's outcome means to a producer: the one mapping from the store's statuses to response codes and remarks
// (Java: SendMessageProcessor.handlePutMessageResult).

import { unreachable } from '../../base/assert.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { PutMessageResult, PutRefused, PutStored } from '../../store/store-types.ts';

export interface Refusal {
  readonly code: ResponseCode;
  readonly remark: string;
}

export function isStored(result: PutMessageResult): result is PutStored {
  return 'physicalOffset' in result;
}

/** 10 and 12 mean stored: the response has its full header. */
export function codeOfStored(status: PutStored['status']): ResponseCode {
  switch (status) {
    case 'PUT_OK':
      return ResponseCode.SUCCESS;
    case 'FLUSH_DISK_TIMEOUT':
      return ResponseCode.FLUSH_DISK_TIMEOUT;
    case 'FLUSH_SLAVE_TIMEOUT':
      return ResponseCode.FLUSH_SLAVE_TIMEOUT;
    default:
      return unreachable(status);
  }
}

export function refusalOf(refused: PutRefused, messageSizeBytesMax: number): Refusal {
  switch (refused.status) {
    case 'MESSAGE_ILLEGAL':
    case 'PROPERTIES_SIZE_EXCEEDED':
      return illegalMessage(messageSizeBytesMax);
    case 'SERVICE_NOT_AVAILABLE':
      return { code: ResponseCode.SERVICE_NOT_AVAILABLE, remark: `service not available now. ${refused.reason}` };
    case 'OS_PAGE_CACHE_BUSY':
      return busy(refused.reason);
    default:
      return unreachable(refused.status);
  }
}

export function illegalMessage(messageSizeBytesMax: number): Refusal {
  return {
    code: ResponseCode.MESSAGE_ILLEGAL,
    remark:
      'the message is illegal, maybe msg body or properties length not matched. msg body length limit ' +
      `${messageSizeBytesMax}B, msg properties length limit 32KB.`,
  };
}

/** Producers try another broker; people find the tag in Apache's documentation. */
export function busy(reason: string): Refusal {
  return {
    code: ResponseCode.SYSTEM_BUSY,
    remark: `[PC_SYNCHRONIZED]broker busy, start flow control for a while. ${reason}`,
  };
}
