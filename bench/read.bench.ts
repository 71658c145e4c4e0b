// Reading back what is in the page cache: whole pulls in order, and single messages anywhere.

import { Prng } from '../src/base/prng.ts';
import type { Benchmark, BenchmarkGroup } from './benchmark.ts';
import { turn } from './benchmark.ts';
import { benchMessage, benchStore, type BenchStore } from './bench-store.ts';

const MESSAGES = 200_000;
const BODY_BYTES = 1024;
const TOPIC = 'BenchmarkTest';

async function filled(): Promise<BenchStore> {
  const bench = await benchStore();
  const message = benchMessage(BODY_BYTES);
  for (let index = 0; index < MESSAGES; index++) {
    await bench.store.put(message);
    if (index % 256 === 255) await turn();
  }
  return bench;
}

const PULLS = 500;
const PER_PULL = 32;

const sequential: Benchmark = {
  name: `sequential, ${PER_PULL} messages of 1 KiB a get`,
  unit: 'message',
  unitsPerRun: PULLS * PER_PULL,
  bytesPerRun: PULLS * PER_PULL * BODY_BYTES,
  async setUp() {
    const { store, end } = await filled();
    let offset = 0;
    const run = async (): Promise<void> => {
      for (let pull = 0; pull < PULLS; pull++) {
        if (offset + PER_PULL > MESSAGES) offset = 0;
        const got = store.get({ topic: TOPIC, queueId: 0, queueOffset: offset, messageCountMax: PER_PULL });
        const result = got instanceof Promise ? await got : got;
        offset = result.nextBeginOffset;
        result.release();
      }
    };
    return { run, end };
  },
};

const copied: Benchmark = {
  ...sequential,
  name: `sequential, ${PER_PULL} messages of 1 KiB a get, every byte copied`,
  async setUp() {
    const { store, end } = await filled();
    const target = Buffer.alloc(512 * 1024);
    let offset = 0;
    const run = async (): Promise<void> => {
      for (let pull = 0; pull < PULLS; pull++) {
        if (offset + PER_PULL > MESSAGES) offset = 0;
        const got = store.get({ topic: TOPIC, queueId: 0, queueOffset: offset, messageCountMax: PER_PULL });
        const result = got instanceof Promise ? await got : got;
        let at = 0;
        for (const view of result.views) at += view.copy(target, at);
        offset = result.nextBeginOffset;
        result.release();
      }
    };
    return { run, end };
  },
};

const random: Benchmark = {
  name: 'random, one message of 1 KiB a get',
  unit: 'message',
  unitsPerRun: 2_000,
  bytesPerRun: 2_000 * BODY_BYTES,
  async setUp() {
    const { store, end } = await filled();
    const prng = new Prng(1);
    const run = async (): Promise<void> => {
      for (let index = 0; index < 2_000; index++) {
        const request = { topic: TOPIC, queueId: 0, queueOffset: prng.below(MESSAGES), messageCountMax: 1 };
        const got = store.get(request);
        (got instanceof Promise ? await got : got).release();
      }
    };
    return { run, end };
  },
};

export const readBenchmarks: BenchmarkGroup = { name: 'read (page cache)', benchmarks: [sequential, copied, random] };
