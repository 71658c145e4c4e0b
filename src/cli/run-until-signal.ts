// Keeps a server running until it is told to stop: the first SIGTERM or SIGINT stops it cleanly, a second one at once.

import { describeError } from '../base/errors.ts';
import { ExitStatus, statusOfSignal } from './exit-status.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** Ctrl-C may arrive twice: from the terminal, and passed on by npm. Nobody presses it twice in this time. */
const ONE_KEYPRESS_MS = 100;

export interface Stoppable {
  stop(): Promise<void>;
}

/** Listens to signals from its making on: one that comes while the server starts is obeyed as soon as it has. */
export class RunUntilSignal {
  #fatalError: Error | undefined;
  #signalledAtMs: number | undefined;
  #wake: (() => void) | undefined;

  constructor() {
    for (const signal of SIGNALS) process.on(signal, () => this.#signalled(signal));
  }

  /** Give this to the store: when a sync failed, the process ends with {@link ExitStatus.FENCED}. */
  readonly onFatal = (error: Error): void => {
    this.#fatalError ??= error;
    this.#wake?.();
  };

  get #isToldToStop(): boolean {
    return this.#signalledAtMs !== undefined || this.#fatalError !== undefined;
  }

  /** Resolves with the exit status. `announce` says that the server is ready, unless it has to stop already. */
  async run(server: Stoppable, announce: () => void): Promise<number> {
    try {
      if (!this.#isToldToStop) announce();
    } catch (error) {
      await server.stop();
      throw error;
    }
    await this.#untilTold();
    const fatal = this.#fatalError;
    if (fatal !== undefined) {
      process.stderr.write(`cometmq: ${describeError(fatal)}\n`);
      await server.stop().catch((error: unknown) => {
        process.stderr.write(`cometmq: then stopping failed as well: ${describeError(error)}\n`);
      });
      return ExitStatus.FENCED;
    }
    await server.stop();
    // A sync can fail in the last moment, too.
    if (this.#hasFailed()) {
      process.stderr.write(`cometmq: ${describeError(this.#fatalError)}\n`);
      return ExitStatus.FENCED;
    }
    process.stderr.write('cometmq: stopped cleanly\n');
    return ExitStatus.OK;
  }

  #hasFailed(): boolean {
    return this.#fatalError !== undefined;
  }

  #signalled(signal: (typeof SIGNALS)[number]): void {
    const nowMs = performance.now();
    if (this.#signalledAtMs === undefined) {
      this.#signalledAtMs = nowMs;
      process.stderr.write('cometmq: stopping; a second signal ends at once\n');
      this.#wake?.();
    } else if (nowMs - this.#signalledAtMs > ONE_KEYPRESS_MS) {
      process.exit(statusOfSignal(signal));
    }
  }

  #untilTold(): Promise<void> {
    if (this.#isToldToStop) return Promise.resolve();
    return new Promise((resolve) => {
      // Nothing of ours keeps the process alive by itself once the sockets are idle; a server that waits for a signal must.
      const keepAlive = setInterval(() => undefined, 2 ** 31 - 1);
      this.#wake = () => {
        clearInterval(keepAlive);
        resolve();
      };
    });
  }
}
