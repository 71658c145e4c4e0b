// The native addon against mmap-io, behind the same port. The second is left out, by name, when it is not installed.

import type { FileSystem } from '../src/store/file-system.ts';
import { MmapIoFileSystem } from '../src/store/mmap-io-file-system.ts';
import { NodeFileSystem } from '../src/store/node-file-system.ts';
import type { Benchmark, BenchmarkGroup } from './benchmark.ts';
import { turn } from './benchmark.ts';
import { benchMessage, benchStore } from './bench-store.ts';

function appendOn(
  name: string,
  open: () => Promise<FileSystem>,
  flushDiskType: 'ASYNC_FLUSH' | 'SYNC_FLUSH',
): Benchmark {
  const isSync = flushDiskType === 'SYNC_FLUSH';
  const count = isSync ? 2_000 : 10_000;
  return {
    name: `${name}, append of 1 KiB, ${flushDiskType}`,
    unit: 'message',
    unitsPerRun: count,
    bytesPerRun: count * 1024,
    async setUp() {
      const { store, end } = await benchStore({ flushDiskType }, await open());
      const message = benchMessage(1024);
      const run = async (): Promise<void> => {
        const pending: unknown[] = [];
        for (let index = 0; index < count; index++) {
          const result = store.put(message);
          if (result instanceof Promise) pending.push(result);
          if (index % 256 === 255) await turn();
        }
        await Promise.all(pending);
      };
      return { run, end };
    },
  };
}

const native = (): Promise<FileSystem> => Promise.resolve(new NodeFileSystem());

export async function providerBenchmarks(): Promise<BenchmarkGroup> {
  const benchmarks = [appendOn('native', native, 'ASYNC_FLUSH'), appendOn('native', native, 'SYNC_FLUSH')];
  try {
    await MmapIoFileSystem.load();
    const mmapIo = (): Promise<FileSystem> => MmapIoFileSystem.load();
    benchmarks.push(appendOn('mmap-io', mmapIo, 'ASYNC_FLUSH'), appendOn('mmap-io', mmapIo, 'SYNC_FLUSH'));
  } catch (error) {
    process.stdout.write(
      `mmap-io is left out: ${(error as Error).message} (node scripts/install-mmap-io.mjs installs it)\n`,
    );
  }
  return { name: 'providers of the file-system port', benchmarks };
}
