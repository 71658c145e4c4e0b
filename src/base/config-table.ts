// Settings, declared once: from a table come parsing, checks, the printed configuration and the documentation.

import { CometError } from './errors.ts';

export type ConfigErrorCode = 'ERR_CONFIG_UNKNOWN_KEY' | 'ERR_CONFIG_BAD_VALUE' | 'ERR_CONFIG_UNREADABLE';

/** A setting that can't be taken. The sentence names the key, what was found and what may stand there. */
export class ConfigError extends CometError<ConfigErrorCode> {
  override readonly name = 'ConfigError';
}

interface EntryFacts {
  /** What it does, one sentence. */
  readonly sentence: string;
  /** The Java class that has the same key, or 'CometMQ' for one of ours. */
  readonly origin: string;
  /** Must the process start again before a change has an effect? */
  readonly needsRestart: boolean;
  /** Format settings are fixed for the life of a data directory. */
  readonly isFormat?: boolean;
}

export interface IntegerEntry extends EntryFacts {
  readonly type: 'integer';
  readonly unit: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

export interface BooleanEntry extends EntryFacts {
  readonly type: 'boolean';
  readonly default: boolean;
}

export interface TextEntry extends EntryFacts {
  readonly type: 'text';
  readonly default: string;
  /** What may stand there, in words, and the pattern that checks it. */
  readonly form?: string;
  readonly pattern?: RegExp;
}

export interface ChoiceEntry extends EntryFacts {
  readonly type: 'choice';
  readonly default: string;
  readonly choices: readonly string[];
}

export type ConfigEntry = IntegerEntry | BooleanEntry | TextEntry | ChoiceEntry;
export type ConfigTable = Readonly<Record<string, ConfigEntry>>;

/** The values of a table, typed by its entries. */
export type ConfigValues<Table extends ConfigTable> = {
  readonly [Key in keyof Table]: Table[Key] extends IntegerEntry
    ? number
    : Table[Key] extends BooleanEntry
      ? boolean
      : string;
};

/** Keys of Apache's that we know and have no use for, each with the reason. */
export type IgnoredKeys = ReadonlyMap<string, string>;

export interface ReadConfig<Table extends ConfigTable> {
  readonly values: ConfigValues<Table>;
  /** Keys that were set and have no effect here, with the reason. */
  readonly ignored: readonly { readonly key: string; readonly reason: string }[];
}

/**
 * Checks the settings against the table and fills in the defaults.
 * Throws a {@link ConfigError} for an unknown key (naming the nearest one) and for a value that doesn't fit.
 */
export function readConfig<Table extends ConfigTable>(
  table: Table,
  ignoredKeys: IgnoredKeys,
  settings: ReadonlyMap<string, string>,
  source: string,
): ReadConfig<Table> {
  const values: Record<string, number | boolean | string> = {};
  for (const [key, entry] of Object.entries(table)) values[key] = entry.default;
  const ignored: { key: string; reason: string }[] = [];
  for (const [key, text] of settings) {
    const entry = Object.hasOwn(table, key) ? table[key] : undefined;
    if (entry !== undefined) {
      values[key] = parseValue(key, entry, text, source);
      continue;
    }
    const reason = ignoredKeys.get(key);
    if (reason === undefined) throw unknownKey(key, [...Object.keys(table), ...ignoredKeys.keys()], source);
    ignored.push({ key, reason });
  }
  return { values: Object.freeze(values) as ConfigValues<Table>, ignored };
}

function parseValue(key: string, entry: ConfigEntry, text: string, source: string): number | boolean | string {
  const refuse = (expected: string): ConfigError =>
    new ConfigError('ERR_CONFIG_BAD_VALUE', `${source}: ${key}=${text} must be ${expected}.`, { key, value: text });
  switch (entry.type) {
    case 'integer': {
      const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
      if (value >= entry.min && value <= entry.max) return value;
      throw refuse(`a whole number of ${entry.unit} from ${entry.min} to ${entry.max}`);
    }
    case 'boolean':
      if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
      throw refuse('true or false');
    case 'text':
      if (entry.pattern === undefined || entry.pattern.test(text)) return text;
      throw refuse(entry.form ?? 'of another form');
    case 'choice':
      if (entry.choices.includes(text)) return text;
      throw refuse(choicesInWords(entry));
  }
}

/** With a single choice the reason matters more than the value. */
function choicesInWords({ choices, sentence }: ChoiceEntry): string {
  if (choices.length > 1) return `one of ${choices.join(', ')}`;
  return `${choices[0] === '' ? 'empty' : (choices[0] ?? '')}: ${sentence.replace(/\.$/, '')}`;
}

function unknownKey(key: string, known: readonly string[], source: string): ConfigError {
  const nearest = nearestName(key, known);
  const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  return new ConfigError(
    'ERR_CONFIG_UNKNOWN_KEY',
    `${source}: there is no setting "${key}".${hint} See docs/CONFIGURATION.md for all of them.`,
    { key, nearest },
  );
}

/** The known name with the fewest edits, when it is near enough to be what was meant. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] as number) + 1, (current[column - 1] as number) + 1));
    }
    previous = current;
  }
  return previous[b.length] as number;
}
