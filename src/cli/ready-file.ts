// The file that tells a script that the server answers: one JSON object, there as a whole or not at all.

import { accessSync, constants, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describeError } from '../base/errors.ts';
import { UsageError } from './usage-error.ts';

export interface ReadyFacts {
  readonly namesrv?: string;
  readonly broker?: string;
  readonly dataDir?: string;
  readonly pid: number;
  /** From the start of the process. */
  readonly startedInMs: number;
}

/** Takes the file of an earlier run away, so that nobody takes it for this one; a path that can't be used is refused before the start. */
export function prepareReadyFile(path: string | undefined, help: string): void {
  if (path === undefined) return;
  try {
    rmSync(path, { force: true });
    accessSync(dirname(resolve(path)), constants.W_OK);
  } catch (error) {
    throw new UsageError(`--ready-file ${path} can't be written (${describeError(error)}).`, help);
  }
}

export function writeReadyFile(path: string, facts: ReadyFacts): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(facts)}\n`);
  renameSync(temporary, path);
}

/** Milliseconds since this process was started. */
export function startedInMs(): number {
  return Math.round(performance.now());
}
