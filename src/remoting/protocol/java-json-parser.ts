// Reads JSON bodies in both flavours. Standard JSON goes to JSON.parse; what that can't read (bare integer keys, objects as
// keys) or would read wrongly (integers beyond 2^53) goes to the parser here: one pass, bounded depth, nothing guessed.

import { invalidParameter } from './remoting-errors.ts';
import type { RequestError } from './remoting-errors.ts';

export type ParsedJson = string | number | bigint | boolean | null | readonly ParsedJson[] | ParsedObject | ParsedMap;

/** Object with string keys; bare integer keys arrive as the strings of their digits. */
export interface ParsedObject {
  readonly [name: string]: ParsedJson | undefined;
}

/** A map with at least one object as key. Its other keys are strings. */
export type ParsedMap = ReadonlyMap<ParsedJson, ParsedJson>;

export interface ParseLimits {
  /** Objects and arrays within each other. Apache's own bodies have at most eight levels. */
  readonly depthMax: number;
  readonly sizeBytesMax: number;
}

export const defaultParseLimits: ParseLimits = { depthMax: 16, sizeBytesMax: 16 * 1024 * 1024 };

/** Integers of up to this many digits are exact as numbers. */
const SAFE_DIGITS = 15;

/** Throws RequestError INVALID_PARAMETER that says what is wrong and where. */
export function parseJavaJson(bytes: Buffer, limits: ParseLimits = defaultParseLimits): ParsedJson {
  if (bytes.length > limits.sizeBytesMax) {
    throw invalidParameter(`The JSON body has ${bytes.length} bytes, the limit is ${limits.sizeBytesMax}.`);
  }
  const { depth, hasLongInteger } = survey(bytes);
  if (depth > limits.depthMax) {
    throw invalidParameter(`The JSON body is ${depth} levels deep, the limit is ${limits.depthMax}.`);
  }
  const text = bytes.toString('utf8');
  if (!hasLongInteger) {
    try {
      return JSON.parse(text) as ParsedJson;
    } catch {
      // Not standard JSON. The parser below reads the loose form, or words the refusal.
    }
  }
  return new LooseParser(text).parse();
}

/** Measures before anything is built: the deepest nesting, and whether a number has more digits than a double holds. */
function survey(bytes: Buffer): { depth: number; hasLongInteger: boolean } {
  let depth = 0;
  let deepest = 0;
  let digits = 0;
  let hasLongInteger = false;
  let inString = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    if (inString) {
      if (byte === 0x5c) index++;
      else if (byte === 0x22) inString = false;
    } else if (byte >= 0x30 && byte <= 0x39) {
      if (++digits > SAFE_DIGITS) hasLongInteger = true;
    } else {
      digits = 0;
      if (byte === 0x22) inString = true;
      else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth);
      else if (byte === 0x7d || byte === 0x5d) depth--;
    }
  }
  return { depth: deepest, hasLongInteger };
}

/** Recursive descent; `survey` has bounded the depth. */
class LooseParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): ParsedJson {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at !== this.#text.length) throw this.#refusal('nothing more');
    return value;
  }

  #value(): ParsedJson {
    this.#skipSpace();
    const character = this.#text[this.#at];
    switch (character) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(): ParsedObject | ParsedMap {
    const members: [ParsedJson, ParsedJson][] = [];
    let hasObjectKey = false;
    this.#at++;
    if (this.#nextIs('}')) return {};
    do {
      this.#skipSpace();
      const character = this.#text[this.#at];
      const key = character === '"' ? this.#string() : character === '{' ? this.#object() : this.#integerKey();
      hasObjectKey ||= typeof key === 'object';
      this.#expect(':');
      members.push([key, this.#value()]);
    } while (this.#nextIs(','));
    this.#expect('}');
    // fromEntries defines members, so a key named __proto__ is a member like any other.
    return hasObjectKey ? new Map(members) : Object.fromEntries(members as [string, ParsedJson][]);
  }

  #array(): readonly ParsedJson[] {
    const items: ParsedJson[] = [];
    this.#at++;
    if (this.#nextIs(']')) return items;
    do items.push(this.#value());
    while (this.#nextIs(','));
    this.#expect(']');
    return items;
  }

  #string(): string {
    const start = this.#at;
    let end = start + 1;
    for (;;) {
      const code = this.#text.charCodeAt(end);
      if (code === 0x22) break;
      if (code !== code) throw this.#refusal('the end of a string');
      end += code === 0x5c ? 2 : 1;
    }
    this.#at = end + 1;
    try {
      return JSON.parse(this.#text.slice(start, end + 1)) as string;
    } catch {
      this.#at = start;
      throw this.#refusal('a valid string');
    }
  }

  #integerKey(): string {
    return this.#match(/-?\d+/y, 'a key');
  }

  #number(): number | bigint {
    const text = this.#match(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y, 'a value');
    const value = Number(text);
    if (Number.isSafeInteger(value) || !/^-?\d+$/.test(text)) return value;
    if (text.length > 20 || BigInt.asIntN(64, BigInt(text)) !== BigInt(text)) throw this.#refusal('a 64-bit integer');
    return BigInt(text);
  }

  #word<Value extends boolean | null>(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) throw this.#refusal('a value');
    this.#at += word.length;
    return value;
  }

  #match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw this.#refusal(what);
    this.#at += found.length;
    return found;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #nextIs(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#nextIs(character)) throw this.#refusal(`'${character}'`);
  }

  #refusal(expected: string): RequestError {
    return invalidParameter(`The body is not JSON: expected ${expected} at character ${this.#at}.`);
  }
}
