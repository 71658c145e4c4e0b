/** Crash and fault tests that take minutes: simulated power cuts by the thousand, real kills, full disks. */

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.slow.crash.test.ts', 'test/**/*.slow.fault.test.ts'],
    env: { COMETMQ_VERIFY: '1' },
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 300_000,
  },
});
