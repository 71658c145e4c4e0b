/**
 * The official Java clients with the settings that the tests against our server share: short heartbeats and rebalance intervals, so
 * that what the clients do by timer happens within a second instead of half a minute.
 */

import { expect } from 'vitest';
import { type ApacheVersion, type Fact, type JavaProgram, runJava, startJava } from './apache.ts';
import { until } from './cometmq.ts';

/** A client waits at most this long for what our server owes it; a healthy run needs a small part of it. */
export const DELIVERY_MS = 60_000;

export interface ClientKind {
  readonly version: ApacheVersion;
  /** How the client encodes the headers of its requests. */
  readonly serialize: 'JSON' | 'ROCKETMQ';
}

export interface Clients {
  /** Sends to the end; every message is acknowledged with SEND_OK. Answers the acknowledgements. */
  readonly produce: (topic: string, args: readonly string[]) => Promise<Fact[]>;
  /** A producer that goes on, with repeats until acknowledged, until `finish()`. */
  readonly startProducer: (topic: string, args?: readonly string[]) => Promise<JavaProgram>;
  /** A push consumer of one thread that consumes from the first message on. Resolves when it is ready. */
  readonly startConsumer: (topics: readonly string[], group: string, args?: readonly string[]) => Promise<JavaProgram>;
  /** Questions of offsets, as the program Queries takes them; a fact each, in this order. */
  readonly ask: (group: string, questions: readonly string[]) => Promise<Fact[]>;
}

export function javaClients(kind: ClientKind, namesrv: string, home: string): Clients {
  const options = {
    version: kind.version,
    home,
    jvmArgs: [
      `-Drocketmq.serialize.type=${kind.serialize}`,
      '-Drocketmq.client.rebalance.waitInterval=500',
      '-Drocketmq.client.rebalance.minInterval=200',
    ],
  };
  return {
    produce: async (topic, args) => {
      const program = await runJava('Produce', ['--namesrv', namesrv, '--topic', topic, ...args], options);
      expect(program.factsOf('failed')).toEqual([]);
      const acks = program.factsOf('ack');
      expect(acks.filter((ack) => ack['status'] !== 'SEND_OK')).toEqual([]);
      return acks;
    },
    startProducer: (topic, args = ['--threads', '2', '--pause', '2']) => {
      const load = ['--count', '0', '--persist', 'true', '--timeout', '3000', '--poll-namesrv', '1000'];
      return startJava('Produce', ['--namesrv', namesrv, '--topic', topic, ...load, ...args], options);
    },
    startConsumer: async (topics, group, args = []) => {
      const timers = ['--heartbeat', '1000', '--poll-namesrv', '1000', '--persist-interval', '500', '--threads', '1'];
      const names = ['--namesrv', namesrv, '--group', group, ...topics.flatMap((topic) => ['--topic', topic])];
      const program = await startJava('Consume', [...names, ...timers, ...args], options);
      await program.waitForFacts('ready', 1, DELIVERY_MS);
      return program;
    },
    ask: async (group, questions) => {
      const names = ['--namesrv', namesrv, '--group', group, ...questions.flatMap((question) => ['--do', question])];
      const program = await runJava('Queries', names, options);
      expect(program.factsOf('failed')).toEqual([]);
      return program.facts.slice(1);
    },
  };
}

/** Named fields of each fact, in an order that does not depend on who printed first. */
export function pick(facts: readonly Fact[], names: readonly string[]): string[] {
  return facts.map((fact) => JSON.stringify(Object.fromEntries(names.map((name) => [name, fact[name]])))).sort();
}

/** Each queue's offsets in the order of delivery. */
export function offsetsByQueue(messages: readonly Fact[]): Map<string, number[]> {
  const queues = new Map<string, number[]>();
  for (const message of messages) {
    const queue = `${String(message['topic'])}@${String(message['queueId'])}`;
    const offsets = queues.get(queue) ?? [];
    offsets.push(Number(message['queueOffset']));
    queues.set(queue, offsets);
  }
  return queues;
}

/** Every queue was delivered from offset 0 on without a gap, a repetition or a change of order. */
export function expectGaplessOrder(messages: readonly Fact[]): void {
  for (const [queue, offsets] of offsetsByQueue(messages)) {
    expect(offsets, `offsets of ${queue}`).toEqual(offsets.map((_, index) => index));
  }
}

/** Ids that were acknowledged and are not among the deliveries. */
export function lostIds(acks: readonly Fact[], messages: readonly Fact[]): unknown[] {
  const received = new Set(messages.map((message) => message['msgId']));
  return acks.map((ack) => ack['msgId']).filter((msgId) => !received.has(msgId));
}

/** The queues of its topics (not of its retry topic) that a consumer owns now. */
export function queuesOf(consumer: JavaProgram): string[] {
  const last = consumer.factsOf('queues').at(-1)?.['assigned'] as readonly string[] | undefined;
  return (last ?? []).filter((queue) => !queue.startsWith('%RETRY%'));
}

/** Waits until each of a topic's queues is owned by exactly one of the consumers, and by how many they should differ at most. */
export async function untilShared(consumers: readonly JavaProgram[], queueCount: number): Promise<void> {
  const isShared = (): boolean => {
    const owned = consumers.map(queuesOf);
    const all = owned.flat();
    const counts = owned.map((queues) => queues.length);
    return (
      all.length === queueCount && new Set(all).size === queueCount && Math.max(...counts) - Math.min(...counts) <= 1
    );
  };
  await until(isShared, DELIVERY_MS, `an even share of ${queueCount} queues among ${consumers.length} consumers`);
}
