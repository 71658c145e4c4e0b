// Real processes with real files, killed at any moment: nothing that was acknowledged may be lost. `ROUNDS=n` for more rounds.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.ts';
import { findViolations } from '../../../src/store/inspect/check-store.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts';
import { killedStoreConfig } from './killed-store-config.ts';

const rounds = Number(process.env['ROUNDS'] ?? 50);
/** A directory is used for so many rounds, each going on where the last one was cut. */
const ROUNDS_PER_DIRECTORY = 10;
const runner = fileURLToPath(new URL('../state/run-typescript.mjs', import.meta.url));
const program = fileURLToPath(new URL('putting-process.ts', import.meta.url));

interface Heard {
  /** `topic queueId queueOffset` → what the body begins with. */
  readonly put: Map<string, string>;
  /** The newest offset that is old enough to be on disk. */
  committed: number;
  /** The newest offset that the key-value store said to be on disk. */
  durable: number;
}

let directory: TemporaryDirectory;
let child: ChildProcess | undefined;

beforeEach(() => {
  directory = makeTemporaryDirectory();
});
afterEach(() => {
  child?.kill('SIGKILL');
  directory.remove();
});

/** Lets the program run until a moment that the prng chooses. */
async function runAndKill(round: number, prng: Prng, heard: Heard): Promise<void> {
  const env = { ...process.env, STORE_ROOT: directory.path, ROUND: String(round) };
  const running = spawn(process.execPath, [runner, program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  child = running;
  const exited = once(running, 'exit') as Promise<[number | null, string | null]>;
  const isEarly = prng.chance(0.2);
  const delayMs = isEarly ? prng.below(60) : prng.below(500);
  const lines = createInterface({ input: running.stdout });
  lines.on('line', (line) => {
    if (line === (isEarly ? 'opening' : 'ready')) setTimeout(() => running.kill('SIGKILL'), delayMs);
    hear(line, round, heard);
  });
  const closed = once(lines, 'close');
  const [code, signal] = await exited;
  await closed;
  child = undefined;
  expect({ round, code, signal }).toEqual({ round, code: null, signal: 'SIGKILL' });
}

function hear(line: string, round: number, heard: Heard): void {
  const [kind, ...words] = line.split(' ');
  if (kind === 'committed') heard.committed = Math.max(heard.committed, Number(words[0]));
  if (kind === 'durable') heard.durable = Math.max(heard.durable, Number(words[0]));
  if (kind !== 'put') return;
  const [topic, queueId, queueOffset, count, number] = words as [string, string, string, string, string];
  for (let index = 0; index < Number(count); index++) {
    const place = `${topic} ${queueId} ${Number(queueOffset) + index}`;
    expect(heard.put.has(place)).toBe(false);
    heard.put.set(place, `${round}-${number} `);
  }
}

/** Everything that was heard is there; answers how many messages there are. */
async function verify(store: MessageStore, heard: Heard): Promise<number> {
  const missing = new Map(heard.put);
  let count = 0;
  for (const topic of ['orders-0', 'orders-1']) {
    for (let queueId = 0; queueId < 4; queueId++) {
      let expected = 0;
      for await (const { queueOffset, body } of store.iterate(topic, queueId)) {
        expect(queueOffset).toBe(expected++);
        const place = `${topic} ${queueId} ${queueOffset}`;
        const begin = missing.get(place);
        if (begin !== undefined && Buffer.from(body).toString('latin1', 0, begin.length) === begin)
          missing.delete(place);
        count++;
      }
    }
  }
  expect([...missing]).toEqual([]);
  const offset = store.fetchOffset('kitchen', 'orders-0', 0) ?? 0;
  expect(offset).toBeGreaterThanOrEqual(heard.durable);
  expect(offset).toBeGreaterThanOrEqual(heard.committed);
  return count;
}

it(`loses nothing that was acknowledged when the process is killed ${rounds} times`, async () => {
  const prng = new Prng(Number(process.env['SEED'] ?? 1));
  let acknowledged = 0;
  let durable = 0;
  let heard: Heard = { put: new Map(), committed: 0, durable: 0 };
  for (let round = 0; round < rounds; round++) {
    if (round % ROUNDS_PER_DIRECTORY === 0) {
      acknowledged += heard.put.size;
      heard = { put: new Map(), committed: 0, durable: 0 };
      directory.remove();
      directory = makeTemporaryDirectory();
    }
    await runAndKill(round, prng, heard);
    durable = Math.max(durable, heard.durable);
    // Now and then the next process has to recover alone.
    if (prng.chance(0.3) && round + 1 < rounds) continue;
    const store = await openStore({ dir: directory.path, config: killedStoreConfig(round) });
    expect(await verify(store, heard)).toBeGreaterThanOrEqual(heard.put.size);
    await store.close();
    expect(await findViolations({ dir: directory.path, strict: true })).toEqual([]);
  }
  acknowledged += heard.put.size;
  console.log(`${rounds} kills, ${acknowledged} acknowledged messages`);
  expect(acknowledged).toBeGreaterThan(rounds);
  expect(durable).toBeGreaterThan(0);
});
