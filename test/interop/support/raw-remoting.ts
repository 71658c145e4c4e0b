/**
 * A small Remoting codec and client of its own, written from the protocol's description: the tests' second opinion about the wire.
 *
 * It shares no code with `src/remoting` on purpose. It keeps the raw bytes of every frame, so that fixtures hold what really was sent.
 */

import net from 'node:net';

export type ExtFields = Readonly<Record<string, string>>;

export interface RawHeader {
  readonly code: number;
  readonly language: string;
  readonly version: number;
  readonly opaque: number;
  readonly flag: number;
  readonly remark?: string;
  readonly extFields?: ExtFields;
  readonly serializeTypeCurrentRPC?: string;
}

export interface RawFrame {
  readonly serializeType: 'JSON' | 'ROCKETMQ';
  readonly header: RawHeader;
  /** The header exactly as it came: JSON text, or undefined for the binary form. */
  readonly headerText?: string;
  readonly body: Buffer;
  /** The whole frame, length word included. */
  readonly bytes: Buffer;
}

export interface RawRequest {
  readonly code: number;
  readonly ext?: ExtFields;
  readonly body?: Buffer | string;
  readonly version?: number;
  readonly language?: string;
  readonly opaque?: number;
  readonly flag?: number;
  readonly remark?: string;
  readonly serializeType?: 'JSON' | 'ROCKETMQ';
}

/** V5_5_0 in Apache's numbering of releases. */
export const VERSION_5_5_0 = 513;
export const FLAG_RESPONSE = 1;
export const FLAG_ONEWAY = 2;

const LANGUAGES = 'JAVA CPP DOTNET PYTHON DELPHI ERLANG RUBY OTHER HTTP GO PHP OMS RUST NODE_JS'.split(' ');

export function encodeFrame(request: RawRequest): Buffer {
  const header = encodeHeader(request);
  const body = Buffer.from(request.body ?? '');
  const frame = Buffer.alloc(8 + header.length + body.length);
  frame.writeInt32BE(4 + header.length + body.length, 0);
  frame.writeUInt32BE(((request.serializeType === 'ROCKETMQ' ? 1 : 0) << 24) | header.length, 4);
  header.copy(frame, 8);
  body.copy(frame, 8 + header.length);
  return frame;
}

function encodeHeader(request: RawRequest): Buffer {
  const header = {
    code: request.code,
    extFields: request.ext ?? {},
    flag: request.flag ?? 0,
    language: request.language ?? 'JAVA',
    opaque: request.opaque ?? 0,
    version: request.version ?? VERSION_5_5_0,
    ...(request.remark === undefined ? {} : { remark: request.remark }),
  };
  if (request.serializeType !== 'ROCKETMQ') {
    return Buffer.from(JSON.stringify({ ...header, serializeTypeCurrentRPC: 'JSON' }));
  }
  const fixed = Buffer.alloc(13);
  fixed.writeInt16BE(header.code, 0);
  fixed.writeUInt8(LANGUAGES.indexOf(header.language), 2);
  fixed.writeInt16BE(header.version, 3);
  fixed.writeInt32BE(header.opaque, 5);
  fixed.writeInt32BE(header.flag, 9);
  const fields = Object.entries(header.extFields).map(([key, value]) =>
    Buffer.concat([sized(key, 2), sized(value, 4)]),
  );
  const map = Buffer.concat(fields);
  return Buffer.concat([fixed, sized(request.remark ?? '', 4), int32(map.length), map]);
}

/** Decodes one whole frame. */
export function decodeFrame(bytes: Buffer): RawFrame {
  const lengthWord = bytes.readUInt32BE(4);
  const headerLength = lengthWord & 0xffffff;
  const headerBytes = bytes.subarray(8, 8 + headerLength);
  const body = bytes.subarray(8 + headerLength);
  if (lengthWord >>> 24 === 1) {
    return { serializeType: 'ROCKETMQ', header: decodeBinaryHeader(headerBytes), body, bytes };
  }
  const headerText = headerBytes.toString('utf8');
  return { serializeType: 'JSON', header: JSON.parse(headerText) as RawHeader, headerText, body, bytes };
}

