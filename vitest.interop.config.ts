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
    // Clients in JVMs of their own, with timers of 10 to 40 s: a machine that stands still for that long is no finding. A test that
    // needed its second try says so in the output.
    retry: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
