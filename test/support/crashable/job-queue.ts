// Work of the crashable file system that goes on "off the loop": each job is a few steps with seeded pauses between them, so
// that a crash may fall between any two of them.

import type { Prng } from '../../../src/base/prng.ts';

export interface Job<Result> {
  readonly kind: string;
  readonly path: string;
  /** Done one by one; one that throws rejects the job. */
  readonly steps: readonly (() => void)[];
  result(): Result;
}

interface RunningJob {
  readonly kind: string;
  readonly path: string;
  readonly steps: readonly (() => void)[];
  nextStep: number;
  pausesLeft: number;
  finish(): void;
  fail(error: unknown): void;
}

export interface JobQueueOptions {
  readonly prng: Prng;
  readonly defer: (task: () => void) => void;
  readonly pausesMax: number;
  /** Called before each step; false ends everything: the machine is gone. */
  readonly beforeStep: (kind: string, path: string) => boolean;
}

export class JobQueue {
  readonly #options: JobQueueOptions;
  readonly #running = new Set<RunningJob>();
  readonly #held = new Map<string, RunningJob[]>();
  #isDead = false;

  constructor(options: JobQueueOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#running.size;
  }

  run<Result>(job: Job<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const running: RunningJob = {
        kind: job.kind,
        path: job.path,
        steps: job.steps,
        nextStep: 0,
        pausesLeft: this.#options.prng.below(this.#options.pausesMax + 1),
        finish: () => resolve(job.result()),
        fail: reject,
      };
      this.#running.add(running);
      this.#defer(running);
    });
  }

  /** Jobs of this kind do their steps but don't report until {@link release}. */
  hold(kind: string): void {
    if (!this.#held.has(kind)) this.#held.set(kind, []);
  }

  release(kind: string): void {
    const held = this.#held.get(kind) ?? [];
    this.#held.delete(kind);
    for (const job of held) this.#defer(job);
  }

  /** The moment of a crash: of what is under way some steps happened and some did not. Nothing ever reports again. */
  die(): void {
    this.#isDead = true;
    for (const job of this.#running) {
      const stepsLeft = job.steps.length - job.nextStep;
      const steps = job.steps.slice(job.nextStep, job.nextStep + this.#options.prng.below(stepsLeft + 1));
      runUntilOneFails(steps);
    }
    this.#running.clear();
    this.#held.clear();
  }

  #defer(job: RunningJob): void {
    this.#options.defer(() => this.#turn(job));
  }

  #turn(job: RunningJob): void {
    if (this.#isDead) return;
    if (job.pausesLeft > 0 && this.#options.prng.chance(0.5)) {
      job.pausesLeft--;
      this.#defer(job);
      return;
    }
    const step = job.steps[job.nextStep];
    if (step === undefined) this.#end(job);
    else if (this.#options.beforeStep(job.kind, job.path)) this.#runStep(job, step);
  }

  #runStep(job: RunningJob, step: () => void): void {
    job.nextStep++;
    try {
      step();
    } catch (error) {
      this.#running.delete(job);
      job.fail(error);
      return;
    }
    this.#defer(job);
  }

  #end(job: RunningJob): void {
    const held = this.#held.get(job.kind);
    if (held !== undefined) {
      held.push(job);
      return;
    }
    this.#running.delete(job);
    job.finish();
  }
}

/** A step that fails at the moment of the crash has no one left to report to; the steps after it don't happen. */
function runUntilOneFails(steps: readonly (() => void)[]): void {
  try {
    for (const step of steps) step();
  } catch {
    return;
  }
}
