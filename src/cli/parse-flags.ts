// The command line of one subcommand: Node's own parser, with our sentence when it refuses.

import { parseArgs, type ParseArgsConfig } from 'node:util';
import { nearestName } from '../base/config-table.ts';
import { describeError } from '../base/errors.ts';
import { UsageError } from './usage-error.ts';

/** Flags by name, as Node's parser takes them. */
export type FlagOptions = NonNullable<ParseArgsConfig['options']>;

export type Flags<Options extends FlagOptions> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true }>
>;

export function parseFlags<Options extends FlagOptions>(
  args: readonly string[],
  options: Options,
  help: string,
): Flags<Options> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(sentenceOf(error, Object.keys(options)), help);
  }
}

/** Node's message is about how to write an option that is none; what is wanted is the option that was meant. */
function sentenceOf(error: unknown, known: readonly string[]): string {
  const text = (describeError(error).split(/\. |\n/)[0] ?? '').replace(/\.?$/, '.');
  const name = /^Unknown option '(-+)([^']+)'/.exec(text);
  if (name === null) return text;
  const nearest = nearestName(name[2] ?? '', known);
  const hint = nearest === undefined ? '' : ` Did you mean --${nearest}?`;
  return `There is no option ${name[1] ?? ''}${name[2] ?? ''}.${hint}`;
}

/** A whole number from a flag, within bounds. */
export function wholeNumber(name: string, text: string, bounds: { min: number; max: number }, help: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= bounds.min && value <= bounds.max) return value;
  throw new UsageError(`${name} takes a whole number from ${bounds.min} to ${bounds.max}, not "${text}".`, help);
}
