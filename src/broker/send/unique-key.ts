// The unique key that the broker gives a message whose producer gave it none, in the form that Java's clients make
// (MessageClientIDSetter): hex of IP, process id, a random part, milliseconds since the start of the month, and a counter.

import type { Clock } from '../../base/clock.ts';
import type { Prng } from '../../base/prng.ts';
import type { HostAddress } from '../../model/host-address.ts';

export class UniqueKeys {
  readonly #clock: Clock;
  readonly #prefix: string;
  #monthStartMs = 0;
  #nextMonthMs = 0;
  #counter = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly host: HostAddress;
    readonly pid: number;
    readonly prng: Prng;
  }) {
    this.#clock = options.clock;
    const ip = Buffer.from(options.host.address).toString('hex');
    this.#prefix = (ip + hex(options.pid & 0xffff, 4) + hex(options.prng.nextUint32(), 8)).toUpperCase();
  }

  /** 32 characters with an IPv4 host, 56 with IPv6. */
  next(): string {
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#nextMonthMs || nowMs < this.#monthStartMs) this.#startMonth(nowMs);
    this.#counter = (this.#counter + 1) & 0xffff;
    return this.#prefix + (hex(nowMs - this.#monthStartMs, 8) + hex(this.#counter, 4)).toUpperCase();
  }

  #startMonth(nowMs: number): void {
    const now = new Date(nowMs);
    this.#monthStartMs = new Date(now.getFullYear(), now.getMonth(), 1).getTime();
    this.#nextMonthMs = new Date(now.getFullYear(), now.getMonth() + 1, 1).getTime();
  }
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