function decodeBinaryHeader(bytes: Buffer): RawHeader {
  const remarkLength = bytes.readInt32BE(13);
  const remark = bytes.toString('utf8', 17, 17 + remarkLength);
  let position = 17 + remarkLength + 4;
  const extFields: Record<string, string> = {};
  while (position < bytes.length) {
    const keyLength = bytes.readInt16BE(position);
    const valueLength = bytes.readInt32BE(position + 2 + keyLength);
    const valueStart = position + 6 + keyLength;
    extFields[bytes.toString('utf8', position + 2, position + 2 + keyLength)] = bytes.toString(
      'utf8',
      valueStart,
      valueStart + valueLength,
    );
    position = valueStart + valueLength;
  }
  return {
    code: bytes.readInt16BE(0),
    language: LANGUAGES[bytes.readUInt8(2)] ?? 'OTHER',
    version: bytes.readInt16BE(3),
    opaque: bytes.readInt32BE(5),
    flag: bytes.readInt32BE(9),
    ...(remarkLength > 0 ? { remark } : {}),
    extFields,
  };
}

function sized(text: string, lengthBytes: 2 | 4): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(lengthBytes);
  length.writeIntBE(bytes.length, 0, lengthBytes);
  return Buffer.concat([length, bytes]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** Cuts a byte stream into frames; feed it whatever arrived. */
export class FrameSplitter {
  #pending: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): RawFrame[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: RawFrame[] = [];
    while (this.#pending.length >= 4) {
      const total = 4 + this.#pending.readInt32BE(0);
      if (this.#pending.length < total) {
        break;
      }
      frames.push(decodeFrame(Buffer.from(this.#pending.subarray(0, total))));
      this.#pending = this.#pending.subarray(total);
    }
    return frames;
  }
}

export interface RawExchange {
  readonly request: RawFrame;
  readonly response: RawFrame;
}

/** One TCP connection that sends hand-made requests and keeps what the peer asks or pushes by itself. */
export class RawConnection {
  /** Requests that the server sent to us (40 and its like). */
  readonly pushed: RawFrame[] = [];
  readonly closed: Promise<void>;
  readonly #socket: net.Socket;
  readonly #splitter = new FrameSplitter();
  readonly #pending = new Map<number, { resolve: (frame: RawFrame) => void; reject: (error: Error) => void }>();
  readonly #pushWaiters: (() => void)[] = [];
  #nextOpaque = 1;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', (error) => this.#fail(error));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#fail(new Error('the server closed the connection'));
        resolve();
      });
    });
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RawConnection> {
    const socket = net.connect({ port, host, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawConnection(socket);
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  /** Sends one request and resolves with both frames; rejects when the connection ends or the time is over. */
  async exchange(request: RawRequest, timeoutMs = 20_000): Promise<RawExchange> {
    const opaque = request.opaque ?? this.#nextOpaque++;
    const bytes = encodeFrame({ ...request, opaque });
    let timer: NodeJS.Timeout | undefined;
    try {
      const response = await new Promise<RawFrame>((resolve, reject) => {
        this.#pending.set(opaque, { resolve, reject });
        timer = setTimeout(
          () => reject(new Error(`no response to code ${request.code} in ${timeoutMs} ms`)),
          timeoutMs,
        );
        this.#socket.write(bytes);
      });
      return { request: decodeFrame(bytes), response };
    } finally {
      clearTimeout(timer);
      this.#pending.delete(opaque);
    }
  }

  async request(request: RawRequest, timeoutMs?: number): Promise<RawFrame> {
    return (await this.exchange(request, timeoutMs)).response;
  }

  /** Sends without waiting: for one-way requests, responses to pushes, and deliberately wrong bytes. */
  write(request: RawRequest | Buffer): Buffer {
    const bytes = Buffer.isBuffer(request) ? request : encodeFrame(request);
    this.#socket.write(bytes);
    return bytes;
  }

  /** Resolves with the first pushed request for which `matches` holds. */
  async waitForPush(matches: (frame: RawFrame) => boolean, timeoutMs = 20_000): Promise<RawFrame> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.pushed.find(matches);
      if (found !== undefined) {
        return found;
      }
      if (Date.now() >= deadline) {
        throw new Error(`the server pushed nothing that fits in ${timeoutMs} ms`);
      }
      await this.#nextPush(deadline - Date.now());
    }
  }

  async close(): Promise<void> {
    this.#socket.end();
    this.#socket.destroySoon();
    await this.closed;
  }

  async #nextPush(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#pushWaiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #onData(chunk: Buffer): void {
    for (const frame of this.#splitter.push(chunk)) {
      if ((frame.header.flag & FLAG_RESPONSE) === 0) {
        this.pushed.push(frame);
        this.#pushWaiters.splice(0).forEach((wake) => wake());
      } else {
        this.#pending.get(frame.header.opaque)?.resolve(frame);
      }
    }
  }

  #fail(error: Error): void {
    for (const waiter of this.#pending.values()) {
      waiter.reject(error);
    }
    this.#pending.clear();
  }
}
