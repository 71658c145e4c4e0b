// cometmq start: everything in one process.

import { startServer } from '../../server/start-server.ts';
import { consoleLogger } from '../console-logger.ts';
import { ExitStatus } from '../exit-status.ts';
import { parseFlags, wholeNumber } from '../parse-flags.ts';
import { startedInMs, writeReadyFile } from '../ready-file.ts';
import { RunUntilSignal } from '../run-until-signal.ts';
import { parseSettings, tellIgnored } from '../settings.ts';
import { UsageError } from '../usage-error.ts';

const HELP = `cometmq start [options]: name server and broker in one process

  --data DIR          the data directory (./data)
  -c, --config FILE   a broker.conf with Apache's keys
  --set KEY=VALUE     one setting by Apache's key; may be repeated, wins over the file
  --port-offset N     add N to every default port (9876, 10911)
  --ready-file FILE   write one JSON object there when every port answers
  --log-level LEVEL   debug, info, warn or error (warn), as JSON lines on standard error
  -h, --help          this text

  Ends with 0 after a clean stop (SIGTERM, SIGINT), 130 or 143 when a second signal cut that short,
  1 when it could not start, 2 for a wrong command line or setting, 4 when a sync failed.
`;

const OPTIONS = {
  data: { type: 'string', default: 'data' },
  config: { type: 'string', short: 'c' },
  set: { type: 'string', multiple: true },
  'port-offset': { type: 'string', default: '0' },
  'ready-file': { type: 'string' },
  'log-level': { type: 'string', default: 'warn' },
  help: { type: 'boolean', short: 'h' },
} as const;

const SEE = 'cometmq start --help';
/** The highest default port plus the largest offset must still be a port. */
const PORT_OFFSET_MAX = 65_535 - 10_911;

export async function start(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, OPTIONS, SEE);
  if (flags.help === true) {
    process.stdout.write(HELP);
    return ExitStatus.OK;
  }
  if (positionals.length > 0) throw new UsageError(`"${positionals[0] ?? ''}" is not an option of start.`, SEE);
  const portOffset = wholeNumber('--port-offset', flags['port-offset'], { min: 0, max: PORT_OFFSET_MAX }, SEE);
  const lifetime = new RunUntilSignal();
  const server = await startServer({
    dataDir: flags.data,
    ...(flags.config === undefined ? {} : { brokerConfigFile: flags.config }),
    brokerConfig: parseSettings(flags.set ?? [], SEE),
    portOffset,
    logger: consoleLogger(flags['log-level'], SEE),
    onFatal: lifetime.onFatal,
  });
  tellIgnored(server.ignoredSettings);
  const readyInMs = startedInMs();
  process.stdout.write(`
  CometMQ is ready (${readyInMs} ms)

    name server   ${server.namesrvAddress}
    broker        ${server.brokerAddress}
    data          ${server.dataDir}

  Try it with a RocketMQ client: producer.setNamesrvAddr("${server.namesrvAddress}")
  Stop it with Ctrl-C.

`);
  if (flags['ready-file'] !== undefined) {
    writeReadyFile(flags['ready-file'], {
      namesrv: server.namesrvAddress,
      broker: server.brokerAddress,
      dataDir: server.dataDir,
      pid: process.pid,
      startedInMs: readyInMs,
    });
  }
  return lifetime.run(server);
}
