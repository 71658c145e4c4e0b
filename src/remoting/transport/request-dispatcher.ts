// Finds the handler of a request and turns whatever it does into at most one response.

import { AssertionFailure } from '../../base/assert.ts';
import { describeError } from '../../base/errors.ts';
import type { RemotingCommand, RemotingResponse } from '../protocol/remoting-command.ts';
import { RequestError } from '../protocol/remoting-errors.ts';
import { requestCodeName } from '../protocol/request-code.ts';
import { ResponseCode } from '../protocol/response-code.ts';
import type { Connection, HandlerResult, RequestHandler } from './connection.ts';
import type { RateLimitedLog } from './rate-limited-log.ts';

const REMARK_LENGTH_MAX = 1024;

export class RequestDispatcher {
  readonly #handlers: ReadonlyMap<number, RequestHandler>;
  readonly #log: RateLimitedLog;

  constructor(handlers: ReadonlyMap<number, RequestHandler>, log: RateLimitedLog) {
    this.#handlers = handlers;
    this.#log = log;
  }

  /** Runs the handler. A promise it returns never rejects, but for a broken invariant, which nobody may survive. */
  dispatch(request: RemotingCommand, connection: Connection): HandlerResult | Promise<HandlerResult> {
    const handler = this.#handlers.get(request.code);
    if (handler === undefined) {
      this.#log.warn('remoting.request.not-supported', { code: request.code, peer: connection.remoteAddress });
      return {
        code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED,
        // Apache's words.
        remark: ` request type ${request.code} not supported`,
      };
    }
    try {
      const result = handler(request, connection);
      if (result instanceof Promise) return result.catch((error: unknown) => this.#refuse(request, connection, error));
      return result;
    } catch (error) {
      return this.#refuse(request, connection, error);
    }
  }

  #refuse(request: RemotingCommand, connection: Connection, error: unknown): RemotingResponse {
    if (error instanceof AssertionFailure) throw error;
    const remark = describeError(error).slice(0, REMARK_LENGTH_MAX);
    if (error instanceof RequestError) return { code: error.responseCode, remark };
    this.#log.warn('remoting.request.failed', {
      request: requestCodeName(request.code),
      peer: connection.remoteAddress,
      error: remark,
      stack: error instanceof Error ? error.stack : undefined,
    });
    return { code: ResponseCode.SYSTEM_ERROR, remark };
  }
}
