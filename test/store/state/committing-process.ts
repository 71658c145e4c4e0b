// Runs in a process of its own until it is killed: commits ever higher offsets and says which are 100 ms old.

import { join } from 'node:path';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { NodeFileSystem } from '../../../src/store/node-file-system.ts';
import { openLmdbKeyValueStore } from '../../../src/store/state/lmdb-key-value-store.ts';
import { StoreState } from '../../../src/store/state/store-state.ts';
import { OldCommits } from '../../support/old-commits.ts';

const COMMIT_INTERVAL_MS = 50;
const commits = new OldCommits(systemClock, COMMIT_INTERVAL_MS);
const root = process.env['STATE_ROOT'] ?? '';
const fileSystem = new NodeFileSystem();
const quarantineDirectory = join(root, 'cometmq/quarantine');
const common = { fileSystem, quarantineDirectory, clock: systemClock, logger: silentLogger };
const keyValues = await openLmdbKeyValueStore({ ...common, directory: join(root, 'cometmq/state') });
const state = await StoreState.open({
  ...common,
  keyValues: commits.watchBatches(keyValues),
  configDirectory: join(root, 'config'),
  offsetCommitIntervalMs: COMMIT_INTERVAL_MS,
  offsetExportIntervalMs: 200,
});

const startMs = performance.now();
setInterval(() => {
  const offset = Math.floor(performance.now() - startMs);
  for (let queueId = 0; queueId < 40; queueId++) state.consumerOffsets.commit('g', 'orders', queueId, offset);
  commits.add(offset);
  const old = commits.takeOld();
  if (old !== undefined) process.stdout.write(`${old}\n`);
}, 5);

for (;;) await commits.watch(() => new Promise((resolve) => setTimeout(resolve, 2))); // how late timers are
