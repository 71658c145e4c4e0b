// cometmq store check: lists every violation.

import { checkStore, type CheckReport } from '../../../store/inspect/check-store.ts';
import type { Finding } from '../../../store/inspect/finding.ts';
import { ExitStatus } from '../../exit-status.ts';
import { parseFlags } from '../../parse-flags.ts';
import {
  COMMON_HELP,
  COMMON_OPTIONS,
  directoryOf,
  geometryOf,
  INDEX_HELP,
  INDEX_OPTIONS,
  LineWriter,
  segmentSizeOf,
} from './store-directory.ts';

const HELP = `cometmq store check DIR [options]: walk log, queues, index, checkpoints and tables, and list every violation

  --json                  findings as JSON lines on standard output, the summary as the last one
  --strict                excuse nothing: neither what the next open puts right after a crash, nor deleted topics
  --delay-levels TEXT     messageDelayLevel, when it is not Apache's default: it gives the tags codes of delayed messages
${INDEX_HELP}${COMMON_HELP}
  Notes are worth knowing and not wrong; among them: a consumer offset beyond its queue, what a crash left for the next open to
  put right, leftovers behind the end of a log that Apache cut. Progress goes to standard error.
  Ends with 0 when there is no violation, 3 when there is one, 1 when the directory could not be read.
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  ...INDEX_OPTIONS,
  strict: { type: 'boolean' },
  'delay-levels': { type: 'string' },
} as const;

const SEE = 'cometmq store check --help';
const PROGRESS_INTERVAL_MS = 1_000;

export async function check(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags(args, OPTIONS, SEE);
  if (flags.help === true) {
    process.stdout.write(HELP);
    return ExitStatus.OK;
  }
  const { paths } = directoryOf(positionals, flags['commit-log-dir'], SEE);
  const { geometry } = geometryOf(flags, SEE);
  const lines = new LineWriter();
  const isJson = flags.json === true;
  const report = await checkStore({
    dir: paths.root,
    commitLogDirectory: paths.commitLog,
    ...segmentSizeOf(flags['segment-size'], SEE),
    ...(geometry === undefined ? {} : { indexGeometry: geometry }),
    ...(flags['delay-levels'] === undefined ? {} : { messageDelayLevel: flags['delay-levels'] }),
    strict: flags.strict === true,
    onFinding: (finding) => void lines.write(isJson ? JSON.stringify(finding) : textOf(finding)),
    onProgress: progressTo(lines),
  });
  lines.write(isJson ? JSON.stringify({ summary: report }) : summaryOf(report));
  return report.violationCount === 0 ? ExitStatus.OK : ExitStatus.VIOLATIONS;
}

const textOf = ({ severity, kind, message }: Finding): string => `${severity} ${kind}: ${message}`;

function progressTo(lines: LineWriter): (doneBytes: number, totalBytes: number) => Promise<void> {
  let nextMs = performance.now() + PROGRESS_INTERVAL_MS;
  return (doneBytes, totalBytes) => {
    const nowMs = performance.now();
    if (nowMs >= nextMs && totalBytes > 0) {
      nextMs = nowMs + PROGRESS_INTERVAL_MS;
      const percent = Math.floor((doneBytes / totalBytes) * 100);
      process.stderr.write(`cometmq: checked ${percent} % of the log (${Math.round(doneBytes / 1_048_576)} MiB)\n`);
    }
    return lines.ready();
  };
}

function summaryOf(report: CheckReport): string {
  const {
    violationCount,
    noteCount,
    recordCount,
    segmentCount,
    unitCount,
    queueCount,
    indexEntryCount,
    indexFileCount,
  } = report;
  const verdict =
    violationCount === 0
      ? 'The store is clean'
      : `The store has ${violationCount} violation${violationCount === 1 ? '' : 's'}`;
  return (
    `${verdict} (${noteCount} note${noteCount === 1 ? '' : 's'}): looked at ${recordCount} records in ${segmentCount} segments ` +
    `(offsets ${report.minOffset} to ${report.endOffset}), ${unitCount} units in ${queueCount} queues, ` +
    `${indexEntryCount} entries in ${indexFileCount} index files.`
  );
}
