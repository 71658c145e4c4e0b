// Runs in a process of its own until it is killed: puts messages as fast as it can and says which were acknowledged.

import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { createMessage } from '../../../src/store/create-message.ts';
import { NodeFileSystem } from '../../../src/store/node-file-system.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { KeyValueChange, KeyValueStore } from '../../../src/store/state/key-value-store.ts';
import { openLmdbKeyValueStore } from '../../../src/store/state/lmdb-key-value-store.ts';
import { OffsetRow } from '../../../src/store/state/offset-row.ts';
import { defaultStoreConfig } from '../../../src/store/store-config.ts';
import type { StorePaths } from '../../../src/store/store-paths.ts';
import type { PutMessageResult } from '../../../src/store/store-types.ts';
import { OldCommits } from '../../support/old-commits.ts';
import { killedStoreConfig } from './killed-store-config.ts';

const dir = process.env['STORE_ROOT'] ?? '';
const round = Number(process.env['ROUND'] ?? 0);
const IN_FLIGHT = 32;
const QUEUES = 4;

// A pipe is written synchronously, so what was said before the kill is heard.
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const commits = new OldCommits(systemClock, defaultStoreConfig.offsetCommitIntervalMs);

/** LMDB as the store opens it itself, but it says which offsets are durable: those may not be lost however young they are. */
async function openKeyValues({ state, quarantine }: StorePaths): Promise<KeyValueStore> {
  const rooms = { directory: state, quarantineDirectory: quarantine, fileSystem: new NodeFileSystem() };
  const keyValues = await openLmdbKeyValueStore({ ...rooms, clock: systemClock, logger: silentLogger });
  return commits.watchBatches(keyValues, sayDurable);
}

function sayDurable(changes: readonly KeyValueChange[]): void {
  const row = new OffsetRow('orders-0', 'kitchen', 0);
  const bytes = changes.findLast(({ key }) => key === row.key)?.value;
  if (bytes === undefined) return;
  if (!row.decode(bytes)) throw new Error('the row of the offsets is none');
  say(`durable ${row.get(0)}`);
}

say('opening');
const store = await openStore({ dir, config: killedStoreConfig(round), openKeyValues });
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

/** Offsets also wait for the loop and for a disk that other work keeps busy. */
async function watchSyncs(): Promise<void> {
  for (;;) {
    await commits.watch(() => Promise.all([store.flush(), new Promise((resolve) => setTimeout(resolve, 2))]));
  }
}

setInterval(() => {
  const offset = round * 1_000_000 + Math.floor(performance.now() - startMs);
  store.commitOffset('kitchen', 'orders-0', 0, offset);
  commits.add(offset);
  const old = commits.takeOld();
  if (old !== undefined) say(`committed ${old}`);
}, 5);

await Promise.all([watchSyncs(), ...Array.from({ length: IN_FLIGHT }, putOn)]);
