// cometmq store dump: prints what is in the files.

import {
  dumpIndex,
  type DumpItem,
  dumpLog,
  type DumpOptions,
  dumpQueue,
  queuesOf,
} from '../../../store/inspect/dump-store.ts';
import { ExitStatus } from '../../exit-status.ts';
import { parseFlags, wholeNumber } from '../../parse-flags.ts';
import { UsageError } from '../../usage-error.ts';
import {
  COMMON_HELP,
  COMMON_OPTIONS,
  directoryOf,
  geometryOf,
  INDEX_HELP,
  INDEX_OPTIONS,
  LineWriter,
  segmentSizeOf,
  whileLocked,
} from './store-directory.ts';

const HELP = `cometmq store dump DIR --log | --queue TOPIC [QUEUE] | --index [options]: print what is in the files

  --log                   records of the log; damaged parts are said and passed over
  --queue TOPIC [QUEUE]   units of a topic's consume queues, or of the one with that id
  --index                 entries of the index files
  --from OFFSET           begin at this physical offset (or the next record behind it); with --queue: queue offset
  --count N               print at most so many (with --queue: of each queue)
  --body                  print bodies too: as text when they are printable UTF-8, else in hex
  --json                  JSON lines
${INDEX_HELP}${COMMON_HELP}`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  ...INDEX_OPTIONS,
  log: { type: 'boolean' },
  queue: { type: 'string' },
  index: { type: 'boolean' },
  from: { type: 'string' },
  count: { type: 'string' },
  body: { type: 'boolean' },
} as const;

const SEE = 'cometmq store dump --help';
const NUMBERS = { min: 0, max: Number.MAX_SAFE_INTEGER };
/** After so many lines others get a turn, and a reader that went away is noticed. */
const LINES_PER_TURN = 256;

export async function dump(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, OPTIONS, SEE);
  if (flags.help === true) {
    process.stdout.write(HELP);
    return ExitStatus.OK;
  }
  const chosen = [flags.log === true, flags.queue !== undefined, flags.index === true].filter(Boolean).length;
  if (chosen !== 1) throw new UsageError('Say one of --log, --queue TOPIC and --index.', SEE);
  const restMax = flags.queue === undefined ? 0 : 1;
  const { rest, ...directory } = directoryOf(positionals, flags['commit-log-dir'], SEE, restMax);
  const options: DumpOptions = {
    ...directory,
    ...(flags.from === undefined ? {} : { from: wholeNumber('--from', flags.from, NUMBERS, SEE) }),
    ...(flags.count === undefined ? {} : { countMax: wholeNumber('--count', flags.count, NUMBERS, SEE) }),
  };
  const print = printer(flags.json === true);
  return whileLocked(directory, async () => {
    if (flags.queue !== undefined) return dumpQueues(options, flags.queue, rest[0], print);
    const withBody = flags.body === true;
    const items =
      flags.log === true
        ? dumpLog({ ...options, withBody, ...segmentSizeOf(flags['segment-size'], SEE) })
        : dumpIndex({ ...options, ...geometryOf(flags, SEE) });
    await print(items);
    return ExitStatus.OK;
  });
}

async function dumpQueues(
  options: DumpOptions,
  topic: string,
  queue: string | undefined,
  print: (items: Iterable<DumpItem>) => Promise<void>,
): Promise<number> {
  const queueId = queue === undefined ? undefined : wholeNumber('QUEUE', queue, { min: 0, max: 65_535 }, SEE);
  const queues = queuesOf(options, topic, queueId);
  if (queues.length === 0) {
    const name = queueId === undefined ? `queue of the topic ${topic}` : `queue ${queueId} of the topic ${topic}`;
    process.stderr.write(`cometmq: there is no ${name} in ${options.paths.consumeQueue}\n`);
    return ExitStatus.FAILED;
  }
  for (const each of queues) await print(dumpQueue(options, each));
  return ExitStatus.OK;
}

function printer(isJson: boolean): (items: Iterable<DumpItem>) => Promise<void> {
  const lines = new LineWriter();
  return async (items) => {
    let count = 0;
    for (const item of items) {
      if (!lines.write(isJson ? JSON.stringify(item) : textOf(item))) return;
      if (++count % LINES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      await lines.ready();
    }
  };
}

/** `type name=value …`; times with their date. */
function textOf({ type, ...fields }: DumpItem): string {
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${textOfValue(name, value)}`);
  return [type, ...parts].join(' ');
}

function textOfValue(name: string, value: unknown): string {
  if (name.endsWith('TimestampMs') && typeof value === 'number' && value > 0 && value < 8.64e15)
    return new Date(value).toISOString();
  return typeof value === 'string'
    ? /^[\x21-\x7e]+$/.test(value)
      ? value
      : JSON.stringify(value)
    : JSON.stringify(value);
}
