// The crash suite must notice when a part of the promise is not kept. Each sabotage goes between the store and the machine.

import { describe, expect, it } from 'vitest';
import type { FileSystem, MappedRegion } from '../../../src/store/file-system.ts';
import { runSeeds } from './power-cut-suite.ts';
import type { FileSystemWrapper } from './simulated-machine.ts';

const seeds = Array.from({ length: 60 }, (_, index) => index + 1);
const timeout = 120_000;

/** Everything goes through to the real one, but for what is overridden. */
function overriding<Part extends object>(part: Part, overrides: Partial<Part>): Part {
  return new Proxy(part, {
    get(target, name) {
      if (name in overrides) return Reflect.get(overrides, name) as unknown;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const doingNothing = (): Promise<void> => Promise.resolve();

/** `fdatasync` says yes without doing anything, for the files that `isAffected` names. */
const withoutSync =
  (isAffected: (path: string) => boolean): FileSystemWrapper =>
  (fileSystem) => {
    const wrapped = (region: MappedRegion): MappedRegion =>
      isAffected(region.path) ? overriding(region, { sync: doingNothing }) : region;
    return overriding<FileSystem>(fileSystem, {
      openRegion: async (path, options) => wrapped(await fileSystem.openRegion(path, options)),
      openRegionSync: (path, options) => wrapped(fileSystem.openRegionSync(path, options)),
    });
  };

/** The checkpoint is written although the views below it are not on disk. */
const checkpointTooEarly: FileSystemWrapper = (fileSystem) =>
  overriding<FileSystem>(fileSystem, { syncAll: doingNothing });

async function firstFailure(wrap: FileSystemWrapper): Promise<string> {
  const { failures } = await runSeeds(seeds, { wrap, stopAfterFailures: 1 });
  return failures[0] ?? 'nothing was noticed';
}

describe('the crash suite notices', () => {
  it('a sync of the log that does nothing', { timeout }, async () => {
    expect(await firstFailure(withoutSync((path) => path.includes('/commitlog/')))).toContain('violations');
  });

  it('a checkpoint that is written before the views are on disk', { timeout }, async () => {
    expect(await firstFailure(checkpointTooEarly)).toContain('violations');
  });

  it('a CRC that fits everything', { timeout }, async () => {
    const crcOfNothing: FileSystemWrapper = (fileSystem) => overriding<FileSystem>(fileSystem, { crc32: () => 0 });
    expect(await firstFailure(crcOfNothing)).toContain('violations');
  });
});
