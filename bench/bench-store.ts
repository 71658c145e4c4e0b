// A store in a temporary directory, for one benchmark.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageToPut } from '../src/model/message.ts';
import { createMessage } from '../src/store/create-message.ts';
import type { FileSystem } from '../src/store/file-system.ts';
import type { MessageStore } from '../src/store/message-store.ts';
import { openStore } from '../src/store/open-store.ts';
import type { StoreConfig } from '../src/store/store-config.ts';

export interface BenchStore {
  readonly store: MessageStore;
  readonly directory: string;
  /** The same store after a restart: everything that was put is in files, and nothing is pending. Use it instead of this one. */
  readonly reopened: () => Promise<BenchStore>;
  readonly end: () => Promise<void>;
}

/** Segments large enough that a run rolls now and then, as a server does. */
const BENCH_CONFIG: Partial<StoreConfig> = {
  commitLogSegmentSizeBytes: 256 * 1024 * 1024,
  indexHashSlotCount: 500_000,
  indexEntryCountMax: 2_000_000,
};

export function benchStore(config: Partial<StoreConfig> = {}, fileSystem?: FileSystem): Promise<BenchStore> {
  return openIn(mkdtempSync(join(tmpdir(), 'cometmq-bench-')), config, fileSystem);
}

async function openIn(directory: string, config: Partial<StoreConfig>, fileSystem?: FileSystem): Promise<BenchStore> {
  const store = await openStore({
    dir: directory,
    config: { ...BENCH_CONFIG, ...config },
    ...(fileSystem === undefined ? {} : { fileSystem }),
  });
  const reopened = async (): Promise<BenchStore> => {
    await store.close();
    return openIn(directory, config, fileSystem);
  };
  const end = async (): Promise<void> => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { store, directory, reopened, end };
}

/** A message as a Java producer sends it: a unique key, WAIT, no more. */
export function benchMessage(bodyBytes: number, queueId = 0, topic = 'BenchmarkTest'): MessageToPut {
  return createMessage({
    topic,
    queueId,
    body: Buffer.alloc(bodyBytes, 'x'),
    properties: { UNIQ_KEY: '7F00000100002A139A55000000000001', WAIT: 'true' },
  });
}
