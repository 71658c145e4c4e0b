// cometmq store stats: totals of a data directory.

import { storeTotals, type StoreTotals } from '../../../store/inspect/store-totals.ts';
import { ExitStatus } from '../../exit-status.ts';
import { parseFlags } from '../../parse-flags.ts';
import {
  COMMON_HELP,
  COMMON_OPTIONS,
  directoryOf,
  geometryOf,
  INDEX_HELP,
  INDEX_OPTIONS,
  segmentSizeOf,
  whileLocked,
} from './store-directory.ts';

const HELP = `cometmq store stats DIR [options]: totals of messages, queues, groups and files

  --json                  one JSON object
${INDEX_HELP}${COMMON_HELP}
  Queue offsets and file sizes are read, not the whole log: of a damaged store the numbers may be wrong (see store check).
`;

const OPTIONS = { ...COMMON_OPTIONS, ...INDEX_OPTIONS } as const;
const SEE = 'cometmq store stats --help';

export async function stats(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, OPTIONS, SEE);
  if (flags.help === true) {
    process.stdout.write(HELP);
    return ExitStatus.OK;
  }
  const directory = directoryOf(positionals, flags['commit-log-dir'], SEE);
  const { geometry } = geometryOf(flags, SEE);
  const totals = await whileLocked(directory, () =>
    storeTotals({
      ...directory,
      ...segmentSizeOf(flags['segment-size'], SEE),
      ...(geometry === undefined ? {} : { indexGeometry: geometry }),
    }),
  );
  process.stdout.write(flags.json === true ? `${JSON.stringify(totals)}\n` : textOf(totals));
  return ExitStatus.OK;
}

const timeOf = (timeMs: number | undefined): string => (timeMs === undefined ? 'none' : new Date(timeMs).toISOString());
const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;

function textOf(totals: StoreTotals): string {
  const { log, durable, fileBytes, index, topics, groups } = totals;
  const isDurable =
    durable === undefined
      ? 'not recorded (only Apache wrote here)'
      : `up to offset ${durable.offset}${durable.clean ? ', stopped cleanly' : ''}`;
  const lines = [
    `directory      ${totals.directory}`,
    `last stop      ${totals.cleanStop ? 'clean' : 'not clean: the file abort is there'}`,
    `messages       ${totals.messageCount} in ${totals.queueCount} queues of ${topics.length} topics`,
    `log            offsets ${log.minOffset} to ${log.endOffset} (${mebibytes(log.bytes)}) in ${log.segmentCount} segments of ${mebibytes(log.segmentSizeBytes)}`,
    `first message  ${timeOf(totals.firstMessageMs)}`,
    `last message   ${timeOf(totals.lastMessageMs)}`,
    `durable        ${isDurable}`,
    `index          ${index.entryCount} entries in ${index.fileCount} files`,
    `file sizes     log ${mebibytes(fileBytes.commitLog)}, queues ${mebibytes(fileBytes.consumeQueue)}, index ${mebibytes(fileBytes.index)}, tables ${mebibytes(fileBytes.state)}, quarantine ${mebibytes(fileBytes.quarantine)}`,
    '',
    'topic queue minOffset maxOffset',
    ...topics.flatMap(({ topic, queues }) =>
      queues.length === 0
        ? [`${topic} - - -`]
        : queues.map(({ queueId, minOffset, maxOffset }) => `${topic} ${queueId} ${minOffset} ${maxOffset}`),
    ),
    '',
    'group topic queue committedOffset lag',
    ...groups.flatMap(({ group, topics: consumed }) =>
      consumed.length === 0
        ? [`${group} - - - -`]
        : consumed.flatMap(({ topic, queues }) =>
            queues.map(({ queueId, offset, lag }) => `${group} ${topic} ${queueId} ${offset} ${lag}`),
          ),
    ),
  ];
  return `${lines.join('\n')}\n`;
}
