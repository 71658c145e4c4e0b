// The one base class of errors that a caller may meet. Each layer has its own closed list of codes.

/**
 * An operating failure: something outside the program went wrong (a disk, a peer, a file, a setting).
 * `message` is one sentence that says what happened and what to do next; `code` is from a closed list and stays stable.
 */
export class CometError<Code extends string = string> extends Error {
  override readonly name: string = 'CometError';
  readonly code: Code;
  /** The facts behind the sentence, with units in the names. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, details: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = Object.freeze({ ...details });
  }
}

/** The text of anything that was thrown, for log lines and messages. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node system error or of a {@link CometError}, or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
