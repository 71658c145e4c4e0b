// A peer made of a plain socket: sends any bytes, collects whatever commands come back.

import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { silentLogger } from '../../../src/base/logger.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { encodeFrame } from '../../../src/remoting/protocol/frame-codec.ts';
import type { OutgoingHeader } from '../../../src/remoting/protocol/json-header-writer.ts';
import type { RemotingCommand } from '../../../src/remoting/protocol/remoting-command.ts';
import type { RequestHandler } from '../../../src/remoting/transport/connection.ts';
import { FrameReader } from '../../../src/remoting/transport/frame-reader.ts';
import { RemotingServer } from '../../../src/remoting/transport/remoting-server.ts';
import type { RemotingServerOptions } from '../../../src/remoting/transport/remoting-server.ts';
import { defaultRemotingLimits } from '../../../src/remoting/transport/remoting-settings.ts';

export class RawPeer {
  readonly socket: Socket;
  readonly received: RemotingCommand[] = [];
  isClosed = false;
  #watchers: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader({ ...defaultRemotingLimits, frameSizeBytesMax: 2 ** 30 });
    socket.on('data', (chunk: Buffer) => {
      reader.feed(chunk);
      for (let command = reader.next(); command !== undefined; command = reader.next()) this.received.push(command);
      this.#notify();
    });
    socket.on('error', () => this.#notify());
    socket.on('close', () => {
      this.isClosed = true;
      this.#notify();
    });
  }

  static connect(port: number, host = '127.0.0.1'): Promise<RawPeer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawPeer(socket)));
    });
  }

  #notify(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const watcher of watchers) watcher();
  }

  /** Resolves when the condition holds; it is looked at whenever something arrived. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  async receive(count: number): Promise<RemotingCommand[]> {
    await this.until(() => this.received.length >= count || this.isClosed);
    return this.received;
  }

  async closed(): Promise<void> {
    await this.until(() => this.isClosed);
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }
}

export function requestFrame(
  code: number,
  opaque: number,
  more: Partial<OutgoingHeader> & { body?: Buffer } = {},
): Buffer {
  const { body = Buffer.alloc(0), ...header } = more;
  return encodeFrame({ code, flag: 0, opaque, remark: undefined, extFields: undefined, ...header }, body);
}

/** Keeps what was logged, for tests that look at it. */
export class RecordingLogger implements Logger {
  readonly lines: { event: string; fields: LogFields }[] = [];
  #record(event: string, fields: LogFields = {}): void {
    this.lines.push({ event, fields });
  }
  debug(): void {}
  info(event: string, fields?: LogFields): void {
    this.#record(event, fields);
  }
  warn(event: string, fields?: LogFields): void {
    this.#record(event, fields);
  }
  error(event: string, fields?: LogFields): void {
    this.#record(event, fields);
  }
  events(): string[] {
    return this.lines.map(({ event }) => event);
  }
}

export async function startServer(
  handlers: Readonly<Record<number, RequestHandler>>,
  options: Partial<RemotingServerOptions> = {},
): Promise<RemotingServer> {
  const server = new RemotingServer({
    name: 'test server',
    listenHost: '127.0.0.1',
    port: 0,
    clock: systemClock,
    logger: silentLogger,
    handlers: new Map(Object.entries(handlers).map(([code, handler]) => [Number(code), handler])),
    ...options,
  });
  await server.start();
  return server;
}
