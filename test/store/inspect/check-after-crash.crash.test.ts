// The check on the crashable file system: what every simulated crash is followed by.

import { expect, it } from 'vitest';
import { createMessage } from '../../../src/store/create-message.ts';
import { findViolations } from '../../../src/store/inspect/check-store.ts';
import { openStore, type OpenStoreOptions } from '../../../src/store/open-store.ts';
import { MemoryKeyValueStore } from '../../../src/store/state/memory-key-value-store.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import { SMALL_FILES } from './inspected-store.ts';

function optionsFor(fileSystem: CrashableFileSystem): OpenStoreOptions {
  return {
    dir: '/store',
    config: SMALL_FILES,
    fileSystem,
    openKeyValues: () => Promise.resolve(new MemoryKeyValueStore()),
  };
}

it('finds a store clean that was recovered after a power cut, both open and closed', async () => {
  let dirtyCount = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const before = new CrashableFileSystem({ seed });
    const store = await openStore(optionsFor(before));
    for (let index = 0; index < 150; index++) {
      const body = 'x'.repeat(index * 7);
      await store.put(createMessage({ topic: `t${index % 2}`, body, keys: [`k${index}`] }));
      if (index % 20 === seed % 20) before.writeback();
    }
    const fileSystem = before.crash();
    // What a crash leaves for the next open to put right is no violation; but it is one where nothing may be left.
    expect({ seed, violations: await findViolations({ dir: '/store', fileSystem }) }).toEqual({ seed, violations: [] });
    dirtyCount += (await findViolations({ dir: '/store', fileSystem, strict: true })).length > 0 ? 1 : 0;
    const again = await openStore(optionsFor(fileSystem));
    const open = { dir: '/store', fileSystem, lock: false };
    expect({ seed, violations: await findViolations({ ...open, strict: true }) }).toEqual({ seed, violations: [] });
    await again.put(createMessage({ topic: 't0', body: 'after', keys: ['k'] }));
    await again.close();
    expect({ seed, violations: await findViolations({ dir: '/store', fileSystem, strict: true }) }).toEqual({
      seed,
      violations: [],
    });
  }
  expect(dirtyCount).toBeGreaterThan(0);
}, 60_000);
