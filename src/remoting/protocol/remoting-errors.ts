// Everything that the Remoting layer throws, with its closed list of codes.

import { CometError } from '../../base/errors.ts';
import { ResponseCode } from './response-code.ts';

export type RemotingErrorCode =
  /** Bytes that are no frame or no header: the connection they came from is closed. */
  | 'ERR_REMOTING_MALFORMED_FRAME'
  /** A body that is no JSON, or JSON of another shape than the request wants. */
  | 'ERR_REMOTING_MALFORMED_BODY'
  /** Something of ours that the wire can't carry. */
  | 'ERR_REMOTING_NOT_ENCODABLE'
  | 'ERR_REMOTING_CONNECT'
  | 'ERR_REMOTING_CONNECTION_CLOSED'
  | 'ERR_REMOTING_TIMEOUT'
  | 'ERR_REMOTING_TOO_MANY_REQUESTS'
  | 'ERR_REMOTING_ADDRESS_IN_USE'
  | 'ERR_REMOTING_LISTEN';

export class RemotingError extends CometError<RemotingErrorCode> {
  override readonly name = 'RemotingError';
}

/**
 * Thrown inside a request handler: the request is answered with `responseCode` and the message as remark.
 * For refusals found deep in a call; a handler that can return the response does so.
 */
export class RequestError extends CometError<'ERR_REMOTING_REQUEST'> {
  override readonly name = 'RequestError';
  readonly responseCode: number;

  constructor(responseCode: number, remark: string, details: Record<string, unknown> = {}, options?: ErrorOptions) {
    super('ERR_REMOTING_REQUEST', remark, details, options);
    this.responseCode = responseCode;
  }
}

/** A header field or body that can't be read: INVALID_PARAMETER, which makes no client repeat the request elsewhere. */
export function invalidParameter(remark: string, details: Record<string, unknown> = {}): RequestError {
  return new RequestError(ResponseCode.INVALID_PARAMETER, remark, details);
}
