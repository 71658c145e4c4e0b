// The command as its users run it: the built file in a process of its own.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';

const command = join(resolve(import.meta.dirname, '../../..'), 'dist', 'cli', 'cometmq.js');

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Inside a test: killed at its end, should it still run. */
export class CometmqProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #stdout = '';
  #stderr = '';
  #changed: () => void = () => undefined;

  constructor(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    const env = { ...process.env, ...options.env };
    this.#child = spawn(process.execPath, [command, ...args], { ...options, env, stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => this.kill('SIGKILL'));
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#changed();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#changed();
    });
    this.#closed = once(this.#child, 'close').then(() => this.#changed());
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the text was printed; rejects when the process ended without it. */
  async untilPrinted(text: string): Promise<void> {
    while (!this.#stdout.includes(text) && !this.#stderr.includes(text)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`the process ended without printing "${text}":\n${this.#stdout}${this.#stderr}`);
      }
      await new Promise<void>((done) => (this.#changed = done));
    }
  }

  async ended(): Promise<Ended> {
    await this.#closed;
    const { exitCode: status, signalCode: signal } = this.#child;
    return { status, signal, stdout: this.#stdout, stderr: this.#stderr };
  }
}

/** Runs a command to its end. */
export function cometmq(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Promise<Ended> {
  return new CometmqProcess(args, options).ended();
}
