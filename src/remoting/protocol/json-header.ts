// The JSON form of a header: the one every client uses by default. One flat object whose extFields are strings.
//
// Reading goes over the bytes once and cuts the values out of one string: this takes two thirds of the time of JSON.parse and
// needs no second walk over an object. It knows the form that Java, Go and C++ clients emit (no white space, ASCII, plain keys);
// whatever else arrives is read with JSON.parse.

import { assert } from '../../base/assert.ts';
import { ExtFields, noExtFields } from './ext-fields.ts';
import type { OutgoingFields } from './ext-fields.ts';
import { languageOfName } from './language-code.ts';
import type { CommandHeader } from './remoting-command.ts';
import { REMOTING_VERSION } from './remoting-command.ts';
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
  const header = new HeaderScanner(bytes, start, end).scan() ?? parseHeader(bytes.toString('utf8', start, end));
  if (header.extFields.flat.length > extFieldCountMax * 2) {
    throw new RemotingError(
      'ERR_REMOTING_MALFORMED_FRAME',
      `The header has ${header.extFields.flat.length / 2} ext fields, the limit is ${extFieldCountMax}.`,
    );
  }
  return header;
}

/** One pass over a header in the usual form. Gives up (undefined) on anything unusual; it never judges. */
class HeaderScanner {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #text: string;
  #position: number;
  /** All bytes of strings or-ed together: 0x80 is set when one is not ASCII. */
  #bits = 0;
  #code = 0;
  #version = 0;
  #opaque = 0;
  #flag = 0;
  #language = 'OTHER';
  #remark: string | undefined;
  #extFields = noExtFields;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#text = bytes.toString('latin1', start, end);
    this.#position = start;
  }

  scan(): CommandHeader | undefined {
    const bytes = this.#bytes;
    if (bytes[this.#position++] !== OPEN) return undefined;
    for (;;) {
      if (!this.#scanMember()) return undefined;
      const next = bytes[this.#position++];
      if (next === COMMA) continue;
      if (next === CLOSE) break;
      return undefined;
    }
    if (this.#bits > 0x7f || this.#position !== this.#end) return undefined;
    return {
      code: this.#code,
      language: languageOfName(this.#language),
      version: this.#version,
      opaque: this.#opaque,
      flag: this.#flag,
      remark: this.#remark,
      extFields: this.#extFields,
    };
  }

  #scanMember(): boolean {
    const key = this.#scanString();
    if (key === undefined || this.#bytes[this.#position++] !== COLON) return false;
    const first = this.#bytes[this.#position];
    if (first === QUOTE) {
      const value = this.#scanString();
      if (key === 'language') this.#language = value ?? 'OTHER';
      else if (key === 'remark') this.#remark = value;
      return value !== undefined && key !== 'extFields' && !isNumberMember(key);
    }
    if (first === OPEN) return key === 'extFields' && this.#scanExtFields();
    return this.#scanNumber(key);
  }

  #scanExtFields(): boolean {
    const bytes = this.#bytes;
    const flat: string[] = [];
    this.#position++;
    if (bytes[this.#position] === CLOSE) {
      this.#position++;
      return true;
    }
    for (;;) {
      const name = this.#scanString();
      if (name === undefined || bytes[this.#position++] !== COLON) return false;
      const value = this.#scanString();
      if (value === undefined) return false;
      flat.push(name, value);
      const next = bytes[this.#position++];
      if (next === COMMA) continue;
      if (next !== CLOSE) return false;
      this.#extFields = new ExtFields(flat);
      return true;
    }
  }

  #scanString(): string | undefined {
    const bytes = this.#bytes;
    let at = this.#position;
    if (at >= this.#end || bytes[at] !== QUOTE) return undefined;
    const from = ++at;
    let bits = this.#bits;
    let escaped = false;
    for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[at]) {
      if (byte === undefined || byte < 0x20) return undefined;
      bits |= byte;
      if (byte === BACKSLASH) {
        escaped = true;
        at++;
      }
      at++;
    }
    if (at >= this.#end) return undefined;
    this.#bits = bits;
    this.#position = at + 1;
    if (escaped) return unescape(this.#text.slice(from - 1 - this.#start, at + 1 - this.#start));
    if (at === from + 1) return asciiCharacters[bytes[from] as number];
    return this.#text.slice(from - this.#start, at - this.#start);
  }

  #scanNumber(key: string): boolean {
    const bytes = this.#bytes;
    let at = this.#position;
    const negative = bytes[at] === MINUS;
    if (negative) at++;
    const from = at;
    let value = 0;
    for (let digit = (bytes[at] as number) - 0x30; digit >= 0 && digit <= 9; digit = (bytes[at] as number) - 0x30) {
      value = value * 10 + digit;
      at++;
    }
    // Java's int never has more than ten digits; JSON.parse decides about the rest.
    if (at === from || at - from > 10) return false;
    this.#position = at;
    if (negative) value = -value;
    if (value !== (value | 0)) return false;
    if (key === 'code') this.#code = value;
    else if (key === 'opaque') this.#opaque = value;
    else if (key === 'flag') this.#flag = value;
    else if (key === 'version') this.#version = value;
    else return false;
    return true;
  }
}

function isNumberMember(key: string): boolean {
  return key === 'code' || key === 'opaque' || key === 'flag' || key === 'version';
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

/** What an encoder needs of an outgoing command. */
export interface OutgoingHeader {
  readonly code: number;
  readonly flag: number;
  readonly opaque: number;
  readonly remark: string | undefined;
  readonly extFields: OutgoingFields | undefined;
}

// We say JAVA: the one language that every client's parser knows, also those that fail on names that came later.
const afterFlag = ',"language":"JAVA","opaque":';
const afterRemark = `,"serializeTypeCurrentRPC":"JSON","version":${REMOTING_VERSION}}`;

/** The header as JSON text, members in Java's order. */
export function formatJsonHeader(header: OutgoingHeader): string {
  let text = `{"code":${header.code}`;
  const fields = header.extFields;
  if (fields !== undefined) {
    text += ',"extFields":{';
    let separator = '"';
    for (const name in fields) {
      const value = fields[name];
      if (value === undefined) continue;
      text +=
        separator + escapeText(name) + '":"' + (typeof value === 'string' ? escapeText(value) : String(value)) + '"';
      separator = ',"';
    }
    text += '}';
  }
  text += `,"flag":${header.flag}${afterFlag}${header.opaque}`;
  if (header.remark !== undefined) text += `,"remark":"${escapeText(header.remark)}"`;
  return text + afterRemark;
}

// eslint-disable-next-line no-control-regex -- control characters are what JSON wants escaped
const needsEscape = /["\\\u0000-\u001f\ud800-\udfff]/;

function escapeText(text: string): string {
  return needsEscape.test(text) ? JSON.stringify(text).slice(1, -1) : text;
}
