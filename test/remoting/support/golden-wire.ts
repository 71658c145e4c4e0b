// The frames captured from Apache's servers and clients, as tests read them.

import { readFileSync, readdirSync } from 'node:fs';

export interface GoldenFrame {
  readonly serializeType: 'JSON' | 'ROCKETMQ';
  readonly header: {
    readonly code: number;
    readonly language: string;
    readonly version: number;
    readonly opaque: number;
    readonly flag: number;
    readonly remark?: string;
    readonly extFields?: Readonly<Record<string, string>>;
  };
  readonly headerText?: string;
  readonly bodyText?: string;
  readonly bodyBytes: number;
  readonly hex: string;
}

export interface GoldenExchange {
  readonly name: string;
  readonly what: string;
  readonly request: GoldenFrame;
  /** null for a one-way request. */
  readonly response: GoldenFrame | null;
}

const directory = new URL('../../golden/wire/', import.meta.url);

export function goldenExchanges(): GoldenExchange[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => goldenExchange(file.slice(0, -'.json'.length)));
}

export function goldenExchange(name: string): GoldenExchange {
  const parsed = JSON.parse(readFileSync(new URL(`${name}.json`, directory), 'utf8')) as Omit<GoldenExchange, 'name'>;
  return { name, ...parsed };
}

export function frameBytes(frame: GoldenFrame): Buffer {
  return Buffer.from(frame.hex, 'hex');
}
