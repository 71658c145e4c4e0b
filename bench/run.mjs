// npm run bench [-- NAME …]: runs every benchmark (or the groups whose name has one of the words), prints a table, and writes
// bench/results/store.json. The sources are compiled as they are for release; nothing is transformed at run time.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import benny from 'benny';
import { startCpuTime } from './cpu-time.mjs';
import { diskBytesPerSecond, settle } from './settle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const words = process.argv.slice(2);

function compile() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.bench.json'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) {
    console.error(stdout);
    process.exit(1);
  }
}

/** Before anything is timed a case runs at least once and this long, so that its code is compiled. */
const WARM_UP_SECONDS = 0.3;

/** Says whether a run returns a promise. */
async function warmUp(run) {
  const endMs = performance.now() + WARM_UP_SECONDS * 1_000;
  let isAsync;
  do {
    const running = run();
    isAsync = running instanceof Promise;
    await running;
  } while (performance.now() < endMs);
  return isAsync;
}

/** One benchmark is one suite of benny's: only its store is open while it runs. */
async function measure(benchmark) {
  const { run, end } = await benchmark.setUp();
  const isAsync = await warmUp(run);
  const isQuiet = await settle();
  // To learn what it has been given, benny calls it once and does not wait for the promise: it gets one that is over, or two runs
  // would work on the same store at once. (It calls the set-up twice, too.) What is no promise it calls without one.
  let calls = 0;
  const over = isAsync ? Promise.resolve() : undefined;
  const counted = () => (++calls > 1 ? run() : over);
  const given = Promise.resolve(counted);
  let result;
  const cpuTime = startCpuTime();
  await benny.suite(
    benchmark.name,
    benny.add(benchmark.name, () => given, { minSamples: 5, maxTime: benchmark.secondsMax ?? 0.5 }),
    benny.complete((summary) => {
      result = summary.results[0];
    }),
  );
  const cpu = cpuTime();
  const units = (calls - 1) * benchmark.unitsPerRun;
  await end?.();
  // The median of the samples: a mean would carry whatever else the machine did meanwhile.
  const runsPerSecond = 1 / result.details.median;
  const perSecond = runsPerSecond * benchmark.unitsPerRun;
  return {
    name: benchmark.name,
    unit: benchmark.unit,
    perSecond,
    bytesPerSecond: benchmark.bytesPerRun === undefined ? undefined : runsPerSecond * benchmark.bytesPerRun,
    marginPercent: result.margin,
    // Of all runs, so what a run leaves for later (a sync, the garbage collector) is in it.
    loopCpuSeconds: cpu.loop === undefined ? undefined : cpu.loop / units,
    processCpuSeconds: cpu.process / units,
    isQuiet,
  };
}

const format = (value) =>
  value >= 100
    ? Math.round(value).toLocaleString('en-US')
    : value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
const time = (seconds) => {
  if (seconds >= 1e-3) return `${format(seconds * 1e3)} ms`;
  return seconds >= 1e-6 ? `${format(seconds * 1e6)} µs` : `${format(seconds * 1e9)} ns`;
};

function line(result) {
  const rate = `${format(result.perSecond)} ${result.unit}/s`;
  const bytes = result.bytesPerSecond === undefined ? '' : `${format(result.bytesPerSecond / 1e6)} MB/s`;
  const loop = result.loopCpuSeconds === undefined ? '?' : time(result.loopCpuSeconds);
  const cpu = `CPU ${loop} + ${time(result.processCpuSeconds - (result.loopCpuSeconds ?? 0))}`;
  const noise = `±${format(result.marginPercent)} %${result.isQuiet ? '' : ', the disk was busy'}`;
  return `  ${result.name.padEnd(62)} ${rate.padStart(24)} ${time(1 / result.perSecond).padStart(10)} ${cpu.padStart(26)} ${bytes.padStart(14)}  ${noise}`;
}

function describeMachine() {
  const [cpu] = cpus();
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim();
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    node: process.version,
    commit,
    date: new Date().toISOString().slice(0, 10),
  };
}

compile();
process.env.COMETMQ_NATIVE ??= join(root, 'native', 'build', 'cometmq_native.node');
const cachedMmapIo = join(root, '.cache', 'mmap-io');
if (existsSync(cachedMmapIo)) process.env.COMETMQ_MMAP_IO ??= cachedMmapIo;
const { allBenchmarks } = await import(join(root, '.cache', 'bench', 'bench', 'all.js'));
const print = console.log;
const report = { machine: { ...describeMachine(), diskBytesPerSecond: await diskBytesPerSecond() }, groups: [] };
print(
  `disk: ${format(report.machine.diskBytesPerSecond / 1e6)} MB/s written and synced; CPU: event loop + other threads, a unit`,
);
for (const group of await allBenchmarks()) {
  if (words.length > 0 && !words.some((word) => group.name.includes(word))) continue;
  print(`\n${group.name}`);
  const results = [];
  for (const benchmark of group.benchmarks) {
    // benny prints progress of its own, which would break the table.
    console.log = () => {};
    await settle();
    const result = await measure(benchmark).finally(() => (console.log = print));
    results.push(result);
    print(line(result));
  }
  report.groups.push({ name: group.name, results });
}
if (words.length === 0) {
  const directory = join(root, 'bench', 'results');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'store.json'), `${JSON.stringify(report, null, 2)}\n`);
  print('\nwritten: bench/results/store.json; node bench/report.mjs brings bench/README.md up to date');
}
