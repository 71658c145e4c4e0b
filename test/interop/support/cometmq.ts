/**
 * Our server as its users run it: the built command in a process of its own, started and ended by signals.
 *
 * A start resolves when the ready file is there. `COMETMQ_BIN` names another build of the command (an installed package, say);
 * without it the build of this tree is brought up to date first.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const REPOSITORY_ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 10;
const STDERR_LINES_MAX = 2_000;
const NAMESRV_PORT = 9_876;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface CometmqExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

let built: string | undefined;

/** The command's file; builds it at the first call of a test process. */
export function cometmqCommand(): string {
  if (built !== undefined) return built;
  const named = process.env['COMETMQ_BIN'];
  if (named === undefined) {
    const result = spawnSync(process.execPath, [path.join(REPOSITORY_ROOT, 'scripts/prepare.mjs')], {
      encoding: 'utf8',
    });
    if (result.status !== 0) throw new Error(`the build failed:\n${result.stdout}${result.stderr}`);
  }
  built = named ?? path.join(REPOSITORY_ROOT, 'dist/cli/cometmq.js');
  return built;
}

/** Runs the command to its end. */
export function runCometmq(args: readonly string[]): { readonly code: number | null; readonly output: string } {
  const result = spawnSync(process.execPath, [cometmqCommand(), ...args], {
    encoding: 'utf8',
    timeout: START_TIMEOUT_MS,
    maxBuffer: 256 * 1024 * 1024,
  });
  return { code: result.status, output: `${result.stdout}${result.stderr}` };
}

/** One process of ours that serves. */
export class CometmqProcess {
  readonly pid: number;
  /** 'host:port', empty when this process has none. */
  readonly namesrv: string;
  readonly broker: string;
  readonly exited: Promise<CometmqExit>;
  readonly #child: ChildProcess;
  readonly #errorLines: string[];

  private constructor(child: ChildProcess, exited: Promise<CometmqExit>, errorLines: string[], readyFile: string) {
    const ready = JSON.parse(readFileSync(readyFile, 'utf8')) as { pid: number; namesrv?: string; broker?: string };
    this.#child = child;
    this.exited = exited;
    this.#errorLines = errorLines;
    this.pid = ready.pid;
    this.namesrv = ready.namesrv ?? '';
    this.broker = ready.broker ?? '';
  }

  /** `args` as on the command line, without --ready-file. */
  static async start(args: readonly string[], home: string): Promise<CometmqProcess> {
    mkdirSync(home, { recursive: true });
    const readyFile = path.join(home, 'ready.json');
    rmSync(readyFile, { force: true });
    const child = spawn(process.execPath, [cometmqCommand(), ...args, '--ready-file', readyFile], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, COMETMQ_VERIFY: undefined },
    });
    running.add(child);
    const errorLines: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      errorLines.push(line);
      if (errorLines.length > STDERR_LINES_MAX) errorLines.shift();
    });
    const exited = new Promise<CometmqExit>((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
    });
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!existsSync(readyFile)) {
      const hasEnded = !running.has(child);
      if (hasEnded || Date.now() > deadline) {
        child.kill('SIGKILL');
        const how = hasEnded ? `ended with ${JSON.stringify(await exited)}` : 'was not ready in time';
        throw new Error(`cometmq ${args.join(' ')} ${how}\n${errorLines.slice(-20).join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
    return new CometmqProcess(child, exited, errorLines, readyFile);
  }

  /** What it wrote to standard error. */
  get errorText(): string {
    return this.#errorLines.join('\n');
  }

  /** Log lines of level "error". */
  get loggedErrors(): string[] {
    return this.#errorLines.filter((line) => line.includes('"level":"error"'));
  }

  /** SIGTERM; rejects unless that ends it with status 0 in time. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), STOP_TIMEOUT_MS);
    });
    const exit = await Promise.race([this.exited, late]);
    clearTimeout(timer);
    if (exit?.code === 0) return;
    this.#child.kill('SIGKILL');
    const how = exit === undefined ? 'did not stop in time' : `ended with ${JSON.stringify(exit)} instead of status 0`;
    throw new Error(`cometmq (pid ${this.pid}) ${how}\n${this.#errorLines.slice(-20).join('\n')}`);
  }

  /** SIGKILL; resolves at the end of the process. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

export interface CometmqOptions {
  readonly dataDir: string;
  readonly namesrvPort: number;
  readonly brokerPort: number;
  readonly brokerConfigFile?: string;
  /** Settings by Apache's keys. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
}

/** `cometmq start`: name server and broker in one process. */
export function startCometmq(options: CometmqOptions): Promise<CometmqProcess> {
  const settings = { listenPort: options.brokerPort, ...options.settings };
  return CometmqProcess.start(
    [
      'start',
      ...['--data', options.dataDir],
      ...['--port-offset', String(options.namesrvPort - NAMESRV_PORT)],
      ...(options.brokerConfigFile === undefined ? [] : ['--config', options.brokerConfigFile]),
      ...Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ],
    `${options.dataDir}.process`,
  );
}

/** Looks again and again until `check` holds. */
export async function until(check: () => boolean | Promise<boolean>, timeoutMs: number, what: string): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
