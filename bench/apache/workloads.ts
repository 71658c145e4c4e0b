// Apache's own benchmark programs, unmodified, against whichever server is running. Messages are counted by the queues' offsets, not by
// what a program prints about itself.

import path from 'node:path';
import { startApacheBenchmark, type JavaProgram } from '../../test/interop/support/apache.ts';
import { RawConnection } from '../../test/interop/support/raw-remoting.ts';
import type { Contestant } from './contestants.ts';
import { anonymousMebibytes, cpuMicroseconds, pin } from './process-figures.ts';

export interface Figures {
  /** Messages a second. */
  readonly rate: number;
  /** Server CPU a message, microseconds, user and system. */
  readonly cpuMicros: number;
  readonly meanMs?: number;
  readonly maxMs?: number;
  readonly anonymousMiB: number;
}

export interface Timing {
  readonly warmSeconds: number;
  readonly measureSeconds: number;
}

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
const QUEUE_COUNT_MAX = 16;
const GET_MAX_OFFSET = 30;

const seconds = (count: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, count * 1_000));

/** Binds the server to its core; what a client program starts later is bound to the other one. */
export function pinServer(server: Contestant): void {
  for (const pid of server.pids) pin(pid, SERVER_CORE);
}

async function storedMessages(server: Contestant, topic: string): Promise<number> {
  const connection = await RawConnection.open(server.brokerPort);
  let total = 0;
  for (let queueId = 0; queueId < QUEUE_COUNT_MAX; queueId++) {
    const { response } = await connection.exchange({ code: GET_MAX_OFFSET, ext: { topic, queueId: String(queueId) } });
    total += Number(response.header.extFields?.['offset'] ?? 0);
  }
  void connection.close();
  return total;
}

async function client(name: string, args: readonly string[], home: string): Promise<JavaProgram> {
  const program = await startApacheBenchmark(name, args, { home, heapMegabytes: 1_024 });
  pin(program.pid, CLIENT_CORE);
  return program;
}

/** `Producer` (one message a send) or `BatchProducer`, until the figures are taken. */
export async function measureSending(
  server: Contestant,
  program: 'Producer' | 'BatchProducer',
  topic: string,
  moreArgs: readonly string[],
  timing: Timing,
  home: string,
): Promise<Figures> {
  const args = ['-n', server.namesrvAddress, '-t', topic, '-s', '1024', '-w', '16', ...moreArgs];
  const producer = await client(program, args, path.join(home, 'client'));
  await seconds(timing.warmSeconds);
  const fromLine = producer.lines.length;
  const stored = await storedMessages(server, topic);
  const cpu = cpuMicroseconds(server.pids);
  const startedMs = performance.now();
  await seconds(timing.measureSeconds);
  const tookSeconds = (performance.now() - startedMs) / 1_000;
  const messages = (await storedMessages(server, topic)) - stored;
  const figures = {
    rate: messages / tookSeconds,
    cpuMicros: (cpuMicroseconds(server.pids) - cpu) / messages,
    anonymousMiB: anonymousMebibytes(server.pids),
    ...responseTimes(producer.lines.slice(fromLine)),
  };
  await producer.kill();
  return figures;
}

/** The programs print a line every 10 s; its times are since the line before, its maximum since the program's start. */
function responseTimes(lines: readonly string[]): { meanMs?: number; maxMs?: number } {
  const found = lines
    .map((line) => /Max RT\(ms\):\s*(\d+).*Average RT\(ms\):\s*([\d.]+)/.exec(line))
    .filter((match) => match !== null);
  if (found.length === 0) return {};
  const mean = found.reduce((sum, match) => sum + Number(match[2]), 0) / found.length;
  return { meanMs: mean, maxMs: Number(found.at(-1)?.[1]) };
}

/** `Consumer` on a topic that is full already, from its first message until it has caught up or the time is over. */
export async function measureDraining(
  server: Contestant,
  topic: string,
  timing: Timing,
  home: string,
): Promise<Figures> {
  const args = ['-n', server.namesrvAddress, '-t', topic, '-g', `drain-${Date.now()}`, '-w', '20', '-ri', '1000'];
  const consumer = await client('Consumer', args, path.join(home, 'client'));
  const rateOf = (line: string): number => Number(/(?:Consume )?TPS:\s*(\d+)/.exec(line)?.[1] ?? 0);
  await consumer.waitUntil(({ lines }) => lines.some((line) => rateOf(line) > 0), 90_000, 'consuming');
  const fromLine = consumer.lines.length;
  const cpu = cpuMicroseconds(server.pids);
  const startedMs = performance.now();
  const deadline = startedMs + timing.measureSeconds * 1_000;
  const isDrained = (): boolean =>
    consumer.lines
      .slice(fromLine)
      .slice(-1)
      .some((line) => rateOf(line) === 0);
  let last = { messages: 0, cpu, atMs: startedMs };
  while (performance.now() < deadline && !isDrained()) {
    await seconds(0.25);
    const messages = consumer.lines.slice(fromLine).reduce((sum, line) => sum + rateOf(line), 0);
    if (messages > last.messages) last = { messages, cpu: cpuMicroseconds(server.pids), atMs: performance.now() };
  }
  const anonymousMiB = anonymousMebibytes(server.pids);
  await consumer.kill();
  const { messages } = last;
  return {
    rate: messages / ((last.atMs - startedMs) / 1_000),
    cpuMicros: (last.cpu - cpu) / messages,
    anonymousMiB,
  };
}

/** Per cent of one core that the server takes while nobody uses it. */
export async function measureIdle(server: Contestant, measureSeconds: number): Promise<number> {
  await seconds(5);
  const cpu = cpuMicroseconds(server.pids);
  await seconds(measureSeconds);
  return ((cpuMicroseconds(server.pids) - cpu) / (measureSeconds * 1e6)) * 100;
}
