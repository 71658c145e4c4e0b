// cometmq start: everything in one process.

import { startServer, type RunningServer } from '../../server/start-server.ts';
import { consoleLogger } from '../console-logger.ts';
import { ExitStatus, STATUS_HELP } from '../exit-status.ts';
import { parseFlags, wholeNumber } from '../parse-flags.ts';
import { prepareReadyFile, startedInMs, writeReadyFile } from '../ready-file.ts';
import { RunUntilSignal } from '../run-until-signal.ts';
import { parseSettings, tellIgnored } from '../settings.ts';
import { UsageError } from '../usage-error.ts';

const HELP = `cometmq start [options]: name server and broker in one process

  --data DIR          the data directory (storePathRootDir of the configuration, else ./data)
  -c, --config FILE   a broker.conf with Apache's keys
  --set KEY=VALUE     one setting by Apache's key; may be repeated, wins over the file
  --port-offset N     add N to every port: 9876 of the name server, 10911 of the broker or what the file says
  --ready-file FILE   write one JSON object there when every port answers
  --log-level LEVEL   debug, info, warn or error (warn), as JSON lines on standard error
  -h, --help          this text

${STATUS_HELP}`;

const OPTIONS = {
  data: { type: 'string' },
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
  const logger = consoleLogger(flags['log-level'], SEE);
  const brokerConfig = parseSettings(flags.set ?? [], SEE);
  const readyFile = flags['ready-file'];
  prepareReadyFile(readyFile, SEE);
  const lifetime = new RunUntilSignal();
  const server = await startServer({
    ...(flags.data === undefined ? {} : { dataDir: flags.data }),
    ...(flags.config === undefined ? {} : { brokerConfigFile: flags.config }),
    brokerConfig,
    portOffset,
    logger,
    onFatal: lifetime.onFatal,
  });
  return lifetime.run(server, () => announce(server, readyFile));
}

function announce(server: RunningServer, readyFile: string | undefined): void {
  tellIgnored(server.ignoredSettings);
  const { namesrvAddress: namesrv, brokerAddress: broker, dataDir } = server;
  const readyInMs = startedInMs();
  if (readyFile !== undefined) {
    writeReadyFile(readyFile, { namesrv, broker, dataDir, pid: process.pid, startedInMs: readyInMs });
  }
  process.stdout.write(`
  CometMQ is ready (${readyInMs} ms)

    name server   ${namesrv}
    broker        ${broker}
    data          ${dataDir}

  Try it, in the directory of an Apache RocketMQ 5 download:
    NAMESRV_ADDR=${namesrv} sh bin/tools.sh org.apache.rocketmq.example.quickstart.Producer
  Stop it with Ctrl-C.

`);
}
