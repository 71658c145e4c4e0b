/**
 * One running JVM: its output line by line, commands to its stdin, an orderly and an immediate end.
 *
 * Our Java programs print one JSON object per line (a "fact"); Apache's own print text, which is kept as lines. Every JVM that a test
 * process started dies with that process.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export type Fact = { readonly fact: string } & Readonly<Record<string, unknown>>;

export interface JavaExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface JavaOptions {
  readonly classPath: string;
  readonly mainClass: string;
  readonly args?: readonly string[];
  readonly jvmArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
}

/** What the servers and clients of Apache need on JDK 17. */
const JDK17_FLAGS = [
  '--add-exports=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-exports=java.base/sun.security.x509=ALL-UNNAMED',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
  '--add-opens=java.base/java.util=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/java.util.concurrent=ALL-UNNAMED',
  '--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED',
];

const STDERR_LINES_MAX = 200;
/** Logback describes its own set-up on stdout, hundreds of lines a start. */
const LOGBACK_SETUP = /\|-(INFO|WARN) in org\.apache\.rocketmq\.logging/;
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
});

interface Waiter {
  readonly check: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class JavaProgram {
  readonly pid: number;
  readonly exited: Promise<JavaExit>;
  /** Every line of stdout that was not a fact. */
  readonly lines: string[] = [];
  readonly facts: Fact[] = [];
  readonly #child: ChildProcess;
  readonly #mainClass: string;
  readonly #errors: string[] = [];
  readonly #waiters = new Set<Waiter>();
  #exit: JavaExit | undefined;

  private constructor(child: ChildProcess, mainClass: string) {
    if (child.pid === undefined) {
      throw new Error(`java did not start for ${mainClass}: install a JDK 17`);
    }
    this.#child = child;
    this.#mainClass = mainClass;
    this.pid = child.pid;
    running.add(child);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#exit = { code, signal };
        running.delete(child);
        this.#wake();
        resolve(this.#exit);
      });
    });
    this.#readOutput();
  }

  static async start(options: JavaOptions): Promise<JavaProgram> {
    const jvm = [...JDK17_FLAGS, ...(options.jvmArgs ?? [])];
    const args = [...jvm, '-cp', options.classPath, options.mainClass, ...(options.args ?? [])];
    const child = spawn('java', args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.workingDirectory === undefined ? {} : { cwd: options.workingDirectory }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new Error(`java did not start: ${error.message}; install a JDK 17`)));
    });
    return new JavaProgram(child, options.mainClass);
  }

  /** The JVM's pid is alive and nobody has ended it. */
  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** The last lines of stderr, for error messages. */
  get errorText(): string {
    return this.#errors.join('\n');
  }

  factsOf(kind: string): Fact[] {
    return this.facts.filter((fact) => fact.fact === kind);
  }

  /** Writes one command line to the program's stdin. */
  send(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Resolves when `check` holds (looked at after every line); rejects when the program ends first or the time is over. */
  async waitUntil(check: (program: JavaProgram) => boolean, timeoutMs: number, what: string): Promise<void> {
    if (check(this)) {
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(this.#failure(`${what} did not happen within ${timeoutMs} ms`));
      }, timeoutMs);
      const waiter: Waiter = { check: () => check(this), resolve, reject, timer };
      this.#waiters.add(waiter);
      this.#wake();
    });
  }

  async waitForFacts(kind: string, count: number, timeoutMs: number): Promise<Fact[]> {
    let seen = 0;
    let scanned = 0;
    const enough = (): boolean => {
      for (; scanned < this.facts.length; scanned++) {
        seen += this.facts[scanned]?.fact === kind ? 1 : 0;
      }
      return seen >= count;
    };
    await this.waitUntil(enough, timeoutMs, `fact "${kind}" number ${count}`);
    return this.factsOf(kind);
  }

  /** Says "stop" on stdin and waits for the program's own end; rejects unless it ended with status 0. */
  async finish(timeoutMs = 60_000): Promise<void> {
    this.send('stop');
    const exit = await this.#exitWithin(timeoutMs);
    if (exit.code !== 0) {
      throw this.#failure(`ended with ${describe(exit)} instead of status 0`);
    }
  }

  /** SIGTERM, then waits for the end. */
  async stop(timeoutMs = 60_000): Promise<JavaExit> {
    this.#child.kill('SIGTERM');
    return this.#exitWithin(timeoutMs);
  }

  /** SIGKILL, then waits for the end. */
  async kill(): Promise<JavaExit> {
    this.#child.kill('SIGKILL');
    return this.exited;
  }

  async #exitWithin(timeoutMs: number): Promise<JavaExit> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        this.#child.kill('SIGKILL');
        reject(this.#failure(`did not end within ${timeoutMs} ms and was killed`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([this.exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #readOutput(): void {
    const { stdout, stderr, stdin } = this.#child;
    if (stdout === null || stderr === null || stdin === null) {
      throw new Error('a JVM is started with three pipes');
    }
    // A program that ends while we write to it is reported by its exit, not by the broken pipe.
    stdin.on('error', () => undefined);
    createInterface({ input: stdout }).on('line', (line) => this.#onLine(line));
    createInterface({ input: stderr }).on('line', (line) => {
      this.#errors.push(line);
      if (this.#errors.length > STDERR_LINES_MAX) {
        this.#errors.shift();
      }
    });
  }

  #onLine(line: string): void {
    if (line.startsWith('{"fact":')) {
      this.facts.push(JSON.parse(line) as Fact);
    } else if (!LOGBACK_SETUP.test(line)) {
      this.lines.push(line);
    }
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      const done = waiter.check();
      if (done || this.#exit !== undefined) {
        clearTimeout(waiter.timer);
        this.#waiters.delete(waiter);
        if (done) {
          waiter.resolve();
        } else {
          waiter.reject(this.#failure(`ended with ${describe(this.#exit)} while a test waited for it`));
        }
      }
    }
  }

  #failure(what: string): Error {
    const tail = [...this.lines.slice(-5), ...this.facts.slice(-3).map((fact) => JSON.stringify(fact))].join('\n');
    return new Error(`${this.#mainClass} (pid ${this.pid}) ${what}\n${tail}\n${this.#errors.slice(-20).join('\n')}`);
  }
}

function describe(exit: JavaExit | undefined): string {
  return exit?.signal ?? `status ${String(exit?.code)}`;
}
