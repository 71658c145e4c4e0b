/**
 * Writes captured Remoting exchanges as fixtures: one JSON file per exchange with the raw frames in hex beside their decoded form,
 * and one table for people.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inflateSync } from 'node:zlib';
import type { RawFrame } from '../support/raw-remoting.ts';

export interface WireFixture {
  /** File name without `.json`. */
  readonly name: string;
  readonly what: string;
  readonly producedBy: string;
  readonly request: RawFrame;
  /** Absent for one-way requests. */
  readonly response?: RawFrame;
}

/** Longer hex than this is of no use to a reader; such an exchange is described in the table only. */
const FRAME_BYTES_MAX = 40_000;

export function writeWireFixture(directory: string, fixture: WireFixture): void {
  mkdirSync(directory, { recursive: true });
  const size = fixture.request.bytes.length + (fixture.response?.bytes.length ?? 0);
  if (size > FRAME_BYTES_MAX) {
    return;
  }
  const json = {
    what: fixture.what,
    producedBy: fixture.producedBy,
    request: frameJson(fixture.request),
    response: fixture.response === undefined ? null : frameJson(fixture.response),
  };
  writeFileSync(path.join(directory, `${fixture.name}.json`), `${JSON.stringify(json, null, 1)}\n`);
}

function frameJson(frame: RawFrame): Record<string, unknown> {
  return {
    serializeType: frame.serializeType,
    header: frame.header,
    ...(frame.headerText === undefined ? {} : { headerText: frame.headerText }),
    ...bodyJson(frame.body),
    bodyBytes: frame.body.length,
    hex: frame.bytes.toString('hex'),
  };
}

function bodyJson(body: Buffer): Record<string, string> {
  if (body.length === 0) {
    return {};
  }
  if (isText(body)) {
    return { bodyText: body.toString('utf8') };
  }
  if (body[0] === 0x78) {
    return {
      bodyInflatedHex: inflateSync(body).toString('hex'),
      bodyInflatedText: inflateSync(body).toString('latin1'),
    };
  }
  return {};
}

function isText(body: Buffer): boolean {
  return Buffer.from(body.toString('utf8')).equals(body) && !body.some((byte) => byte < 0x20 && byte !== 0x0a);
}

const CELL_MAX = 1_500;

/** One row of the table "request → code, remark, ext fields". */
export function tableRow(fixture: WireFixture): string {
  const { request, response } = fixture;
  const asked = fieldsOf(request.header.extFields);
  if (response === undefined) {
    return `| ${request.header.code} | \`${fixture.name}\` | ${fixture.what} | ${asked} | one-way | | | |`;
  }
  const cells = [
    String(request.header.code),
    `\`${fixture.name}\``,
    fixture.what,
    asked,
    `**${response.header.code}**`,
    response.header.remark === undefined ? '(none)' : `\`${cell(response.header.remark)}\``,
    fieldsOf(response.header.extFields),
    bodyCell(response.body),
  ];
  return `| ${cells.join(' | ')} |`;
}

function fieldsOf(fields: Readonly<Record<string, string>> | undefined): string {
  if (fields === undefined) {
    return '(none)';
  }
  const parts = Object.entries(fields).map(
    ([key, value]) => `${key}=${value.length > 90 ? `${value.slice(0, 60)}… (${value.length} chars)` : value}`,
  );
  return parts.length === 0 ? '{}' : `\`${cell(parts.join(', '))}\``;
}

function bodyCell(body: Buffer): string {
  if (body.length === 0) {
    return '';
  }
  return isText(body) ? `\`${cell(body.toString('utf8').slice(0, 400))}\`` : `${body.length} bytes`;
}

function cell(text: string): string {
  // Control characters are escaped, so that the property separators 0x01 and 0x02 can be seen.
  const visible = Array.from(text, (character) => (character < ' ' ? escapeOf(character) : character)).join('');
  return visible.replaceAll('|', '\\|').slice(0, CELL_MAX);
}

function escapeOf(control: string): string {
  return control === '\n' ? '\\n' : `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
