// Reads the JSON form of a header, the one every client uses by default: one flat object whose extFields are strings.
//
// It goes over the bytes once and cuts the values out of one string: this takes two thirds of the time of JSON.parse and
// needs no second walk over an object. It knows the form that Java, Go and C++ clients emit (no white space, ASCII, plain keys);
// whatever else arrives is read with JSON.parse.

import { assert } from '../../base/assert.ts';
import { ExtFields, noExtFields } from './ext-fields.ts';
import { languageOfName } from './language-code.ts';
import type { LanguageName } from './language-code.ts';
import type { CommandHeader } from './remoting-command.ts';
import { RemotingError } from './remoting-errors.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

const asciiCharacters: readonly string[] = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));

/** Decodes `bytes[start, end)`. Throws RemotingError ERR_REMOTING_MALFORMED_FRAME. */
export function decodeJsonHeader(bytes: Buffer, start: number, end: number, extFieldCountMax: number): CommandHeader {
  assert(start >= 0 && end <= bytes.length, 'a header lies inside its frame');
  const header = scanHeader(bytes, start, end) ?? parseHeader(bytes.toString('utf8', start, end));
  if (header.extFields.flat.length > extFieldCountMax * 2) {
    throw new RemotingError(
      'ERR_REMOTING_MALFORMED_FRAME',
      `The header has ${header.extFields.flat.length / 2} ext fields, the limit is ${extFieldCountMax}.`,
    );
  }
  return header;
}

/** `"name":` of each member, by its first letter; the letters are all different. */
const membersByLetter = new Map(
  ['code', 'extFields', 'flag', 'language', 'opaque', 'remark', 'serializeTypeCurrentRPC', 'version'].map((name) => [
    name.charCodeAt(0),
    Buffer.from(`"${name}":`),
  ]),
);
const memberOfLetter: readonly (Buffer | undefined)[] = Array.from({ length: 256 }, (_, letter) =>
  membersByLetter.get(letter),
);
const LETTER = {
  code: 0x63,
  extFields: 0x65,
  flag: 0x66,
  language: 0x6c,
  opaque: 0x6f,
  remark: 0x72,
  version: 0x76,
} as const;

/** One pass over a header in the usual form. Gives up (undefined) on anything unusual; it never judges. */
function scanHeader(bytes: Buffer, start: number, end: number): CommandHeader | undefined {
  // One character per byte: the same positions, less `start`.
  const text = bytes.toString('latin1', start, end);
  const flat: string[] = [];
  let [code, version, opaque, flag] = [0, 0, 0, 0];
  let language: LanguageName = 'OTHER';
  let remark: string | undefined;
  let at = start;
  let separator = bytes[at++];
  if (separator !== OPEN) return undefined;
  do {
    const letter = bytes[at + 1] ?? 0;
    const member = memberOfLetter[letter];
    if (member === undefined || !startsWith(bytes, at, member)) return undefined;
    at += member.length;
    const first = bytes[at];
    let next: number;
    if (letter === LETTER.extFields) {
      next = scanExtFields(bytes, text, at, start, flat);
    } else if (first === QUOTE) {
      next = plainEnd(bytes, at) + 1;
      if (letter === LETTER.language) language = languageOfName(text.slice(at + 1 - start, next - 1 - start));
      else if (letter === LETTER.remark) remark = text.slice(at + 1 - start, next - 1 - start);
      else if (
        letter === LETTER.code ||
        letter === LETTER.flag ||
        letter === LETTER.opaque ||
        letter === LETTER.version
      )
        return undefined;
    } else {
      next = integerEnd(bytes, at);
      const value = integer(bytes, at, next);
      if (value !== (value | 0)) return undefined;
      if (letter === LETTER.code) code = value;
      else if (letter === LETTER.flag) flag = value;
      else if (letter === LETTER.opaque) opaque = value;
      else if (letter === LETTER.version) version = value;
      else return undefined;
    }
    if (next <= at || next >= end) return undefined;
    separator = bytes[next];
    at = next + 1;
  } while (separator === COMMA);
  if (separator !== CLOSE || at !== end) return undefined;
  const extFields = flat.length === 0 ? noExtFields : new ExtFields(flat);
  return { code, language, version, opaque, flag, remark, extFields };
}

/**
 * Appends names and values to `flat` and returns the position behind the object; -1 to give up.
 * Nearly all bytes of a header pass here, so the loops over them are written out: as calls they take a third more time.
 */
