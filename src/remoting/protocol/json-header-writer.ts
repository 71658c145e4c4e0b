// Writes the JSON form of a header, byte by byte where it goes: a string put together first would be copied twice more.
// Members stand in Java's order.

import type { OutgoingFields } from './ext-fields.ts';
import { REMOTING_VERSION } from './remoting-command.ts';

/** What an encoder needs of an outgoing command. */
export interface OutgoingHeader {
  readonly code: number;
  readonly flag: number;
  readonly opaque: number;
  readonly remark: string | undefined;
  readonly extFields: OutgoingFields | undefined;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const CLOSE = 0x7d;

const beforeCode = Buffer.from('{"code":');
const beforeExtFields = Buffer.from(',"extFields":{');
const beforeFlag = Buffer.from(',"flag":');
// We say JAVA: the one language that every client's parser knows, also those that fail on names that came later.
const beforeOpaque = Buffer.from(',"language":"JAVA","opaque":');
const beforeRemark = Buffer.from(',"remark":"');
const ending = Buffer.from(`,"serializeTypeCurrentRPC":"JSON","version":${REMOTING_VERSION}}`);

/** All constant parts and four numbers. */
const FIXED_SIZE_MAX = 200;
/** `\\u0001` for one UTF-16 unit is the worst. */
const BYTES_PER_UNIT_MAX = 6;
/** Two pairs of quotes, colon, comma. */
const FIELD_OVERHEAD = 6;
const NUMBER_SIZE_MAX = 25;

/** Room that the header needs at most. */
export function jsonHeaderSizeMax(header: OutgoingHeader): number {
  let units = header.remark?.length ?? 0;
  let sizeMax = FIXED_SIZE_MAX;
  const fields = header.extFields;
  for (const name in fields) {
    const value = fields[name];
    units += name.length;
    if (typeof value === 'string') units += value.length;
    else sizeMax += NUMBER_SIZE_MAX;
    sizeMax += FIELD_OVERHEAD;
  }
  return sizeMax + units * BYTES_PER_UNIT_MAX;
}

/** Writes at `position` of `target`, which has the room; returns the position behind the header. */
export function writeJsonHeader(target: Buffer, position: number, header: OutgoingHeader): number {
  let at = writeBytes(target, position, beforeCode);
  at = writeInteger(target, at, header.code);
  const fields = header.extFields;
  if (fields !== undefined) {
    at = writeBytes(target, at, beforeExtFields);
    const first = at;
    for (const name in fields) {
      const value = fields[name];
      if (value === undefined) continue;
      if (at > first) target[at++] = COMMA;
      at = writeBytes(target, at, fieldStart(name));
      at =
        typeof value === 'number' && Number.isSafeInteger(value)
          ? writeInteger(target, at, value)
          : writeText(target, at, String(value));
      target[at++] = QUOTE;
    }
    target[at++] = CLOSE;
  }
  at = writeBytes(target, at, beforeFlag);
  at = writeInteger(target, at, header.flag);
  at = writeBytes(target, at, beforeOpaque);
  at = writeInteger(target, at, header.opaque);
  if (header.remark !== undefined) {
    at = writeBytes(target, at, beforeRemark);
    at = writeText(target, at, header.remark);
    target[at++] = QUOTE;
  }
  return writeBytes(target, at, ending);
}

/** `"name":"`, by name. Names are the few that our handlers use; the limit is for requests that pass foreign ones on. */
const fieldStarts = new Map<string, Buffer>();
const FIELD_STARTS_MAX = 1000;

function fieldStart(name: string): Buffer {
  let start = fieldStarts.get(name);
  if (start === undefined) {
    start = Buffer.from(`${JSON.stringify(name)}:"`, 'utf8');
    if (fieldStarts.size < FIELD_STARTS_MAX) fieldStarts.set(name, start);
  }
  return start;
}

function writeBytes(target: Buffer, position: number, source: Buffer): number {
  // A loop: for a few dozen bytes the call of a native copy costs more.
  const length = source.length;
  for (let index = 0; index < length; index++) target[position + index] = source[index] as number;
  return position + length;
}

/** A safe integer in decimal. */
function writeInteger(target: Buffer, position: number, value: number): number {
  let at = position;
  let rest = value;
  if (rest < 0) {
    target[at++] = 0x2d;
    rest = -rest;
  }
  let digitCount = 1;
  for (let power = 10; power <= rest; power *= 10) digitCount++;
  for (let index = at + digitCount - 1; index >= at; index--) {
    const next = Math.floor(rest / 10);
    target[index] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return at + digitCount;
}

/** The inside of a JSON string. */
function writeText(target: Buffer, position: number, value: string): number {
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    // What needs an escape or more than one byte starts again, with all of it.
    if (code < 0x20 || code > 0x7e || code === QUOTE || code === 0x5c) return writeEscaped(target, position, value);
    target[position + index] = code;
  }
  return position + value.length;
}

function writeEscaped(target: Buffer, position: number, value: string): number {
  return position + target.write(JSON.stringify(value).slice(1, -1), position, 'utf8');
}
