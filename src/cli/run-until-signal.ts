// Keeps a server running until it is told to stop: the first SIGTERM or SIGINT stops it cleanly, a second one at once.

import { describeError } from '../base/errors.ts';
import { ExitStatus, statusOfSignal } from './exit-status.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export interface Stoppable {
  stop(): Promise<void>;
}

export class RunUntilSignal {
  #fatal: ((error: Error) => void) | undefined;
  #fatalError: Error | undefined;

  /** Give this to the store: when a sync failed, the process ends with {@link ExitStatus.FENCED}. */
  readonly onFatal = (error: Error): void => {
    this.#fatalError = error;
    this.#fatal?.(error);
  };

  /** Resolves with the exit status. */
  async run(server: Stoppable): Promise<number> {
    const fatal = await this.#untilTold();
    if (fatal !== undefined) {
      process.stderr.write(`cometmq: ${describeError(fatal)}\n`);
      await server.stop().catch(() => undefined);
      return ExitStatus.FENCED;
    }
    process.stderr.write('cometmq: stopping; a second signal ends at once\n');
    await server.stop();
    process.stderr.write('cometmq: stopped cleanly\n');
    return ExitStatus.OK;
  }

  #untilTold(): Promise<Error | undefined> {
    return new Promise((resolve) => {
      // Nothing of ours keeps the process alive by itself once the sockets are idle; a server that waits for a signal must.
      const keepAlive = setInterval(() => undefined, 2 ** 31 - 1);
      const done = (error: Error | undefined): void => {
        clearInterval(keepAlive);
        resolve(error);
      };
      if (this.#fatalError !== undefined) done(this.#fatalError);
      this.#fatal = done;
      let signals = 0;
      for (const signal of SIGNALS) {
        process.on(signal, () => {
          signals++;
          if (signals > 1) process.exit(statusOfSignal(signal));
          done(undefined);
        });
      }
    });
  }
}
