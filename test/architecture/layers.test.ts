// The rules of the house that a machine can check: who may import whom, no cycles, no hidden clock in the store, sizes.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const src = join(root, 'src');

/** What each layer may import besides itself. */
const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ['base'],
  native: ['base'],
  store: ['base', 'model', 'native'],
  remoting: ['base', 'model'],
  namesrv: ['base', 'model', 'remoting'],
  broker: ['base', 'model', 'remoting', 'store'],
  server: ['base', 'model', 'remoting', 'store', 'namesrv', 'broker'],
  cli: ['base', 'model', 'native', 'remoting', 'store', 'namesrv', 'broker', 'server'],
};

/** The only files of the store that touch the machine. */
const outsideDoors = new Set([
  'src/store/node-file-system.ts',
  'src/store/mmap-io-file-system.ts',
  'src/store/state/lmdb-key-value-store.ts',
]);

interface Source {
  readonly path: string;
  readonly layer: string;
  readonly text: string;
  /** Code without comments. */
  readonly code: string;
  /** Paths of ours, from the root. */
  readonly imports: readonly string[];
  /** Everything else. */
  readonly packages: readonly string[];
}

const sources: readonly Source[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readSource(join(src, name)));
const byPath = new Map(sources.map((source) => [source.path, source]));

function readSource(absolute: string): Source {
  const path = relative(root, absolute);
  const text = readFileSync(absolute, 'utf8');
  const code = text.replace(/\/\*[^]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
  const specifiers = [...code.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] as string);
  const imports = specifiers
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => relative(root, resolve(dirname(absolute), specifier)));
  const packages = specifiers.filter((specifier) => !specifier.startsWith('.'));
  return { path, layer: path.split('/')[1] as string, text, code, imports, packages };
}

describe('architecture', () => {
  it('every folder under src is a layer that this test knows', () => {
    expect([...new Set(sources.map((source) => source.layer))].filter((layer) => !(layer in layers))).toEqual([]);
  });

  it('a layer imports only the layers below it', () => {
    const wrong = sources.flatMap((source) =>
      source.imports
        .map((target) => ({ from: source.path, target, layer: target.split('/')[1] as string }))
        .filter(({ layer }) => layer !== source.layer && !layers[source.layer]?.includes(layer))
        .map(({ from, target }) => `${from} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('every import of ours exists', () => {
    const missing = sources.flatMap((source) => source.imports.filter((target) => !byPath.has(target)));
    expect(missing).toEqual([]);
  });

  it('there are no import cycles, types counted', () => {
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === 'done') return;
      if (state.get(path) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
        return;
      }
      state.set(path, 'open');
      for (const target of byPath.get(path)?.imports ?? []) visit(target, [...trail, path]);
      state.set(path, 'done');
    };
    for (const source of sources) visit(source.path, []);
    expect(cycles).toEqual([]);
  });

  it('the store reaches the machine only through its file system providers', () => {
    const wrong = sources
      .filter((source) => source.layer === 'store' && !outsideDoors.has(source.path))
      .flatMap((source) => [
        ...source.packages.map((name) => `${source.path} imports ${name}`),
        ...source.imports
          .filter((target) => target.startsWith('src/native/'))
          .map((target) => `${source.path} imports ${target}`),
      ])
      .filter((line) => !/imports node:(path|buffer|crypto)$/.test(line));
    expect(wrong).toEqual([]);
  });

  it('store, broker, name server and transport have no clock, timer or randomness of their own', () => {
    const injected = new Set(['model', 'store', 'remoting', 'namesrv', 'broker']);
    const pattern =
      /\b(?:Date\.now|new Date\(\)|performance\.now|setTimeout|setInterval|setImmediate|Math\.random|process\.hrtime|randomBytes|randomUUID|randomInt)\b/;
    const wrong = sources
      .filter((source) => injected.has(source.layer) && pattern.test(source.code))
      .map((source) => source.path);
    expect(wrong).toEqual([]);
  });

  it('the store knows no network', () => {
    const network = /^node:(net|tls|http|http2|https|dgram|dns)$/;
    const wrong = sources.filter(
      (source) =>
        ['base', 'model', 'native', 'store'].includes(source.layer) &&
        source.packages.some((name) => network.test(name)),
    );
    expect(wrong.map((source) => source.path)).toEqual([]);
  });

  it('only src/native loads the addon', () => {
    const wrong = sources.filter((source) => source.layer !== 'native' && source.code.includes('cometmq_native'));
    expect(wrong.map((source) => source.path)).toEqual([]);
  });

  it('every file says in its first line what it is', () => {
    expect(sources.filter((source) => !/^(#!.*\n)?\/\/ \S/.test(source.text)).map((source) => source.path)).toEqual([]);
  });

  it('no file is longer than 600 lines, data tables excepted', () => {
    const data = new Set(['src/server/config/store-config-table.ts', 'src/server/config/broker-config-table.ts']);
    const long = sources.filter((source) => !data.has(source.path) && source.text.split('\n').length > 600);
    expect(long.map((source) => source.path)).toEqual([]);
  });

  it('names are in kebab-case, and every export has one', () => {
    const misnamed = sources.filter(
      (source) => !source.path.split('/').every((part) => /^[a-z0-9-]+(\.ts)?$/.test(part)),
    );
    const nameless = sources.filter((source) => /^export default\b/m.test(source.code));
    expect([...misnamed, ...nameless].map((source) => source.path)).toEqual([]);
  });

  it('ARCHITECTURE.md has a line for every layer and for every room of the store', () => {
    const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
    const rooms = sources
      .filter((source) => source.layer === 'store' && source.path.split('/').length > 3)
      .map((source) => source.path.split('/')[2] as string);
    expect(Object.keys(layers).filter((layer) => !text.includes(`| \`src/${layer}\` |`))).toEqual([]);
    expect([...new Set(rooms)].filter((room) => !text.includes(`\`${room}\``))).toEqual([]);
  });

  it('a decision is told in at most forty lines', () => {
    const folder = join(root, 'docs', 'adr');
    const long = readdirSync(folder).filter((name) => readFileSync(join(folder, name), 'utf8').split('\n').length > 41);
    expect(long).toEqual([]);
  });

  it('nothing is left for later', () => {
    const wrong = sources.filter((source) =>
      /\b(?:TODO|FIXME|XXX)\b|not implemented/i.test(source.text.replaceAll('SCHEDULE_TOPIC_XXXX', '')),
    );
    expect(wrong.map((source) => source.path)).toEqual([]);
  });
});
