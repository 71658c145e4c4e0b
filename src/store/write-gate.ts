// Says whether the store takes writes now, and if not, why: one reason at a time, the gravest first.

import { describeError } from '../base/errors.ts';
import { FileSystemError } from './store-errors.ts';
import type { PutRefused } from './store-types.ts';

const refuse = (reason: string): PutRefused => Object.freeze({ status: 'SERVICE_NOT_AVAILABLE', reason });

export class WriteGate {
  #closed: PutRefused | undefined;
  #fenced: PutRefused | undefined;
  #space: PutRefused | undefined;
  #queueSpace: PutRefused | undefined;
  #diskRatio: PutRefused | undefined;
  #current: PutRefused | undefined;

  /** Why a put is refused now; undefined when it is not. */
  get refusal(): PutRefused | undefined {
    return this.#current;
  }

  /** For good: the store is closing. */
  close(reason: string): void {
    this.#closed = refuse(reason);
    this.#choose();
  }

  /** For good: a sync failed, so what is on disk is no longer known. */
  fence(error: unknown): void {
    this.#fenced ??= refuse(`The store is fenced, restart it after the disk is repaired: ${describeError(error)}`);
    this.#choose();
  }

  get isFenced(): boolean {
    return this.#fenced !== undefined;
  }

  /** No room for the next log segment. Opens again with {@link openForSpace}. */
  closeForSpace(error: unknown): PutRefused {
    this.#space = refuse(spaceReason(error));
    this.#choose();
    return this.#current as PutRefused;
  }

  openForSpace(): void {
    this.#space = undefined;
    this.#choose();
  }

  get lacksSpace(): boolean {
    return this.#space !== undefined;
  }

  /** Consume queue units can't be written out (undefined: they can again). */
  setQueueProblem(error: unknown): void {
    this.#queueSpace = error === undefined ? undefined : refuse(spaceReason(error));
    this.#choose();
  }

  /** The disk is fuller than the warning level allows (undefined: it is not). */
  setDiskRatioProblem(reason: string | undefined): void {
    this.#diskRatio = reason === undefined ? undefined : refuse(reason);
    this.#choose();
  }

  #choose(): void {
    this.#current = this.#closed ?? this.#fenced ?? this.#space ?? this.#queueSpace ?? this.#diskRatio;
  }
}

function spaceReason(error: unknown): string {
  const where = error instanceof FileSystemError ? '' : 'The store cannot write: ';
  return `${where}${describeError(error)}`;
}
