// How a header's fields are declared, and the decoder and encoder that follow from a declaration. A header travels as strings
// under wire names; a handler sees typed values under RocketMQ's names.

import { assert } from '../../base/assert.ts';
import type { ExtFields, FieldValue } from './ext-fields.ts';
import { invalidParameter } from './remoting-errors.ts';

export type FieldType = 'string' | 'int' | 'long' | 'boolean';

export interface FieldSpec<Type extends FieldType = FieldType, Required extends boolean = boolean> {
  readonly type: Type;
  readonly required: Required;
  /** Where it differs from the field's name: V2 letters, and names that Apache misspelt. */
  readonly wireName?: string;
}

export type HeaderSpec = Readonly<Record<string, FieldSpec>>;

type ValueOf<Type extends FieldType> = Type extends 'string' ? string : Type extends 'boolean' ? boolean : number;

/**
 * The typed header of a declaration.
 * A required field that a client left out has the neutral value ('' , 0 or false): several SDKs omit some, and Java does not
 * mind. An optional one is undefined, because there absence means something (maxReconsumeTimes: ask the group's settings).
 */
export type HeaderOf<Spec extends HeaderSpec> = {
  readonly [Name in keyof Spec]: Spec[Name]['required'] extends true
    ? ValueOf<Spec[Name]['type']>
    : ValueOf<Spec[Name]['type']> | undefined;
};

/** The same for sending: optional fields may be left out. */
export type OutgoingHeaderOf<Spec extends HeaderSpec> = {
  readonly [Name in keyof Spec as Spec[Name]['required'] extends true ? Name : never]: ValueOf<Spec[Name]['type']>;
} & {
  readonly [Name in keyof Spec as Spec[Name]['required'] extends true ? never : Name]?:
    ValueOf<Spec[Name]['type']> | undefined;
};

/** Declares a field. `required('int')`, `optional('string', 'wireName')`. */
export function required<Type extends FieldType>(type: Type, wireName?: string): FieldSpec<Type, true> {
  return wireName === undefined ? { type, required: true } : { type, required: true, wireName };
}

export function optional<Type extends FieldType>(type: Type, wireName?: string): FieldSpec<Type, false> {
  return wireName === undefined ? { type, required: false } : { type, required: false, wireName };
}

/** Decoder and encoder of one header. */
export interface HeaderCodec<Spec extends HeaderSpec> {
  readonly spec: Spec;
  /** Throws {@link RequestError} INVALID_PARAMETER when a number is no number or out of range. */
  decode(extFields: ExtFields): HeaderOf<Spec>;
  encode(header: OutgoingHeaderOf<Spec>): Record<string, FieldValue>;
}

const neutral = { string: '', int: 0, long: 0, boolean: false } as const;

export function headerCodec<Spec extends HeaderSpec>(spec: Spec): HeaderCodec<Spec> {
  const fields = Object.entries(spec).map(([name, field]) => ({ ...field, name, wireName: field.wireName ?? name }));
  const byWireName = new Map(fields.map((field) => [field.wireName, field]));
  assert(byWireName.size === fields.length, 'two header fields share a wire name');
  // Every header starts as a copy of this one, so that all headers of a code have the same shape whatever arrived.
  const absent = Object.fromEntries(
    fields.map((field) => [field.name, field.required ? neutral[field.type] : undefined]),
  );
  return {
    spec,
    decode(extFields) {
      const header: Record<string, FieldValue | undefined> = { ...absent };
      const flat = extFields.flat;
      for (let index = 0; index + 1 < flat.length; index += 2) {
        const field = byWireName.get(flat[index] as string);
        if (field !== undefined) header[field.name] = parseField(field.name, field.type, flat[index + 1] as string);
      }
      return header as HeaderOf<Spec>;
    },
    encode(header) {
      const encoded: Record<string, FieldValue> = {};
      for (const field of fields) {
        const value = (header as Readonly<Record<string, FieldValue | undefined>>)[field.name];
        if (value !== undefined) encoded[field.wireName] = value;
      }
      return encoded;
    },
  };
}

/** One value, as Java's Integer.parseInt, Long.parseLong and Boolean.parseBoolean read it, but with a clear refusal. */
export function parseField(name: string, type: FieldType, text: string): FieldValue {
  if (type === 'string') return text;
  if (type === 'boolean') return text === 'true' || text.toLowerCase() === 'true';
  const value = parseInteger(text);
  if (type === 'int' ? value === (value | 0) : Number.isSafeInteger(value)) return value;
  throw invalidParameter(
    type === 'int'
      ? `The header field ${name} must be a 32-bit integer.`
      : `The header field ${name} must be an integer between -(2^53 - 1) and 2^53 - 1.`,
    { field: name, value: text.slice(0, 64) },
  );
}

/** NaN unless the text is an optional sign and digits only (Number() would take '', ' 1', '1e3' and '0x10'). */
function parseInteger(text: string): number {
  const length = text.length;
  const first = text.charCodeAt(0);
  const start = first === 0x2d || first === 0x2b ? 1 : 0;
  if (length === start || length > 20) return Number.NaN;
  let value = 0;
  for (let index = start; index < length; index++) {
    const digit = text.charCodeAt(index) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return first === 0x2d && value !== 0 ? -value : value;
}
