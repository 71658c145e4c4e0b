// What one connection has to send. Frames of a turn are collected and written together; large bodies go out as they are, by
// writev, and their owner is told once the memory is free again.

import type { Socket } from 'node:net';

import { frameHeadSizeMax, writeFrameHead } from '../protocol/frame-codec.ts';
import type { OutgoingHeader } from '../protocol/json-header-writer.ts';
import type { SerializeType } from '../protocol/remoting-command.ts';
import type { WriteSlab, WriteSlabPool } from './write-slab.ts';

/** A body up to this size is copied behind its header: cheaper than one more entry for writev. */
const COPIED_BODY_BYTES_MAX = 4096;

/** Unflushed bytes at which a turn's frames are written before the turn is over. */
const FLUSH_BYTES = 512 * 1024;

type Release = () => void;
type Body = Buffer | readonly Buffer[] | undefined;

export class Outbox {
  readonly #socket: Socket;
  readonly #pool: WriteSlabPool;
  #parts: Buffer[] = [];
  #partsBytes = 0;
  /** The region that is being filled: `slab[start, end)`. */
  #slab: WriteSlab | undefined;
  #start = 0;
  #end = 0;
  /** Slab regions among the parts, to be given back. */
  #regions: { slab: WriteSlab; sizeBytes: number; partIndex: number }[] = [];
  /** Of the parts that are not flushed yet. */
  #releases: Release[] = [];
  /** Of writes that the socket has not finished, oldest first. */
  readonly #unfinished = new Set<readonly Release[]>();

  constructor(socket: Socket, pool: WriteSlabPool) {
    this.#socket = socket;
    this.#pool = pool;
  }

  /** Bytes that no kernel has yet. */
  get unsentBytes(): number {
    return this.#partsBytes + (this.#end - this.#start) + this.#socket.writableLength;
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0 && this.#end === this.#start;
  }

  /**
   * Adds a frame. `release` is called exactly once.
   * Throws RemotingError ERR_REMOTING_NOT_ENCODABLE; nothing is added and nothing released then.
   */
  push(header: OutgoingHeader, serializeType: SerializeType, body: Body, release: Release | undefined): void {
    const bodySize = bodySizeBytes(body);
    const isCopied = bodySize <= COPIED_BODY_BYTES_MAX;
    const sizeMax = frameHeadSizeMax(header, serializeType) + (isCopied ? bodySize : 0);
    const slab = this.#slabFor(sizeMax);
    const start = slab.take(sizeMax);
    let end = start;
    try {
      end = writeFrameHead(slab.buffer, start, header, serializeType, bodySize);
      if (isCopied) end = copyBody(slab.buffer, end, body);
    } finally {
      slab.cutTo(end);
      this.#end = end;
    }
    if (isCopied) {
      release?.();
      return;
    }
    this.#closeRegion();
    for (const view of asList(body)) {
      if (view.length > 0) this.#parts.push(view);
    }
    this.#partsBytes += bodySize;
    if (release !== undefined) this.#releases.push(release);
    if (this.#partsBytes >= FLUSH_BYTES) this.flush();
  }

  #slabFor(sizeBytes: number): WriteSlab {
    const slab = this.#pool.slabWithRoom(sizeBytes);
    if (slab !== this.#slab || slab.position !== this.#end) {
      this.#closeRegion();
      this.#slab = slab;
      this.#start = this.#end = slab.position;
    }
    return slab;
  }

  #closeRegion(): void {
    const sizeBytes = this.#end - this.#start;
    if (this.#slab !== undefined && sizeBytes > 0) {
      const partIndex = this.#parts.push(this.#slab.buffer.subarray(this.#start, this.#end)) - 1;
      this.#partsBytes += sizeBytes;
      this.#regions.push({ slab: this.#slab, sizeBytes, partIndex });
    }
    this.#slab = undefined;
    this.#start = this.#end = 0;
  }

  /** Writes everything that was added. */
  flush(): void {
    this.#closeRegion();
    const parts = this.#parts;
    if (parts.length === 0) return;
    // The kernel is full already: what is added now will wait, and must not keep a whole slab from the others meanwhile.
    if (this.#socket.writableLength > 0) this.#copyRegions();
    const regions = this.#regions;
    this.#write(parts);
    this.#parts = [];
    this.#regions = [];
    this.#partsBytes = 0;
    // Nothing left in the socket's queue: the kernel has copied every byte, and the slab is free.
    const taken = this.#socket.writableLength === 0;
    for (const { slab, sizeBytes } of regions) {
      if (taken) slab.giveBack(sizeBytes);
      else this.#pool.abandon(slab);
    }
  }

  #copyRegions(): void {
    for (const { slab, sizeBytes, partIndex } of this.#regions) {
      this.#parts[partIndex] = Buffer.from(this.#parts[partIndex] as Buffer);
      slab.giveBack(sizeBytes);
    }
    this.#regions = [];
  }

  #write(parts: readonly Buffer[]): void {
    const socket = this.#socket;
    const last = parts.length - 1;
    if (last > 0) socket.cork();
    for (let index = 0; index < last; index++) socket.write(parts[index] as Buffer);
    if (this.#releases.length === 0) {
      socket.write(parts[last] as Buffer);
    } else {
      const releases = this.#releases;
      this.#releases = [];
      this.#unfinished.add(releases);
      socket.write(parts[last] as Buffer, () => this.#finish(releases));
    }
    if (last > 0) socket.uncork();
  }

  /** The socket calls back once per write, with an error when it died; `discard` may have come first. */
  #finish(releases: readonly Release[]): void {
    if (!this.#unfinished.delete(releases)) return;
    for (const release of releases) release();
  }

  /** The connection is gone and its socket touches no memory any more: releases whatever is left. */
  discard(): void {
    this.#closeRegion();
    for (const { slab, sizeBytes } of this.#regions) slab.giveBack(sizeBytes);
    const unflushed = this.#releases;
    this.#parts = [];
    this.#regions = [];
    this.#releases = [];
    this.#partsBytes = 0;
    for (const release of unflushed) release();
    for (const releases of [...this.#unfinished]) this.#finish(releases);
  }
}

function bodySizeBytes(body: Body): number {
  if (body === undefined) return 0;
  if (Buffer.isBuffer(body)) return body.length;
  let size = 0;
  for (const view of body) size += view.length;
  return size;
}

function copyBody(target: Buffer, position: number, body: Body): number {
  let at = position;
  for (const view of asList(body)) at += view.copy(target, at);
  return at;
}

const noViews: readonly Buffer[] = [];

function asList(body: Body): readonly Buffer[] {
  if (body === undefined) return noViews;
  return Buffer.isBuffer(body) ? [body] : body;
}
