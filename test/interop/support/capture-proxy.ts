/**
 * Two listeners for fixtures: a TCP proxy that records every Remoting frame in both directions, and a tiny server that answers frames
 * by a function (it plays name server when a real broker registers).
 */

import net from 'node:net';
import {
  encodeFrame,
  FLAG_RESPONSE,
  FrameSplitter,
  type RawExchange,
  type RawFrame,
  type RawRequest,
} from './raw-remoting.ts';

export interface CapturedFrame {
  /** `client` sent it, or `server` did. */
  readonly from: 'client' | 'server';
  readonly connection: number;
  readonly frame: RawFrame;
}

export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

export interface CaptureProxy extends Listener {
  readonly frames: readonly CapturedFrame[];
}

export interface CaptureProxyOptions {
  readonly port: number;
  readonly targetPort: number;
  /** Listen on another loopback address (127.0.0.2) to sit in front of a broker that registers that address. */
  readonly host?: string;
}

export async function startCaptureProxy(options: CaptureProxyOptions): Promise<CaptureProxy> {
  const frames: CapturedFrame[] = [];
  let connections = 0;
  const listener = await listen(options.port, options.host ?? '127.0.0.1', (client, sockets) => {
    const connection = connections++;
    const server = net.connect({ port: options.targetPort, host: '127.0.0.1', noDelay: true });
    sockets.add(server);
    relay(client, server, (frame) => frames.push({ from: 'client', connection, frame }));
    relay(server, client, (frame) => frames.push({ from: 'server', connection, frame }));
  });
  return { ...listener, frames };
}

/** Pairs each request with its response by connection and opaque, in the order of the requests. */
export function exchangesOf(
  frames: readonly CapturedFrame[],
): (RawExchange & { readonly askedBy: 'client' | 'server' })[] {
  const exchanges: (RawExchange & { askedBy: 'client' | 'server' })[] = [];
  for (const [index, asked] of frames.entries()) {
    if ((asked.frame.header.flag & FLAG_RESPONSE) !== 0) {
      continue;
    }
    const answer = frames.find(
      (other, at) =>
        at > index &&
        other.connection === asked.connection &&
        other.from !== asked.from &&
        (other.frame.header.flag & FLAG_RESPONSE) !== 0 &&
        other.frame.header.opaque === asked.frame.header.opaque,
    );
    if (answer !== undefined) {
      exchanges.push({ askedBy: asked.from, request: asked.frame, response: answer.frame });
    }
  }
  return exchanges;
}

export interface FrameServer extends Listener {
  readonly received: readonly RawFrame[];
}

/** Answers every two-way request with what `answer` returns (without opaque and flag: those are filled in). */
export async function startFrameServer(port: number, answer: (request: RawFrame) => RawRequest): Promise<FrameServer> {
  const received: RawFrame[] = [];
  const listener = await listen(port, '127.0.0.1', (socket) => {
    const splitter = new FrameSplitter();
    socket.on('data', (chunk) => {
      for (const frame of splitter.push(chunk)) {
        received.push(frame);
        if ((frame.header.flag & 2) === 0) {
          socket.write(encodeFrame({ ...answer(frame), opaque: frame.header.opaque, flag: FLAG_RESPONSE }));
        }
      }
    });
  });
  return { ...listener, received };
}

function relay(from: net.Socket, to: net.Socket, onFrame: (frame: RawFrame) => void): void {
  const splitter = new FrameSplitter();
  from.on('data', (chunk) => {
    splitter.push(chunk).forEach(onFrame);
    to.write(chunk);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => to.end());
}

async function listen(
  port: number,
  host: string,
  onConnection: (socket: net.Socket, sockets: Set<net.Socket>) => void,
): Promise<Listener> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    onConnection(socket, sockets);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    sockets.forEach((socket) => socket.destroy());
    await closed;
  };
  const address = server.address();
  return { port: address !== null && typeof address === 'object' ? address.port : port, close };
}