function scanExtFields(bytes: Buffer, text: string, from: number, start: number, flat: string[]): number {
  let at = from;
  if (bytes[at++] !== OPEN) return -1;
  if (bytes[at] === CLOSE) return at + 1;
  for (;;) {
    if (bytes[at++] !== QUOTE) return -1;
    let end = at;
    while (isPlain[bytes[end] as number] === 1) end++;
    if (bytes[end] !== QUOTE || bytes[end + 1] !== COLON || bytes[end + 2] !== QUOTE) return -1;
    flat.push(end === at + 1 ? (asciiCharacters[bytes[at] as number] as string) : text.slice(at - start, end - start));
    at = end = end + 3;
    while (isPlain[bytes[end] as number] === 1) end++;
    if (bytes[end] === QUOTE) {
      flat.push(
        end === at + 1 ? (asciiCharacters[bytes[at] as number] as string) : text.slice(at - start, end - start),
      );
    } else {
      end = escapedEnd(bytes, end);
      const value = end < 0 ? undefined : unescape(text.slice(at - 1 - start, end + 1 - start));
      if (value === undefined) return -1;
      flat.push(value);
    }
    const separator = bytes[end + 1];
    at = end + 2;
    if (separator === CLOSE) return at;
    if (separator !== COMMA) return -1;
  }
}

function startsWith(bytes: Buffer, at: number, prefix: Buffer): boolean {
  for (let index = 0; index < prefix.length; index++) if (bytes[at + index] !== prefix[index]) return false;
  return true;
}

// The three that follow may run beyond the header into the body; the caller looks at where they end.

/** 1 for the bytes that stand for themselves in a string: ASCII but for control characters, quote and backslash. */
const isPlain = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte <= 0x7e && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

/** The closing quote of the string that opens at `at`; -1 when there is none, or the string is more than plain ASCII. */
function plainEnd(bytes: Buffer, at: number): number {
  if (bytes[at] !== QUOTE) return -1;
  let end = at + 1;
  while (isPlain[bytes[end] as number] === 1) end++;
  return bytes[end] === QUOTE ? end : -1;
}

/** The closing quote of a string with escapes, looked for from `from` inside it; -1 when it is more than ASCII. */
function escapedEnd(bytes: Buffer, from: number): number {
  let end = from;
  while (bytes[end] === BACKSLASH) {
    end += 2;
    while (isPlain[bytes[end] as number] === 1) end++;
  }
  return bytes[end] === QUOTE ? end : -1;
}

/** Where the digits end that begin at `at`; -1 when there are none, or more than an int has. */
function integerEnd(bytes: Buffer, at: number): number {
  const first = bytes[at] === MINUS ? at + 1 : at;
  let index = first;
  for (let byte = bytes[index] ?? 0; byte >= 0x30 && byte <= 0x39; byte = bytes[index] ?? 0) index++;
  return index === first || index - first > 10 ? -1 : index;
}

function integer(bytes: Buffer, at: number, end: number): number {
  const isNegative = bytes[at] === MINUS;
  let value = 0;
  for (let index = isNegative ? at + 1 : at; index < end; index++) value = value * 10 + (bytes[index] as number) - 0x30;
  return isNegative ? -value : value;
}

/** A quoted string with escapes, or undefined. JSON.parse is faster here than a loop. */
function unescape(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined; // Not JSON: the whole header goes to parseHeader, which words the refusal.
  }
}

function parseHeader(text: string): CommandHeader {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new RemotingError('ERR_REMOTING_MALFORMED_FRAME', 'The header is not JSON.', {}, { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw malformed('The header');
  const members = new Map<string, unknown>(Object.entries(parsed));
  const remark = members.get('remark') ?? undefined;
  const language = members.get('language') ?? 'OTHER';
  return {
    code: readInt(members, 'code'),
    language: languageOfName(typeof language === 'string' ? language : 'OTHER'),
    version: readInt(members, 'version'),
    opaque: readInt(members, 'opaque'),
    flag: readInt(members, 'flag'),
    remark: remark === undefined ? undefined : asText(remark, 'remark'),
    extFields: readExtFields(members.get('extFields')),
  };
}

function readInt(members: ReadonlyMap<string, unknown>, name: string): number {
  const value = members.get(name) ?? 0;
  if (typeof value !== 'number' || value !== (value | 0)) throw malformed(`The header's ${name}`);
  return value;
}

function readExtFields(value: unknown): ExtFields {
  if (value === undefined || value === null) return noExtFields;
  if (typeof value !== 'object' || Array.isArray(value)) throw malformed("The header's extFields");
  const flat: string[] = [];
  for (const [name, field] of Object.entries(value)) {
    if (field !== null) flat.push(name, asText(field, 'ext field'));
  }
  return new ExtFields(flat);
}

/** Java's reader turns numbers and booleans into strings where it expects a string. */
function asText(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw malformed(`The header's ${name}`);
}

function malformed(what: string): RemotingError {
  return new RemotingError('ERR_REMOTING_MALFORMED_FRAME', `${what} has the wrong JSON type.`);
}
