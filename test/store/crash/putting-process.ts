// Runs in a process of its own until it is killed: puts messages as fast as it can and says which were acknowledged.

import { createMessage } from '../../../src/store/create-message.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { PutMessageResult } from '../../../src/store/store-types.ts';
import { killedStoreConfig } from './killed-store-config.ts';

const dir = process.env['STORE_ROOT'] ?? '';
const round = Number(process.env['ROUND'] ?? 0);
const IN_FLIGHT = 32;
const QUEUES = 4;

// A pipe is written synchronously, so what was said before the kill is heard.
const say = (line: string): void => void process.stdout.write(`${line}\n`);

say('opening');
const store = await openStore({ dir, config: killedStoreConfig(round) });
say('ready');

const startMs = performance.now();
let next = 0;

async function putOne(): Promise<void> {
  const number = next++;
  const body = `${round}-${number} `.padEnd(20 + ((number * 7_919) % 3_000), 'x');
  const message = { topic: `orders-${number % 2}`, queueId: number % QUEUES, keys: [`key-${number}`], body };
  const messages = Array.from({ length: number % 9 === 0 ? 3 : 1 }, () => createMessage(message));
  const result: PutMessageResult = await (messages.length > 1
    ? store.putBatch(messages)
    : store.put(messages[0] ?? createMessage(message)));
  if (result.status !== 'PUT_OK') throw new Error(`refused: ${JSON.stringify(result)}`);
  say(`put ${message.topic} ${message.queueId} ${result.queueOffset} ${result.messageCount} ${number}`);
}

async function putOn(): Promise<void> {
  for (;;) {
    await putOne();
    if (next % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * An offset must be on disk when it is 100 ms old, on a disk whose syncs are quick. Other work on the machine may make them slow,
 * and a commit may wait for one that is under way: two syncs each.
 */
const OLD_MS = 100;
const COMMIT_INTERVAL_MS = 25;
let slowestSyncMs = 0;
async function watchSyncs(): Promise<void> {
  for (;;) {
    const beganMs = performance.now();
    await Promise.all([store.flush(), new Promise((resolve) => setTimeout(resolve, 2))]);
    slowestSyncMs = Math.max(slowestSyncMs, performance.now() - beganMs);
  }
}

/** Committed lately, the oldest first; each says when. */
const commits: number[] = [];
setInterval(() => {
  const ageMs = Math.floor(performance.now() - startMs);
  store.commitOffset('kitchen', 'orders-0', 0, round * 1_000_000 + ageMs);
  commits.push(ageMs);
  const oldMs = Math.max(OLD_MS, COMMIT_INTERVAL_MS + 4 * slowestSyncMs);
  const old = commits.findLastIndex((committedMs) => committedMs <= ageMs - oldMs);
  if (old >= 0) say(`committed ${round * 1_000_000 + (commits.splice(0, old + 1).at(-1) ?? 0)}`);
}, 5);

await Promise.all([watchSyncs(), ...Array.from({ length: IN_FLIGHT }, putOn)]);
