// A connection without a socket: keeps what is sent to the peer.

import type {
  RemotingCommand,
  RemotingRequest,
  RemotingResponse,
} from '../../../src/remoting/protocol/remoting-command.ts';
import { RemotingCommand as Command } from '../../../src/remoting/protocol/remoting-command.ts';
import { ExtFields } from '../../../src/remoting/protocol/ext-fields.ts';
import type { Connection } from '../../../src/remoting/transport/connection.ts';

let nextId = 1;

export class FakeConnection implements Connection {
  readonly id = nextId++;
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 40_000 + this.id;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 10_911;
  readonly attributes = new Map<symbol, unknown>();
  readonly responses: RemotingResponse[] = [];
  readonly oneways: RemotingRequest[] = [];
  closedBecause: string | undefined;

  get isOpen(): boolean {
    return this.closedBecause === undefined;
  }

  onClose(): void {}

  invoke(): Promise<RemotingCommand> {
    return Promise.reject(new Error('a fake connection has no peer'));
  }

  invokeOneway(request: RemotingRequest): void {
    this.oneways.push(request);
  }

  respond(_request: RemotingCommand, response: RemotingResponse): void {
    this.responses.push(response);
  }

  close(reason: string): void {
    this.closedBecause = reason;
  }
}

/** A request as it arrives. */
export function arrived(request: RemotingRequest): RemotingCommand {
  const header = {
    code: request.code,
    language: 'JAVA',
    version: 513,
    opaque: 1,
    flag: 0,
    remark: undefined,
    extFields: ExtFields.from(request.extFields ?? {}),
  } as const;
  return new Command(header, request.body ?? Buffer.alloc(0), 'JSON');
}
