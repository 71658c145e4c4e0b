// cometmq broker: a broker of its own, with Apache's flags.

import { homedir } from 'node:os';
import { join } from 'node:path';
import { formatJavaProperties } from '../../base/java-properties.ts';
import { readBrokerConfig } from '../../server/config/read-config-file.ts';
import { startBroker } from '../../server/start-server.ts';
import { consoleLogger } from '../console-logger.ts';
import { ExitStatus } from '../exit-status.ts';
import { parseFlags } from '../parse-flags.ts';
import { startedInMs, writeReadyFile } from '../ready-file.ts';
import { RunUntilSignal } from '../run-until-signal.ts';
import { parseSettings, tellIgnored } from '../settings.ts';
import { UsageError } from '../usage-error.ts';

const HELP = `cometmq broker [options]: a broker

  -c, --configFile FILE       a broker.conf with Apache's keys
  -n, --namesrvAddr ADDRS     the name servers, such as 127.0.0.1:9876;127.0.0.2:9876; wins over the file
  --set KEY=VALUE             one setting by Apache's key; may be repeated, wins over the file
  -p, --printConfigItem       print the configuration that would be used, and end
  -m, --printImportantConfig  the same
  --ready-file FILE           write one JSON object there when the port answers
  --log-level LEVEL           debug, info, warn or error (info), as JSON lines on standard error
  -h, --help                  this text

  The environment variable NAMESRV_ADDR names the name servers when neither flag nor file does.
`;

const OPTIONS = {
  configFile: { type: 'string', short: 'c' },
  namesrvAddr: { type: 'string', short: 'n' },
  set: { type: 'string', multiple: true },
  printConfigItem: { type: 'boolean', short: 'p' },
  printImportantConfig: { type: 'boolean', short: 'm' },
  'ready-file': { type: 'string' },
  'log-level': { type: 'string', default: 'info' },
  help: { type: 'boolean', short: 'h' },
} as const;

const SEE = 'cometmq broker --help';

export async function broker(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, OPTIONS, SEE);
  if (flags.help === true) {
    process.stdout.write(HELP);
    return ExitStatus.OK;
  }
  if (positionals.length > 0) throw new UsageError(`"${positionals[0] ?? ''}" is not an option of broker.`, SEE);
  const overrides = parseSettings(flags.set ?? [], SEE);
  if (flags.namesrvAddr !== undefined) overrides['namesrvAddr'] = flags.namesrvAddr;
  const read = readBrokerConfig(flags.configFile, overrides);
  const values = {
    ...read.values,
    namesrvAddr: read.values.namesrvAddr === '' ? (process.env['NAMESRV_ADDR'] ?? '') : read.values.namesrvAddr,
    storePathRootDir: read.values.storePathRootDir === '' ? join(homedir(), 'store') : read.values.storePathRootDir,
  };
  if (flags.printConfigItem === true || flags.printImportantConfig === true) {
    process.stdout.write(formatJavaProperties(Object.entries(values)));
    return ExitStatus.OK;
  }
  tellIgnored(read.ignored);
  const lifetime = new RunUntilSignal();
  const logger = consoleLogger(flags['log-level'], SEE);
  const running = await startBroker({ values, logger, onFatal: lifetime.onFatal });
  const { host, port } = running.broker.address;
  const names = values.namesrvAddr === '' ? 'no name server' : values.namesrvAddr;
  process.stdout.write(
    `The broker ${running.broker.brokerName} is ready on ${host}:${port}, registered with ${names}\n`,
  );
  if (flags['ready-file'] !== undefined) {
    writeReadyFile(flags['ready-file'], {
      broker: `${host}:${port}`,
      dataDir: values.storePathRootDir,
      pid: process.pid,
      startedInMs: startedInMs(),
    });
  }
  return lifetime.run(running);
}
