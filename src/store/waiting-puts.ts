// Puts that came while the next segment was still being made: a bounded line, first come, first served.

import type { MessageToPut } from '../model/message.ts';
import type { PutMessageResult } from './store-types.ts';

export interface WaitingPut {
  readonly messages: readonly MessageToPut[];
  readonly isBatch: boolean;
  readonly resolve: (result: PutMessageResult | Promise<PutMessageResult>) => void;
}

export class WaitingPuts {
  readonly #line: WaitingPut[] = [];
  #head = 0;
  readonly #countMax: number;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#line.length - this.#head;
  }

  /** undefined when the line is full. */
  add(messages: readonly MessageToPut[], isBatch: boolean): Promise<PutMessageResult> | undefined {
    if (this.count >= this.#countMax) return undefined;
    return new Promise((resolve) => this.#line.push({ messages, isBatch, resolve }));
  }

  first(): WaitingPut | undefined {
    return this.#line[this.#head];
  }

  removeFirst(): void {
    this.#head++;
    if (this.#head < 1_024 && this.#head < this.#line.length) return;
    this.#line.splice(0, this.#head);
    this.#head = 0;
  }

  /** Answers everyone in line with the same result. */
  resolveAll(result: PutMessageResult): void {
    const waiting = this.#line.splice(0).slice(this.#head);
    this.#head = 0;
    for (const put of waiting) put.resolve(result);
  }
}
