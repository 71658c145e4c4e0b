// Takes typed values out of a parsed JSON body. Lenient as Java's reader: a member that is missing or null has the default;
// a number may arrive as a string and a string as a number. Another shape is refused with the path of the member.

import type { ParsedJson } from './java-json-parser.ts';
import { invalidParameter } from './remoting-errors.ts';
import type { RequestError } from './remoting-errors.ts';

/** A JSON object whose members are read by name. */
export class BodyReader {
  readonly #members: ReadonlyMap<string, ParsedJson>;
  readonly #path: string;

  /** Throws RequestError INVALID_PARAMETER when `value` is no object. */
  constructor(value: ParsedJson | undefined, path = 'body') {
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal(path, 'an object');
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    this.#members = new Map(
      entries.filter((entry): entry is [string, ParsedJson] => typeof entry[0] === 'string' && entry[1] !== null),
    );
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  names(): Iterable<string> {
    return this.#members.keys();
  }

  string(name: string, absent = ''): string {
    return this.optionalString(name) ?? absent;
  }

  optionalString(name: string): string | undefined {
    const value = this.#members.get(name);
    if (value === undefined || typeof value === 'string') return value;
    if (typeof value === 'object') throw refusal(this.#pathOf(name), 'a string');
    return String(value);
  }

  int(name: string, absent = 0): number {
    const value = this.long(name, absent);
    if (value !== (value | 0)) throw refusal(this.#pathOf(name), 'a 32-bit integer');
    return value;
  }

  /** An integer that fits a number exactly. */
  long(name: string, absent = 0): number {
    const raw = this.#members.get(name);
    if (raw === undefined || raw === '') return absent;
    const value = typeof raw === 'string' && /^[+-]?\d+$/.test(raw) ? Number(raw) : raw;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    throw refusal(this.#pathOf(name), 'an integer between -(2^53 - 1) and 2^53 - 1');
  }

  boolean(name: string, absent = false): boolean {
    const value = this.#members.get(name);
    if (value === undefined) return absent;
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    throw refusal(this.#pathOf(name), 'true or false');
  }

  /** An object member; undefined when it is missing. */
  object(name: string): BodyReader | undefined {
    const value = this.#members.get(name);
    return value === undefined ? undefined : new BodyReader(value, this.#pathOf(name));
  }

  /** The objects of an array member; none when it is missing. */
  objects(name: string): BodyReader[] {
    return this.#array(name).map((item, index) => new BodyReader(item, `${this.#pathOf(name)}[${index}]`));
  }

  strings(name: string): string[] {
    return this.#array(name).map((item) => {
      if (typeof item === 'string') return item;
      throw refusal(this.#pathOf(name), 'an array of strings');
    });
  }

  /** The raw value, for what has no fixed type. */
  value(name: string): ParsedJson | undefined {
    return this.#members.get(name);
  }

  #array(name: string): readonly ParsedJson[] {
    const value = this.#members.get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw refusal(this.#pathOf(name), 'an array');
    return value as readonly ParsedJson[];
  }

  #pathOf(name: string): string {
    return `${this.#path}.${name}`;
  }
}

function refusal(path: string, expected: string): RequestError {
  return invalidParameter(`${path} must be ${expected}.`);
}
