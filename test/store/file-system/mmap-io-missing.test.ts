// mmap-io is optional: without it the provider says so, and nothing else of the store needs it.

import { describe, expect, it } from 'vitest';
import { MmapIoFileSystem } from '../../../src/store/mmap-io-file-system.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

describe('the mmap-io file system without the package', () => {
  it('says what is missing, where it looked, and how to get it', async () => {
    const installedIn = temporaryDirectory();
    const loaded = MmapIoFileSystem.load({ installedIn });
    await expect(loaded).rejects.toMatchObject({ code: 'ERR_STORE_BAD_CONFIG', details: { installedIn } });
    await expect(loaded).rejects.toThrow(/@riaskov\/mmap-io can't be loaded .*install-mmap-io\.mjs/);
  });
});
