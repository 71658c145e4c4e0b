import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { addonBuildCommand } from '../../src/native/addon-file.ts';
import { loadAddonFrom, nativeAddon } from '../../src/native/load-addon.ts';
import { failureOf, scratchDirectory } from './support/scratch.ts';

const directory = scratchDirectory();

test('a missing addon is an error that names the command', async () => {
  const file = join(directory, 'absent.node');
  const failure = await failureOf(() => loadAddonFrom(file));
  expect(failure).toMatchObject({
    code: 'ERR_NATIVE_ADDON',
    message: `the native addon ${file} is missing; run: ${addonBuildCommand}`,
  });
});

test('a file that is no addon is an error that names the command', async () => {
  const file = join(directory, 'broken.node');
  writeFileSync(file, 'not an ELF file');
  const failure = await failureOf(() => loadAddonFrom(file));
  expect(failure).toMatchObject({ code: 'ERR_NATIVE_ADDON' });
  expect(String(failure)).toMatch(/can't be loaded .*; run: node .*build-native\.mjs$/s);
});

test('an addon of another interface version is refused', async () => {
  const file = join(directory, 'other.cjs');
  writeFileSync(file, 'module.exports = { interfaceVersion: 0 };');
  const failure = await failureOf(() => loadAddonFrom(file));
  expect(failure).toMatchObject({ code: 'ERR_NATIVE_ADDON', details: { interfaceVersion: 0 } });
});

test('every function of the addon refuses arguments that make no sense, and none crashes', async () => {
  const functions = Object.entries(nativeAddon).filter(
    (entry): entry is [string, (...values: unknown[]) => unknown] => {
      return typeof entry[1] === 'function' && entry[0] !== 'readPastTheEnd';
    },
  );
  expect(functions.length).toBe(17);
  const nonsense = [undefined, null, -1, 0.5, Number.NaN, 2 ** 70, '', {}, [], Symbol('x'), new Uint16Array(2), 10n];
  for (const [name, call] of functions) {
    for (const value of nonsense) {
      for (const count of [0, 1, 4, 6, 9]) {
        const failure = await failureOf(() => call(...Array.from({ length: count }, () => value)));
        expect(failure, `${name}(${count} × ${typeof value})`).toMatchObject({
          code: expect.stringMatching(/^ERR_NATIVE_/),
        });
      }
    }
  }
});

test('the addon can be loaded from a second file without disturbing the first', async () => {
  const file = join(directory, 'copy.node');
  copyFileSync(
    process.env['COMETMQ_NATIVE'] ?? join(import.meta.dirname, '../../native/build/cometmq_native.node'),
    file,
  );
  const second = loadAddonFrom(file);
  const handle = second.openRegionSync(join(directory, 'region'), 4096, 1 | 4);
  expect(() => nativeAddon.pinRegion(handle)).toThrow('the region is closed');
  await second.closeRegion(handle);
});
