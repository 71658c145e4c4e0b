// cometmq broker: a broker of its own, with Apache's flags.

import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { formatJavaProperties } from '../../base/java-properties.ts';
import { readBrokerConfig, type BrokerFileValues } from '../../server/config/read-config-file.ts';
import { formatAddress, startBroker, type RunningBroker } from '../../server/start-server.ts';
import { consoleLogger } from '../console-logger.ts';
import { ExitStatus, STATUS_HELP } from '../exit-status.ts';
import { parseFlags } from '../parse-flags.ts';
import { prepareReadyFile, startedInMs, writeReadyFile } from '../ready-file.ts';
import { RunUntilSignal } from '../run-until-signal.ts';
import { parseSettings, tellIgnored } from '../settings.ts';
import { UsageError } from '../usage-error.ts';

const HELP = `cometmq broker [options]: a broker

  -c, --configFile FILE       a broker.conf with Apache's keys
  -n, --namesrvAddr ADDRS     the name servers, such as 127.0.0.1:9876;127.0.0.2:9876; wins over the file
  --set KEY=VALUE             one setting by Apache's key; may be repeated, wins over the file
  -p, --printConfigItem       print the configuration that would be used, and end
  -m, --printImportantConfig  print the part of it that is most often changed, and end
  --ready-file FILE           write one JSON object there when the port answers
  --log-level LEVEL           debug, info, warn or error (info), as JSON lines on standard error
  -h, --help                  this text

  The environment variable NAMESRV_ADDR names the name servers when neither flag nor file does.

${STATUS_HELP}`;

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
  const read = readBrokerConfig(flags.configFile, overrides, { namesrvAddr: process.env['NAMESRV_ADDR'] ?? '' });
  const values = withSurroundings(read.values);
  if (flags.printConfigItem === true || flags.printImportantConfig === true) {
    const isWanted = flags.printConfigItem === true ? () => true : (key: string) => IMPORTANT_KEYS.has(key);
    process.stdout.write(formatJavaProperties(Object.entries(values).filter(([key]) => isWanted(key))));
    return ExitStatus.OK;
  }
  const readyFile = flags['ready-file'];
  prepareReadyFile(readyFile, SEE);
  tellIgnored(read.ignored);
  const lifetime = new RunUntilSignal();
  const logger = consoleLogger(flags['log-level'], SEE);
  const running = await startBroker({ values, logger, onFatal: lifetime.onFatal });
  return lifetime.run(running, () => announce(running, values, readyFile));
}

/** What Apache prints for -m, as far as it is a setting here. */
const IMPORTANT_KEYS: ReadonlySet<string> = new Set([
  'brokerClusterName',
  'brokerName',
  'brokerId',
  'brokerIP1',
  'brokerIP2',
  'brokerRole',
  'namesrvAddr',
  'listenPort',
  'autoCreateTopicEnable',
  'storePathRootDir',
  'storePathCommitLog',
  'flushDiskType',
  'flushIntervalCommitLog',
  'deleteWhen',
  'fileReservedTime',
]);

/** What is empty in the configuration comes from the machine. */
function withSurroundings(values: BrokerFileValues): BrokerFileValues {
  return {
    ...values,
    brokerName: values.brokerName || hostname(),
    storePathRootDir: resolve(values.storePathRootDir || join(homedir(), 'store')),
  };
}

function announce(running: RunningBroker, values: BrokerFileValues, readyFile: string | undefined): void {
  const { broker } = running;
  const address = formatAddress(broker.address);
  const names = broker.settings.nameServerAddresses;
  const known =
    names.length === 0 ? 'without a name server' : `known to ${broker.registeredCount} of ${names.join(', ')}`;
  if (readyFile !== undefined) {
    const dataDir = values.storePathRootDir;
    writeReadyFile(readyFile, { broker: address, dataDir, pid: process.pid, startedInMs: startedInMs() });
  }
  process.stdout.write(`The broker ${broker.brokerName} is ready on ${address}, ${known}\n`);
}
