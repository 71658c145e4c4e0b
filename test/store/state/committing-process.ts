// Runs in a process of its own until it is killed: commits ever higher offsets and says which are 100 ms old.

import { join } from 'node:path';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { NodeFileSystem } from '../../../src/store/node-file-system.ts';
import { openLmdbKeyValueStore } from '../../../src/store/state/lmdb-key-value-store.ts';
import { StoreState } from '../../../src/store/state/store-state.ts';

const root = process.env['STATE_ROOT'] ?? '';
const fileSystem = new NodeFileSystem();
const quarantineDirectory = join(root, 'cometmq/quarantine');
const common = { fileSystem, quarantineDirectory, clock: systemClock, logger: silentLogger };
const state = await StoreState.open({
  ...common,
  keyValues: await openLmdbKeyValueStore({ ...common, directory: join(root, 'cometmq/state') }),
  configDirectory: join(root, 'config'),
  offsetCommitIntervalMs: 50,
  offsetExportIntervalMs: 200,
});

const startMs = performance.now();
setInterval(() => {
  const ageMs = performance.now() - startMs;
  for (let queueId = 0; queueId < 40; queueId++)
    state.consumerOffsets.commit('g', 'orders', queueId, Math.floor(ageMs));
  process.stdout.write(`${Math.max(0, Math.floor(ageMs - 100))}\n`); // every offset up to here was committed 100 ms ago
}, 5);
