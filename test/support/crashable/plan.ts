// What one operation of the crashable file system consists of, and small parts to make such plans from.

import { fileSystemProblem } from '../../../src/store/file-system-problems.ts';

const STEPS_MAX = 8;

export interface Plan<Result> {
  readonly steps: readonly (() => void)[];
  readonly result: () => Result;
  /** Runs instead of the steps when a failure was injected; `errno` is undefined when an Error was given. */
  readonly failed?: ((errno: string | undefined) => void) | undefined;
}

export function failing(
  kind: string,
  path: string,
  error: unknown,
): { kind: string; path: string; steps: (() => void)[]; result: () => never } {
  const fail = (): never => {
    throw error;
  };
  return { kind, path, steps: [fail], result: fail };
}

export function withIndex(error: unknown, index: number): unknown {
  if (!(error instanceof Error) || !('details' in error)) return error;
  const errno = (error.details as { errno: string }).errno;
  const facts = error.details as { path: string; neededBytes?: number; availableBytes?: number };
  return fileSystemProblem(errno, { ...facts, doing: 'write', index }, error);
}

/** Joins many small steps into at most {@link STEPS_MAX}, keeping their order. */
export function intoFewSteps(
  steps: (() => void)[],
  step: () => void,
  index: number,
  all: readonly (() => void)[],
): (() => void)[] {
  const place = Math.floor((index * STEPS_MAX) / all.length);
  const before = all.length <= STEPS_MAX ? undefined : steps[place];
  if (before === undefined) steps.push(step);
  else {
    steps[place] = () => {
      before();
      step();
    };
  }
  return steps;
}

export function never(): Promise<never> {
  return new Promise(() => undefined);
}
