// The example in the README is a promise: it runs as it stands, against the build, through the package's own exports.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

it('the embedding example of the README runs and is about twenty lines long', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const example = [...readme.matchAll(/```js\n([^]*?)```/g)].map((match) => match[1] as string)[0] as string;
  expect(example).toContain("from 'cometmq/store'");
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(22);
  // Inside the package, so that its own name resolves to it.
  const directory = join(root, '.cache', `readme-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  try {
    writeFileSync(join(directory, 'example.mjs'), example);
    const printed = execFileSync(process.execPath, ['example.mjs'], { cwd: directory, encoding: 'utf8' });
    expect(printed.trim().split('\n')).toEqual(['orders has message 0', 'PUT_OK 0', '0 one coffee', 'one coffee']);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

it('importing cometmq/store loads no network code', () => {
  const script = `
    await import('cometmq/store');
    // Taken before standard output is touched: when that is a pipe, Node itself loads net for it.
    const loaded = process.moduleLoadList.filter((name) => /^NativeModule (net|tls|http2?|https|dgram)$/.test(name));
    process.stdout.write(JSON.stringify(loaded));
  `;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(JSON.parse(printed)).toEqual([]);
});
