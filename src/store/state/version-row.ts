// A table's DataVersion as a row of its own: the stamp that name server and slaves compare to see a change.

import type { Clock } from '../../base/clock.ts';
import { nextDataVersion, type DataVersion } from '../../model/data-version.ts';
import type { StateRow, StateWriter } from './state-writer.ts';

export class VersionRow implements StateRow {
  readonly key: string;
  isMarked = false;
  readonly #clock: Clock;
  readonly #writer: StateWriter;
  #version: DataVersion;

  constructor(options: { key: string; clock: Clock; writer: StateWriter }) {
    this.key = options.key;
    this.#clock = options.clock;
    this.#writer = options.writer;
    this.#version = { stateVersion: 0, timestamp: options.clock.nowMs(), counter: 0 };
  }

  get version(): DataVersion {
    return this.#version;
  }

  bump(): void {
    this.#version = nextDataVersion(this.#version, this.#clock.nowMs());
    this.#writer.mark(this);
  }

  /** Takes over a stamp that was read. */
  restore(version: DataVersion): void {
    this.#version = version;
  }

  encode(): Buffer {
    return Buffer.from(JSON.stringify(this.#version));
  }
}
