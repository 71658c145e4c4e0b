import { expect, it } from 'vitest';
import { runSeed } from './power-cut-run.ts';
const from = Number(process.env['FROM'] ?? 1);
const count = Number(process.env['SEEDS'] ?? 20);
it('tries', async () => {
  const t0 = performance.now();
  let bad = 0,
    crashes = 0,
    messages = 0;
  for (let seed = from; seed < from + count; seed++) {
    const t = performance.now();
    const o = await runSeed({ seed });
    crashes += o.crashCount;
    messages += o.messageCount;
    if (o.violations.length > 0) {
      bad++;
      console.log('SEED', seed, o.violations.slice(0, 2).join('\n   ').slice(0, 900));
    }
    const ms = performance.now() - t;
    if (ms > 2000) console.log('slow', seed, ms);
  }
  console.log({ bad, crashes, messages, ms: performance.now() - t0 });
  expect(1).toBe(1);
}, 600_000);
