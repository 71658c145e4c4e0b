// The file that tells a script that the server answers: one JSON object, there as a whole or not at all.

import { renameSync, writeFileSync } from 'node:fs';

export interface ReadyFacts {
  readonly namesrv?: string;
  readonly broker?: string;
  readonly dataDir?: string;
  readonly pid: number;
  /** From the start of the process. */
  readonly startedInMs: number;
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
