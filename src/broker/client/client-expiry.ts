// Ends clients that have not sent a heartbeat for too long: one look at intervals, and only while there are clients at all.

import type { Clock, Timer } from '../../base/clock.ts';
import type { ConsumerTable } from './consumer-table.ts';
import type { ProducerTable } from './producer-table.ts';

export class ClientExpiry {
  readonly #options: {
    readonly clock: Clock;
    readonly consumers: ConsumerTable;
    readonly producers: ProducerTable;
    readonly expiryMs: number;
    readonly checkIntervalMs: number;
  };
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: {
    readonly clock: Clock;
    readonly consumers: ConsumerTable;
    readonly producers: ProducerTable;
    readonly expiryMs: number;
    readonly checkIntervalMs: number;
  }) {
    this.#options = options;
  }

  /** To be called at each heartbeat. */
  clientSeen(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#timer = this.#options.clock.schedule(this.#options.checkIntervalMs, () => this.#check());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #check(): void {
    const { clock, consumers, producers, expiryMs } = this.#options;
    this.#timer = undefined;
    const sinceMs = clock.monotonicMs() - expiryMs;
    // A consumer's client is usually a producer too, and one heartbeat serves both: silent in one table is silent in both.
    const silent = new Set([...consumers.silentSince(sinceMs), ...producers.silentSince(sinceMs)]);
    for (const connection of silent) {
      consumers.connectionClosed(connection);
      producers.connectionClosed(connection);
      connection.close(`no heartbeat for ${expiryMs} ms`);
    }
    if (consumers.groupCount > 0 || producers.groupCount > 0) this.clientSeen();
  }
}
