// cometmq store repair: says what can be done about a damaged log, and does it when told to.

import { planRepair, type RepairMode, type RepairPlan } from '../../../store/inspect/repair-plan.ts';
import { repairStore } from '../../../store/inspect/repair-store.ts';
import { ExitStatus } from '../../exit-status.ts';
import { parseFlags } from '../../parse-flags.ts';
import { UsageError } from '../../usage-error.ts';
import {
  COMMON_HELP,
  COMMON_OPTIONS,
  directoryOf,
  segmentSizeOf,
  type StoreDirectory,
  whileLocked,
} from './store-directory.ts';

const HELP = `cometmq store repair DIR [--truncate-at-damage | --skip-damage] [--yes] [options]: bring a damaged log back into use

  --truncate-at-damage    give up everything from the first damaged record on, also good records behind it
  --skip-damage           keep the good records behind the damage: each damaged message is replaced by a record of its size that
                          says so (with the tag COMETMQ_DAMAGED, for consumers of all tags to see); refused when the consume
                          queues do not say which messages were there
  --yes                   do it; without this nothing is changed and both ways are described
  --json                  the plan as one JSON object
${COMMON_HELP}
  Take a copy of the directory first if you can. Bytes that go are kept in DIR/cometmq/quarantine. Afterwards start the server (or
  open the store) once: that trims the queues to the new end and builds the index again; then run cometmq store check.
  Ends with 0 when there is nothing to do or it was done, 3 when there is damage and nothing was changed, 1 when it could not be
  done.
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  'truncate-at-damage': { type: 'boolean' },
  'skip-damage': { type: 'boolean' },
  yes: { type: 'boolean' },
} as const;

const SEE = 'cometmq store repair --help';
const MODES: readonly RepairMode[] = ['truncate-at-damage', 'skip-damage'];

export async function repair(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, OPTIONS, SEE);
  if (flags.help === true) {
    process.stdout.write(HELP);
    return ExitStatus.OK;
  }
  const directory = directoryOf(positionals, flags['commit-log-dir'], SEE);
  const modes = MODES.filter((mode) => flags[mode] === true);
  if (modes.length > 1) throw new UsageError('--truncate-at-damage and --skip-damage exclude each other.', SEE);
  const [mode] = modes;
  if (flags.yes === true && mode === undefined)
    throw new UsageError('--yes needs --truncate-at-damage or --skip-damage.', SEE);
  const sizes = segmentSizeOf(flags['segment-size'], SEE);
  return whileLocked(directory, async () => {
    const plans = (mode === undefined ? MODES : [mode]).map((each) =>
      planRepair({ ...directory, ...sizes, mode: each }),
    );
    const [first] = plans;
    if (flags.json === true) process.stdout.write(`${JSON.stringify(plans.map(jsonOf))}\n`);
    else process.stdout.write(textOf(plans));
    if (first === undefined || first.problems.length === 0) return ExitStatus.OK;
    if (mode === undefined || flags.yes !== true) return ExitStatus.VIOLATIONS;
    return carryOut(directory, first, sizes, flags.json === true);
  });
}

async function carryOut(
  directory: StoreDirectory,
  plan: RepairPlan,
  sizes: { segmentSizeBytes?: number },
  isJson: boolean,
): Promise<number> {
  if (plan.refusal !== undefined) return ExitStatus.FAILED;
  const { quarantined } = await repairStore({ ...directory, ...sizes, mode: plan.mode }, plan);
  if (isJson) process.stdout.write(`${JSON.stringify({ done: true, quarantined })}\n`);
  else process.stdout.write(`Done.${quarantined.map((path) => `\n  kept: ${path}`).join('')}\n`);
  return ExitStatus.OK;
}

function textOf(plans: readonly RepairPlan[]): string {
  const problems = plans[0]?.problems ?? [];
  if (problems.length === 0) return 'The log has no damage: there is nothing to repair.\n';
  return `${[...problems, ...plans.flatMap(describe)].join('\n')}\n`;
}

function describe(plan: RepairPlan): string[] {
  const { mode, refusal, cutOffset, patches, losses, lostRecordCount, badMarks, shortSegments } = plan;
  const lines = ['', `--${mode}:`];
  if (refusal !== undefined) return [...lines, `  not possible: ${refusal}`];
  if (cutOffset !== undefined) {
    lines.push(`  the log is cut at offset ${cutOffset}; ${lostRecordCount} good records behind it are given up`);
  }
  if (patches.length > 0)
    lines.push(`  ${lostRecordCount} damaged messages are replaced; every record behind them stays`);
  for (const { topic, queueId, firstQueueOffset, lastQueueOffset, messageCount } of losses) {
    lines.push(
      `    ${topic}/${queueId}: ${messageCount} messages, queue offsets ${firstQueueOffset} to ${lastQueueOffset}`,
    );
  }
  for (const { path } of shortSegments) lines.push(`  ${path} is filled up to the size of a segment`);
  for (const path of badMarks) lines.push(`  ${path} is moved to the quarantine`);
  return lines;
}

function jsonOf(plan: RepairPlan): Record<string, unknown> {
  const { files, patches, shortSegments, ...facts } = plan;
  return {
    ...facts,
    segmentSizeBytes: files.segmentSizeBytes,
    shortSegments: shortSegments.map(({ path }) => path),
    patches: patches.map(({ path, position, physicalOffset, bytes }) => ({
      path,
      position,
      physicalOffset,
      lengthBytes: bytes.length,
    })),
  };
}
