// The binary form of a header (serialize type 1, ROCKETMQ), which clients use when told to.
//
// | size | field | type | notes |
// |------|-------|------|-------|
// | 2 | code | int16 | larger codes arrive cut: see restoreTruncatedCode |
// | 1 | language | uint8 | LanguageCode |
// | 2 | version | int16 | |
// | 4 | opaque | int32 | |
// | 4 | flag | int32 | |
// | 4 + n | remark | int32 length, UTF-8 | length 0 is null |
// | 4 | extFieldsLength | int32 | bytes of all entries |
// | 2 + n | name | int16 length, UTF-8 | once per entry |
// | 4 + n | value | int32 length, UTF-8 | once per entry; length 0 is null: the field counts as absent |

import { ExtFields, noExtFields } from './ext-fields.ts';
import type { OutgoingHeader } from './json-header-writer.ts';
import { LanguageCode, languageOfCode } from './language-code.ts';
import { CommandFlag, REMOTING_VERSION } from './remoting-command.ts';
import type { CommandHeader } from './remoting-command.ts';
import { RemotingError } from './remoting-errors.ts';
import { restoreTruncatedCode } from './request-code.ts';

const FIXED_SIZE = 13;
const CODE_MAX = 0x7fff;
const NAME_LENGTH_MAX = 0x7fff;
const ASCII_MAX = 0x7f;

/** Decodes `bytes[start, end)`. Throws RemotingError ERR_REMOTING_MALFORMED_FRAME. */
export function decodeRocketmqHeader(
  bytes: Buffer,
  start: number,
  end: number,
  extFieldCountMax: number,
): CommandHeader {
  if (end - start < FIXED_SIZE + 8) throw malformed('The binary header is too short.');
  const code = bytes.readInt16BE(start);
  const flag = bytes.readInt32BE(start + 9);
  const remarkStart = start + FIXED_SIZE + 4;
  const extLengthAt = remarkStart + textLength(bytes, start + FIXED_SIZE, 4, end);
  if (extLengthAt + 4 > end) throw malformed('The binary header ends before its ext fields.');
  const extLength = bytes.readInt32BE(extLengthAt);
  const extEnd = extLengthAt + 4 + extLength;
  if (extLength < 0 || extEnd > end) throw malformed('The ext fields do not fit the binary header.');
  return {
    code: (flag & CommandFlag.RESPONSE) === 0 ? restoreTruncatedCode(code) : code,
    language: languageOfCode(bytes[start + 2] as number),
    version: bytes.readInt16BE(start + 3),
    opaque: bytes.readInt32BE(start + 5),
    flag,
    remark: extLengthAt === remarkStart ? undefined : bytes.toString('utf8', remarkStart, extLengthAt),
    extFields: extLength === 0 ? noExtFields : readExtFields(bytes, extLengthAt + 4, extEnd, extFieldCountMax),
  };
}

function readExtFields(bytes: Buffer, start: number, end: number, extFieldCountMax: number): ExtFields {
  const flat: string[] = [];
  // All entries as one string, out of which plain texts are cut: a native call per text would cost five times as much.
  const characters = bytes.toString('latin1', start, end);
  let count = 0;
  for (let at = start; at < end;) {
    const nameStart = at + 2;
    const nameEnd = nameStart + textLength(bytes, at, 2, end);
    const valueStart = nameEnd + 4;
    const valueEnd = valueStart + textLength(bytes, nameEnd, 4, end);
    count++;
    if (count > extFieldCountMax) throw malformed(`The header has more than ${extFieldCountMax} ext fields.`);
    if (valueEnd > valueStart) {
      flat.push(
        textOf(bytes, nameStart, nameEnd, characters, start),
        textOf(bytes, valueStart, valueEnd, characters, start),
      );
    }
    at = valueEnd;
  }
  return new ExtFields(flat);
}

/** `characters` holds one character per byte, the first for the byte at `origin`. */
function textOf(bytes: Buffer, start: number, end: number, characters: string, origin: number): string {
  for (let at = start; at < end; at++) {
    if ((bytes[at] as number) > ASCII_MAX) return bytes.toString('utf8', start, end);
  }
  return characters.slice(start - origin, end - origin);
}

/** Of the text behind the length field at `at`; it lies before `end`. */
function textLength(bytes: Buffer, at: number, lengthSize: 2 | 4, end: number): number {
  const from = at + lengthSize;
  if (from > end) throw malformed('The binary header ends inside a length.');
  const length = lengthSize === 2 ? bytes.readInt16BE(at) : bytes.readInt32BE(at);
  if (length < 0 || from + length > end) throw malformed('A text does not fit the binary header.');
  return length;
}

function malformed(message: string): RemotingError {
  return new RemotingError('ERR_REMOTING_MALFORMED_FRAME', message);
}

/** Codes beyond 16 bits do not. */
export function fitsRocketmqHeader(header: OutgoingHeader): boolean {
  return header.code >= -CODE_MAX && header.code <= CODE_MAX;
}

/** Lengths and numbers before the ext fields. */
const FIXED_SIZE_MAX = FIXED_SIZE + 8;
const BYTES_PER_UNIT_MAX = 3;
/** Both lengths, and a number in decimal. */
const FIELD_OVERHEAD_MAX = 6 + 25;

/** Room that the header needs at most. */
export function rocketmqHeaderSizeMax(header: OutgoingHeader): number {
  let units = header.remark?.length ?? 0;
  let fieldCount = 0;
  const fields = header.extFields;
  for (const name in fields) {
    const value = fields[name];
    units += name.length + (typeof value === 'string' ? value.length : 0);
    fieldCount++;
  }
  return FIXED_SIZE_MAX + fieldCount * FIELD_OVERHEAD_MAX + units * BYTES_PER_UNIT_MAX;
}

/**
 * Writes at `position` of `target`, which has the room; returns the position behind the header.
 * Throws RemotingError ERR_REMOTING_NOT_ENCODABLE for a code beyond 16 bits or a name beyond 32,767 bytes.
 */
export function writeRocketmqHeader(target: Buffer, position: number, header: OutgoingHeader): number {
  if (!fitsRocketmqHeader(header)) {
    throw notEncodable(`Code ${header.code} does not fit a binary header: send it with a JSON header.`);
  }
  target.writeInt16BE(header.code, position);
  target[position + 2] = LanguageCode.JAVA;
  target.writeInt16BE(REMOTING_VERSION, position + 3);
  target.writeInt32BE(header.opaque, position + 5);
  target.writeInt32BE(header.flag, position + 9);
  const extLengthAt = writeText(target, position + FIXED_SIZE, header.remark ?? '');
  let at = extLengthAt + 4;
  const fields = header.extFields;
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined) continue;
    const nameLength = target.write(name, at + 2, 'utf8');
    if (nameLength > NAME_LENGTH_MAX) throw notEncodable('The name of an ext field is longer than 32,767 bytes.');
    target.writeInt16BE(nameLength, at);
    at = writeText(target, at + 2 + nameLength, String(value));
  }
  target.writeInt32BE(at - extLengthAt - 4, extLengthAt);
  return at;
}

function writeText(target: Buffer, position: number, value: string): number {
  const length = target.write(value, position + 4, 'utf8');
  target.writeInt32BE(length, position);
  return position + 4 + length;
}

function notEncodable(message: string): RemotingError {
  return new RemotingError('ERR_REMOTING_NOT_ENCODABLE', message);
}
