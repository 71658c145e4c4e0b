// JSON bodies as Apache writes them: maps whose keys are numbers or objects have those keys without quotes, nulls are left out,
// and integers have 64 bits. This file writes them; java-json-parser.ts reads them.

import { RemotingError } from './remoting-errors.ts';

/** An object whose members are written in the order given; undefined and null members are left out. */
export interface JavaJsonObject {
  readonly [name: string]: JavaJson | undefined;
}

/**
 * What a body may consist of. A Map is a Java map: string keys are written in quotes, number and bigint keys bare (`{0:"x"}`),
 * object keys as objects (`{{"queueId":0}:{}}`).
 */
export type JavaJson =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly JavaJson[]
  | JavaJsonObject
  | ReadonlyMap<JavaJson, JavaJson>;

export interface JavaJsonFormat {
  /** Number keys in quotes and everything beyond ASCII escaped, for peers whose parser takes standard JSON only. */
  readonly standard: boolean;
}

const loose: JavaJsonFormat = { standard: false };

/** The body in UTF-8. Throws RemotingError ERR_REMOTING_NOT_ENCODABLE for an object key in standard form or a number like NaN. */
export function encodeJavaJson(value: JavaJson, format: JavaJsonFormat = loose): Buffer {
  return Buffer.from(formatJavaJson(value, format), 'utf8');
}

export function formatJavaJson(value: JavaJson, format: JavaJsonFormat = loose): string {
  if (value === null || value === undefined) return 'null';
  switch (typeof value) {
    case 'string':
      return quote(value, format);
    case 'number':
      if (!Number.isFinite(value)) throw notEncodable('JSON has no form for a number that is not finite.');
      return String(value);
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      break;
  }
  if (value instanceof Map) return formatMap(value as ReadonlyMap<JavaJson, JavaJson>, format);
  if (Array.isArray(value)) {
    return `[${(value as readonly JavaJson[]).map((item) => formatJavaJson(item, format)).join(',')}]`;
  }
  let text = '';
  for (const [name, member] of Object.entries(value)) {
    if (member === null || member === undefined) continue;
    text += `${text === '' ? '' : ','}${quote(name, format)}:${formatJavaJson(member as JavaJson, format)}`;
  }
  return `{${text}}`;
}

function formatMap(map: ReadonlyMap<JavaJson, JavaJson>, format: JavaJsonFormat): string {
  let text = '';
  for (const [key, value] of map) {
    if (value === null || value === undefined) continue;
    text += `${text === '' ? '' : ','}${formatKey(key, format)}:${formatJavaJson(value, format)}`;
  }
  return `{${text}}`;
}

function formatKey(key: JavaJson, format: JavaJsonFormat): string {
  if (typeof key === 'string') return quote(key, format);
  if (!format.standard) return formatJavaJson(key, format);
  if (typeof key === 'object') throw notEncodable('Standard JSON has no form for a map whose keys are objects.');
  return `"${String(key)}"`;
}

// eslint-disable-next-line no-control-regex -- ASCII is just what is meant
const beyondAscii = /[^\u0000-\u007f]/g;

function quote(text: string, format: JavaJsonFormat): string {
  const quoted = JSON.stringify(text);
  if (!format.standard) return quoted;
  return quoted.replace(
    beyondAscii,
    (character) => `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  );
}

function notEncodable(message: string): RemotingError {
  return new RemotingError('ERR_REMOTING_NOT_ENCODABLE', message);
}
