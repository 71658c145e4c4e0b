// Counts and names what a crashable file system is asked to do, fails what it was told to fail, and knows when to stop.

import { fileSystemProblem } from '../../../src/store/file-system-problems.ts';

export type OperationKind =
  | 'openRegion'
  | 'region.sync'
  | 'region.populate'
  | 'region.prepare'
  | 'region.readAt'
  | 'region.zeroRange'
  | 'region.close'
  | 'readFile'
  | 'readFileAt'
  | 'writeFiles'
  | 'replaceFile'
  | 'list'
  | 'status'
  | 'makeDirectory'
  | 'remove'
  | 'removeTree'
  | 'rename'
  | 'syncDirectory'
  | 'syncAll'
  | 'spaceOf'
  | 'lockFile';

export interface TracedOperation {
  readonly index: number;
  readonly kind: OperationKind;
  readonly path: string;
}

interface InjectedFailure {
  readonly kind: OperationKind;
  readonly error: string | Error;
  callsLeft: number;
  timesLeft: number;
}

const TRACE_LENGTH_MAX = 2_000;
const readingKinds: ReadonlySet<OperationKind> = new Set([
  'readFile',
  'readFileAt',
  'region.readAt',
  'region.populate',
  'list',
  'status',
  'spaceOf',
]);

export class OperationLog {
  readonly trace: TracedOperation[] = [];
  readonly #failures: InjectedFailure[] = [];
  #count = 0;
  #crashAt: number | undefined;

  /** Calls and steps that change something. */
  get count(): number {
    return this.#count;
  }

  /** The operation that makes {@link count} this number does not happen. */
  crashAt(count: number): void {
    this.#crashAt = count;
  }

  failNth(failure: InjectedFailure): void {
    this.#failures.push(failure);
  }

  endFailures(): void {
    this.#failures.length = 0;
  }

  note(kind: OperationKind, path: string): void {
    if (this.trace.length === TRACE_LENGTH_MAX) this.trace.shift();
    this.trace.push({ index: this.#count, kind, path });
  }

  /** Counts one call or step; true when the crash point is reached. */
  countAndCheck(kind: OperationKind, path: string): boolean {
    if (readingKinds.has(kind)) return false;
    this.#count++;
    if (this.#crashAt === undefined || this.#count < this.#crashAt) return false;
    this.note(kind, `${path} (the machine stopped here)`);
    return true;
  }

  /** The failure that this call must meet, if any. */
  takeFailure(kind: OperationKind, path: string): { errno: string | undefined; error: Error } | undefined {
    for (const failure of this.#failures) {
      if (failure.kind !== kind || failure.timesLeft === 0) continue;
      failure.callsLeft = Math.max(0, failure.callsLeft - 1);
      if (failure.callsLeft > 0) continue;
      failure.timesLeft--;
      if (typeof failure.error !== 'string') return { errno: undefined, error: failure.error };
      return { errno: failure.error, error: fileSystemProblem(failure.error, { doing: kind, path }) };
    }
    return undefined;
  }
}
