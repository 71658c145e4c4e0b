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
  const scanned = scanHeader(bytes, start, end);
  input = nothing; // It may be a view of a frame of many megabytes.
  const header = scanned ?? parseHeader(bytes.toString('utf8', start, end));
  if (header.extFields.flat.length > extFieldCountMax * 2) {
    throw new RemotingError(
      'ERR_REMOTING_MALFORMED_FRAME',
      `The header has ${header.extFields.flat.length / 2} ext fields, the limit is ${extFieldCountMax}.`,
    );
  }
  return header;
}

// One scan runs to its end before another starts, so they share their variables: kept in an object, these cost a third more.
const nothing = Buffer.alloc(0);
let input: Buffer = nothing;
/** The same bytes as text, one character per byte; `textStart` is the position of its first. */
let text = '';
let textStart = 0;
let end = 0;
let position = 0;
/** All bytes of strings or-ed together: beyond 0x7f when one is not ASCII. */
let seenBits = 0;

/** One pass over a header in the usual form. Gives up (undefined) on anything unusual; it never judges. */
function scanHeader(bytes: Buffer, from: number, to: number): CommandHeader | undefined {
  input = bytes;
  text = bytes.toString('latin1', from, to);
  textStart = position = from;
  end = to;
  seenBits = 0;
  let [code, version, opaque, flag] = [0, 0, 0, 0];
  let language: LanguageName = 'OTHER';
  let remark: string | undefined;
  let extFields = noExtFields;
  let separator = bytes[position++];
  if (separator !== OPEN) return undefined;
  do {
    const key = scanString();
    if (key === undefined || bytes[position++] !== COLON) return undefined;
    if (key === 'extFields') {
      const flat = scanExtFields();
      if (flat === undefined) return undefined;
      extFields = new ExtFields(flat);
    } else if (bytes[position] === QUOTE) {
      const value = scanString();
      if (value === undefined) return undefined;
      if (key === 'language') language = languageOfName(value);
      else if (key === 'remark') remark = value;
      else if (key !== 'serializeTypeCurrentRPC') return undefined;
    } else {
      const value = scanInt();
      if (value === undefined) return undefined;
      if (key === 'code') code = value;
      else if (key === 'flag') flag = value;
      else if (key === 'opaque') opaque = value;
      else if (key === 'version') version = value;
      else return undefined;
    }
    separator = bytes[position++];
  } while (separator === COMMA);
  if (separator !== CLOSE || position !== to || seenBits > 0x7f) return undefined;
  return { code, language, version, opaque, flag, remark, extFields };
}

function scanExtFields(): string[] | undefined {
  const bytes = input;
  if (bytes[position++] !== OPEN) return undefined;
  const flat: string[] = [];
  if (bytes[position] === CLOSE) {
    position++;
    return flat;
  }
  for (;;) {
    const name = scanString();
    if (name === undefined || bytes[position++] !== COLON) return undefined;
    const value = scanString();
    if (value === undefined) return undefined;
    flat.push(name, value);
    const separator = bytes[position++];
    if (separator === CLOSE) return flat;
    if (separator !== COMMA) return undefined;
  }
}

function scanString(): string | undefined {
  const bytes = input;
  let at = position;
  if (bytes[at] !== QUOTE) return undefined;
  const start = ++at;
  let bits = seenBits;
  let isEscaped = false;
  for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[++at]) {
    if (byte === undefined || byte < 0x20) return undefined;
    bits |= byte;
    if (byte === BACKSLASH) {
      isEscaped = true;
      at++;
    }
  }
  if (at >= end) return undefined;
  seenBits = bits;
  position = at + 1;
  if (isEscaped) return unescape(text.slice(start - 1 - textStart, at + 1 - textStart));
  if (at === start + 1) return asciiCharacters[bytes[start] as number];
  return text.slice(start - textStart, at - textStart);
}

/** Gives up where Java's int ends: JSON.parse decides about the rest. */
function scanInt(): number | undefined {
  const bytes = input;
  let at = position;
  const isNegative = bytes[at] === MINUS;
  if (isNegative) at++;
  const start = at;
  let value = 0;
  for (let byte = bytes[at] ?? 0; byte >= 0x30 && byte <= 0x39; byte = bytes[++at] ?? 0)
    value = value * 10 + byte - 0x30;
  if (at === start || at - start > 10) return undefined;
  position = at;
  if (isNegative) value = -value;
  return value === (value | 0) ? value : undefined;
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
