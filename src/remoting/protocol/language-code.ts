// Which implementation a peer says it is (Java: LanguageCode). Only a label: behaviour never depends on ours.

export const LanguageCode = {
  JAVA: 0,
  CPP: 1,
  DOTNET: 2,
  PYTHON: 3,
  DELPHI: 4,
  ERLANG: 5,
  RUBY: 6,
  OTHER: 7,
  HTTP: 8,
  GO: 9,
  PHP: 10,
  OMS: 11,
  RUST: 12,
  NODE_JS: 13,
} as const;

/** The name as it stands in a JSON header. */
export type LanguageName = keyof typeof LanguageCode;

const names = Object.keys(LanguageCode) as LanguageName[];
const byName: ReadonlyMap<string, LanguageName> = new Map(names.map((name) => [name, name]));

/** Of a binary header's byte; a number that RocketMQ does not know becomes OTHER. */
export function languageOfCode(code: number): LanguageName {
  return names[code] ?? 'OTHER';
}

/** Of a JSON header's name; a name that RocketMQ does not know becomes OTHER. */
export function languageOfName(name: string): LanguageName {
  return byName.get(name) ?? 'OTHER';
}
