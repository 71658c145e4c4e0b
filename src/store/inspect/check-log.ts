// What the check says of the commit log itself: its files, damage within it, and its end.

import type { Marks } from './check-marks.ts';
import type { Findings } from './finding.ts';
import type { LogFiles } from './log-files.ts';
import type { DamagedRange, LogEnd } from './log-walk.ts';

/** Names, sizes, places. Gaps are told by the walk. */
export function checkSegments(
  { directory, segments, segmentSizeBytes, strangers }: LogFiles,
  findings: Findings,
): void {
  for (const name of strangers) {
    const path = `${directory}/${name}`;
    findings.violation('segment-name', `${path} does not have the name of a segment (20 digits).`, { path });
  }
  for (const [index, { path, startOffset, sizeBytes }] of segments.entries()) {
    const details = { path, sizeBytes, expectedBytes: segmentSizeBytes };
    if (sizeBytes !== segmentSizeBytes) {
      const message = `${path} has ${sizeBytes} bytes where ${segmentSizeBytes} are expected.`;
      findings.violation('segment-size', message, details);
    }
    const before = segments[index - 1];
    if (before === undefined || before.startOffset + segmentSizeBytes <= startOffset) continue;
    findings.violation('segment-name', `${path} begins within the segment before it.`, details);
  }
}

export function tellDamage({ from, to, reason, form, path, position }: DamagedRange, findings: Findings): void {
  const details = { path, position, physicalOffset: from, endOffset: to, lengthBytes: to - from };
  if (form === 'missing') {
    findings.violation(
      'segment-missing',
      `${path} is missing: the log lacks ${to - from} bytes from offset ${from}.`,
      details,
    );
  } else if (form === 'unfinished') {
    const message = `${path} has nothing from position ${position} (offset ${from}) to its end, not even the blank record that belongs there, but the log goes on at ${to}.`;
    findings.violation('blank-missing', message, details);
  } else {
    const message = `${path} is damaged at position ${position} (offset ${from}): ${reason}; the next good record begins ${to - from} bytes on, at offset ${to}.`;
    findings.violation('record-damaged', message, details);
  }
}

/** What lies behind the last good record. Good records can't: the walk would have found them. */
export function tellEnd(
  { offset, reason, dataAt }: LogEnd,
  marks: Marks,
  findings: Findings,
  context: { readonly strict: boolean; readonly files: LogFiles },
): void {
  if (dataAt === undefined) return;
  const { segments, segmentSizeBytes } = context.files;
  const segment = segments.find(({ startOffset }) => startOffset <= dataAt && dataAt < startOffset + segmentSizeBytes);
  const path = segment?.path ?? context.files.directory;
  const position = dataAt - (segment?.startOffset ?? 0);
  const details = { path, position, physicalOffset: offset, dataOffset: dataAt };
  const isBelowDurable = marks.durable !== undefined && offset < marks.durable.offset;
  const isTorn = marks.hasAbortFile && !isBelowDurable;
  if (isTorn && !context.strict) {
    const message = `The log ends at offset ${offset} (${reason}), with data behind it in ${path}: a torn tail, which the next open cuts off.`;
    findings.note('torn-tail', message, details);
  } else if (isBelowDurable) {
    const message = `${path} is damaged from offset ${offset} on (${reason}), and no good record follows.`;
    findings.violation('record-damaged', message, details);
  } else {
    const message = `${path} has data at position ${position}, behind the end of the log at offset ${offset} (${reason}).`;
    // Apache leaves what it cut off in place and writes over it.
    if (marks.durable === undefined && !context.strict) findings.note('data-behind-end', message, details);
    else findings.violation('data-behind-end', message, details);
  }
}

/** Damage with good records behind it, where a crash explains it. */
export function tellTornTail({ from, to, reason, path, position }: DamagedRange, findings: Findings): void {
  const message = `The log ends at offset ${from} (${reason}), with data behind it from offset ${to} on: a torn tail, which the next open cuts off.`;
  findings.note('torn-tail', message, { path, position, physicalOffset: from, dataOffset: to });
}
