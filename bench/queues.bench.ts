// The cost of an append and of a read must not grow with the number of queues.

import { Prng } from '../src/base/prng.ts';
import type { MessageStore } from '../src/store/message-store.ts';
import type { Benchmark, BenchmarkGroup } from './benchmark.ts';
import { turn } from './benchmark.ts';
import { benchMessage, benchStore } from './bench-store.ts';

const PER_RUN = 10_000;
const QUEUES_PER_TOPIC = 10;

const topicOf = (queue: number): string => `Topic${Math.floor(queue / QUEUES_PER_TOPIC)}`;

function appendTo(queues: number): Benchmark {
  return {
    name: `append of 1 KiB over ${queues} queues`,
    unit: 'message',
    unitsPerRun: PER_RUN,
    bytesPerRun: PER_RUN * 1024,
    async setUp() {
      // A server has the message it puts in its caches: what must be cold here is what the store keeps of a queue, no more.
      const message = benchMessage(1024);
      const topics = Array.from({ length: Math.ceil(queues / QUEUES_PER_TOPIC) }, (_, index) => `Topic${index}`);
      const putTo = (store: MessageStore, queue: number): ReturnType<MessageStore['put']> => {
        const topic = topics[Math.floor(queue / QUEUES_PER_TOPIC)]!;
        return store.put({ ...message, topic, queueId: queue % QUEUES_PER_TOPIC });
      };
      const empty = await benchStore({ indexEnabled: false });
      for (let queue = 0; queue < queues; queue++) await putTo(empty.store, queue);
      // Making a queue's directory is no part of an append: it is done before.
      const { store, end } = await empty.reopened();
      let next = 0;
      const run = async (): Promise<void> => {
        for (let index = 0; index < PER_RUN; index++) {
          // A step that is prime to every count visits all queues in an order that no cache foresees.
          next = (next + 7_919) % queues;
          const result = putTo(store, next);
          if (result instanceof Promise) await result;
          if (index % 256 === 255) await turn();
        }
      };
      return { run, end };
    },
  };
}

function readFrom(queues: number): Benchmark {
  return {
    name: `get of the newest message of one of ${queues} queues`,
    unit: 'message',
    unitsPerRun: 2_000,
    async setUp() {
      const { store, end } = await benchStore({ indexEnabled: false });
      for (let queue = 0; queue < queues; queue++) {
        await store.put(benchMessage(96, queue % QUEUES_PER_TOPIC, topicOf(queue)));
      }
      const prng = new Prng(1);
      const run = async (): Promise<void> => {
        for (let index = 0; index < 2_000; index++) {
          const queue = prng.below(queues);
          const topic = topicOf(queue);
          const got = store.get({ topic, queueId: queue % QUEUES_PER_TOPIC, queueOffset: 0, messageCountMax: 1 });
          (got instanceof Promise ? await got : got).release();
        }
      };
      return { run, end };
    },
  };
}

export const queueBenchmarks: BenchmarkGroup = {
  name: 'queues',
  benchmarks: [appendTo(1), appendTo(1_000), appendTo(50_000), readFrom(1), readFrom(50_000)],
};
