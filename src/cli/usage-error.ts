// A command line that makes no sense; the message says what, and `help` is the command that explains how.

export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly help: string;

  constructor(message: string, help: string) {
    super(message);
    this.help = help;
  }
}
