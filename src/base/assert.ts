// Assertions that stay on in production: what they claim is proven, so a failure is a bug and must stop the work.

/** Thrown by {@link assert}. Never caught inside the project: the process must not go on with a broken invariant. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/**
 * Stops when `condition` is false.
 * `message` is a constant: a template string would be built on every call, also when the check passes.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Marks a branch that the types say can't be reached. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable: ${String(value)}`);
}

const verifying = process.env['COMETMQ_VERIFY'] === '1';

/** Runs a costly check, only when COMETMQ_VERIFY=1 (every test run sets it). */
export function verify(check: () => boolean, message: string): void {
  if (verifying) assert(check(), message);
}
