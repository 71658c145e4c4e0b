// cometmq store: tools for a data directory that no process has open.

import { ExitStatus } from '../exit-status.ts';
import { UsageError } from '../usage-error.ts';
import { check } from './store/check.ts';
import { dump } from './store/dump.ts';
import { repair } from './store/repair.ts';
import { stats } from './store/stats.ts';

const HELP = `cometmq store COMMAND DIR [options]: look into a data directory, also one that Apache RocketMQ wrote

  check     walk everything and list every violation; changes nothing
  dump      print records of the log, units of a queue, entries of the index
  stats     totals: messages, queues, groups and their lag, disk use
  repair    for a store that refuses to open because of damage: show what can be done, and do it with --yes

  The directory must not be in use: stop the server first, or take a copy. While a command runs it holds the directory's lock.
  cometmq store COMMAND --help says more.
`;

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = { check, dump, stats, repair };

export async function store(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? ExitStatus.USAGE : ExitStatus.OK;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new UsageError(`There is no command "store ${name}".`, 'cometmq store --help');
  return command(rest);
}
