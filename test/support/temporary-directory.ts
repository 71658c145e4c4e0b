// A directory of its own for a test, removed when the test (or the file, when asked for at the top of one) is over.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface TemporaryDirectory {
  readonly path: string;
  remove(): void;
}

/** Outside tests, or for a whole file: the caller removes it (`afterAll(() => directory.remove())`). */
export function makeTemporaryDirectory(parent = tmpdir()): TemporaryDirectory {
  const path = mkdtempSync(join(parent, 'cometmq-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Inside a test: its path; removed after the test, whether it passed or not. */
export function temporaryDirectory(parent?: string): string {
  const directory = makeTemporaryDirectory(parent);
  onTestFinished(() => directory.remove());
  return directory.path;
}
