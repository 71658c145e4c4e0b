// cometmq namesrv: a name server of its own, with Apache's flags.

import { formatJavaProperties } from '../../base/java-properties.ts';
import { readNamesrvConfig } from '../../server/config/read-config-file.ts';
import { formatAddress, startNamesrv } from '../../server/start-server.ts';
import { consoleLogger } from '../console-logger.ts';
import { ExitStatus, STATUS_HELP } from '../exit-status.ts';
import { parseFlags } from '../parse-flags.ts';
import { prepareReadyFile, startedInMs, writeReadyFile } from '../ready-file.ts';
import { RunUntilSignal } from '../run-until-signal.ts';
import { parseSettings, tellIgnored } from '../settings.ts';
import { UsageError } from '../usage-error.ts';

const HELP = `cometmq namesrv [options]: a name server

  -c, --configFile FILE   a namesrv.conf with Apache's keys
  --set KEY=VALUE         one setting by Apache's key; may be repeated, wins over the file
  -p, --printConfigItem   print the configuration that would be used, and end
  --ready-file FILE       write one JSON object there when the port answers
  --log-level LEVEL       debug, info, warn or error (info), as JSON lines on standard error
  -h, --help              this text

${STATUS_HELP}`;

const OPTIONS = {
  configFile: { type: 'string', short: 'c' },
  set: { type: 'string', multiple: true },
  printConfigItem: { type: 'boolean', short: 'p' },
  'ready-file': { type: 'string' },
  'log-level': { type: 'string', default: 'info' },
  help: { type: 'boolean', short: 'h' },
} as const;

const SEE = 'cometmq namesrv --help';

export async function namesrv(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, OPTIONS, SEE);
  if (flags.help === true) {
    process.stdout.write(HELP);
    return ExitStatus.OK;
  }
  if (positionals.length > 0) throw new UsageError(`"${positionals[0] ?? ''}" is not an option of namesrv.`, SEE);
  const { values, ignored } = readNamesrvConfig(flags.configFile, parseSettings(flags.set ?? [], SEE));
  if (flags.printConfigItem === true) {
    process.stdout.write(formatJavaProperties(Object.entries(values)));
    return ExitStatus.OK;
  }
  const readyFile = flags['ready-file'];
  prepareReadyFile(readyFile, SEE);
  tellIgnored(ignored);
  const lifetime = new RunUntilSignal();
  const server = await startNamesrv({ values, logger: consoleLogger(flags['log-level'], SEE) });
  const address = formatAddress(server.address);
  return lifetime.run(server, () => {
    if (readyFile !== undefined) {
      writeReadyFile(readyFile, { namesrv: address, pid: process.pid, startedInMs: startedInMs() });
    }
    process.stdout.write(`The name server is ready on ${address}\n`);
  });
}
