// What the process tells its caller when it ends.

export const ExitStatus = {
  /** Done, or stopped cleanly. */
  OK: 0,
  /** It could not start, or the command failed; one sentence on standard error says why. */
  FAILED: 1,
  /** The command line or a configuration file is wrong. */
  USAGE: 2,
  /** `store check` found violations. */
  VIOLATIONS: 3,
  /** The store fenced itself (a sync failed): the data directory needs a look before the next start. */
  FENCED: 4,
} as const;

/** For the help of commands that run a server. */
export const STATUS_HELP = `  Ends with 0 after a clean stop (SIGTERM, SIGINT), 130 or 143 when a second signal cut that short,
  1 when it could not start, 2 for a wrong command line or setting, 4 when a sync failed.
`;

/** A second signal ends the process at once, as the signal itself would have: 130 for SIGINT, 143 for SIGTERM. */
export function statusOfSignal(signal: 'SIGINT' | 'SIGTERM'): number {
  return signal === 'SIGINT' ? 130 : 143;
}
