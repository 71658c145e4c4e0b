/**
 * Tests against Apache RocketMQ itself (JVMs, maven on first use): one file at a time, long limits. With `COMETMQ_CAPTURE=1` it runs
 * the programs that write `test/golden` anew instead.
 */

import { defineConfig } from 'vitest/config';

const capturing = process.env['COMETMQ_CAPTURE'] === '1';

export default defineConfig({
  test: {
    include: capturing ? ['test/interop/capture/*.capture.ts'] : ['test/**/*.interop.test.ts'],
    env: { COMETMQ_VERIFY: '1' },
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
