#!/usr/bin/env node
// The one command. It finds the subcommand and loads no more than that needs: a start must be quick.

import { ConfigError, nearestName } from '../base/config-table.ts';
import { CometError, describeError } from '../base/errors.ts';
import { ensureAddon } from './ensure-addon.ts';
import { ExitStatus } from './exit-status.ts';
import { UsageError } from './usage-error.ts';

const HELP = `cometmq: Apache RocketMQ 5 on Node.js

  cometmq start     name server and broker in one process, on loopback
  cometmq namesrv   a name server
  cometmq broker    a broker
  cometmq store     look into a data directory: check, dump, repair, stats

  cometmq COMMAND --help says more; cometmq --version prints the version.
`;

type Command = (args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./commands/start.ts')).start,
  namesrv: async () => (await import('./commands/namesrv.ts')).namesrv,
  broker: async () => (await import('./commands/broker.ts')).broker,
  store: async () => (await import('./commands/store.ts')).store,
};

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? ExitStatus.USAGE : ExitStatus.OK;
  }
  if (name === '--version' || name === '-v') {
    const { packageVersion } = await import('./package-version.ts');
    process.stdout.write(`${packageVersion()}\n`);
    return ExitStatus.OK;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    const nearest = nearestName(name, Object.keys(commands));
    const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
    throw new UsageError(`There is no command "${name}".${hint}`, 'cometmq --help');
  }
  ensureAddon();
  const command = await load();
  return command(rest);
}

/** One sentence for what was foreseen, a stack for what was not. */
function explain(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`cometmq: ${error.message} See ${error.help}.\n`);
    return ExitStatus.USAGE;
  }
  if (error instanceof ConfigError) {
    process.stderr.write(`cometmq: ${error.message}\n`);
    return ExitStatus.USAGE;
  }
  const text = isForeseen(error) ? error.message : ((error as Error).stack ?? describeError(error));
  process.stderr.write(`cometmq: ${text}\n`);
  return ExitStatus.FAILED;
}

/** Ours, or the system's about a file or a socket. */
function isForeseen(error: unknown): error is Error {
  return error instanceof CometError || (error instanceof Error && 'syscall' in error && 'errno' in error);
}

process.exitCode = await main(process.argv.slice(2)).catch(explain);
