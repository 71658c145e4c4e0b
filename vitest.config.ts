/** The tests that `npm test` runs: everything that needs neither a JVM nor many minutes. */

import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.interop.test.ts', 'test/**/*.slow.*.test.ts'],
    env: { COMETMQ_VERIFY: '1' },
    pool: 'forks',
    // For machines under load; nothing here takes a second on an idle one.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
