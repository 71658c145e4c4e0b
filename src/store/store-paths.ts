// Where everything lies in a data directory. Apache's names are Apache's; what is ours alone is below `cometmq/`, which Apache ignores.

import { join } from 'node:path';

export interface StorePaths {
  readonly root: string;
  readonly commitLog: string;
  readonly consumeQueue: string;
  readonly index: string;
  readonly config: string;
  readonly checkpoint: string;
  readonly abort: string;
  readonly lock: string;
  readonly durableOffset: string;
  readonly queueCount: string;
  readonly state: string;
  readonly quarantine: string;
}

export function storePaths(root: string, commitLogDirectory = join(root, 'commitlog')): StorePaths {
  return {
    root,
    commitLog: commitLogDirectory,
    consumeQueue: join(root, 'consumequeue'),
    index: join(root, 'index'),
    config: join(root, 'config'),
    checkpoint: join(root, 'checkpoint'),
    abort: join(root, 'abort'),
    lock: join(root, 'lock'),
    durableOffset: join(root, 'cometmq', 'durable-offset'),
    queueCount: join(root, 'cometmq', 'queue-count'),
    state: join(root, 'cometmq', 'state'),
    quarantine: join(root, 'cometmq', 'quarantine'),
  };
}
