// Apache RocketMQ 5.5.0 against CometMQ: the same programs, in alternation, the server on one core and the clients on the other.
// What counts are the ratios of the medians; one figure of a noisy machine says nothing.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Contestant, type FlushDiskType, type Name, startContestant } from './contestants.ts';
import { type Figures, measureDraining, measureIdle, measureSending, pinServer, type Timing } from './workloads.ts';

type Sample = Readonly<Record<string, number>>;

const NAMES: readonly Name[] = ['apache', 'cometmq'];
const root = path.resolve(import.meta.dirname, '../..');

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** One start of one server: figures by 'workload.figure'. */
async function runOnce(name: Name, flush: FlushDiskType, timing: Timing, directory: string): Promise<Sample> {
  const server = await startContestant(name, directory, flush);
  try {
    return flush === 'ASYNC_FLUSH'
      ? await allWorkloads(server, timing, directory)
      : await syncSend(server, timing, directory);
  } finally {
    await server.stop();
  }
}

async function allWorkloads(server: Contestant, timing: Timing, home: string): Promise<Sample> {
  const idlePercent = await measureIdle(server, 15);
  pinServer(server);
  const send = await measureSending(server, 'Producer', 'BenchSend', [], timing, home);
  const batch = await measureSending(server, 'BatchProducer', 'BenchBatch', ['-b', '16'], timing, home);
  const drain = await measureDraining(server, 'BenchBatch', timing, home);
  const rssAnonMiB = Math.max(send.anonymousMiB, batch.anonymousMiB, drain.anonymousMiB);
  return {
    ...named('send', send),
    ...named('batches of 16', batch),
    ...named('drain', drain),
    'server.idle CPU, % of a core': idlePercent,
    'server.RssAnon under load, MiB': rssAnonMiB,
    'server.time to ready, ms': server.readyMs,
  };
}

async function syncSend(server: Contestant, timing: Timing, home: string): Promise<Sample> {
  pinServer(server);
  return named('send, SYNC_FLUSH', await measureSending(server, 'Producer', 'BenchSync', [], timing, home));
}

function named(workload: string, figures: Figures): Sample {
  return {
    [`${workload}.messages/s`]: figures.rate,
    [`${workload}.server CPU, µs a message`]: figures.cpuMicros,
    ...(figures.meanMs === undefined ? {} : { [`${workload}.mean response, ms`]: figures.meanMs }),
    ...(figures.maxMs === undefined ? {} : { [`${workload}.max response, ms`]: figures.maxMs }),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

interface Row {
  readonly figure: string;
  readonly apache: number;
  readonly cometmq: number;
  readonly ratio: number;
}

function rowsOf(samples: Readonly<Record<Name, readonly Sample[]>>): Row[] {
  const figures = [...new Set([...samples.apache, ...samples.cometmq].flatMap((sample) => Object.keys(sample)))];
  return figures.map((figure) => {
    const of = (name: Name): number =>
      median(samples[name].map((sample) => sample[figure]).filter((x) => x !== undefined));
    const [apache, cometmq] = [of('apache'), of('cometmq')];
    return { figure, apache, cometmq, ratio: cometmq / apache };
  });
}

const show = (value: number): string =>
  value >= 1_000
    ? Math.round(value).toLocaleString('en-US')
    : value.toLocaleString('en-US', { maximumSignificantDigits: 3 });

function printRows(rows: readonly Row[]): void {
  print(`\n${'figure'.padEnd(50)}${'Apache'.padStart(12)}${'CometMQ'.padStart(12)}${'ratio'.padStart(10)}`);
  for (const { figure, apache, cometmq, ratio } of rows) {
    print(
      `${figure.replace('.', ': ').padEnd(50)}${show(apache).padStart(12)}${show(cometmq).padStart(12)}${ratio.toFixed(2).padStart(10)}`,
    );
  }
}

const HELP = `npm run bench:apache -- [options]
  --rounds N    starts of each server in each flush mode (3)
  --warm N      seconds of load before figures are taken (40); a JVM needs them
  --measure N   seconds of measuring (20)
`;

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '3' },
      warm: { type: 'string', default: '40' },
      measure: { type: 'string', default: '20' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    print(HELP);
    return 0;
  }
  const timing = { warmSeconds: Number(values.warm), measureSeconds: Number(values.measure) };
  const directory = path.join(tmpdir(), `cometmq-bench-apache-${process.pid}`);
  const samples: Record<Name, Sample[]> = { apache: [], cometmq: [] };
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const flush of ['ASYNC_FLUSH', 'SYNC_FLUSH'] as const) {
      for (const name of NAMES) {
        print(`round ${round}: ${name}, ${flush}`);
        samples[name].push(await runOnce(name, flush, timing, directory));
      }
    }
    printRows(rowsOf(samples));
  }
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version, commit };
  const report = {
    machine,
    date: new Date().toISOString().slice(0, 10),
    rounds: Number(values.rounds),
    timing,
    rows: rowsOf(samples),
  };
  mkdirSync(path.join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(path.join(root, 'bench', 'results', 'apache.json'), `${JSON.stringify(report, null, 2)}\n`);
  print('\nwritten: bench/results/apache.json; node bench/report.mjs brings bench/README.md up to date');
  return 0;
}
