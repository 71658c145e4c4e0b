// Settings from the command line, and what is said about those without an effect.

import { UsageError } from './usage-error.ts';

/** `--set KEY=VALUE` texts as overrides. */
export function parseSettings(settings: readonly string[], help: string): Record<string, string> {
  const parsed: Record<string, string> = {};
  for (const setting of settings) {
    const at = setting.indexOf('=');
    if (at < 1) throw new UsageError(`--set takes KEY=VALUE, not "${setting}".`, help);
    parsed[setting.slice(0, at)] = setting.slice(at + 1);
  }
  return parsed;
}

export function tellIgnored(ignored: readonly { readonly key: string; readonly reason: string }[]): void {
  for (const { key, reason } of ignored) process.stderr.write(`cometmq: ${key} has no effect: ${reason}\n`);
}
