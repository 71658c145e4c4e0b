// Compares the consume queues with the log, in two passes: each record asks for its unit while the log is walked; then each queue
// is walked for units that no record asked for. Neighbours with the same trouble are told as one finding with a range.

import { hasQueueEntry } from '../../model/sys-flag.ts';
import { UNIT_SIZE_BYTES } from '../consume-queue/consume-queue-layout.ts';
import type { DispatchRequest } from '../dispatch/dispatch-request.ts';
import type { FileSystem } from '../file-system.ts';
import type { DeletedBelow } from '../state/topic-deletion-table.ts';
import type { Details, FindingKind, Findings } from './finding.ts';
import { checkQueueFiles } from './check-queue-files.ts';
import {
  listQueues,
  type QueueDirectory,
  type QueueListing,
  UnitReader,
  walkQueue,
  type UnitItem,
} from './queue-files.ts';

/** Queues in which a unit may stand for a record of another topic (Java: light message queues). */
const LIGHT_QUEUE_PREFIX = '%LMQ%';

export interface QueueCheckOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly findings: Findings;
  readonly strict: boolean;
  /** Tags codes are places in another file there (Java: ConsumeQueueExt). */
  readonly hasExtendedTags: boolean;
  /** Names that the topic table knows; undefined when there is none, so that nothing can be told from it. */
  readonly knownTopics: ReadonlySet<string> | undefined;
  /** Records below belong to a topic that was deleted since. */
  readonly deletedBelow: DeletedBelow;
}

/** A run of neighbours with one trouble. */
interface Run {
  readonly kind: FindingKind;
  readonly from: number;
  to: number;
  readonly firstPhysicalOffset: number;
  readonly message: string;
  readonly details: Details;
}

/** What the log says of one queue. */
interface QueueFacts {
  readonly topic: string;
  readonly queueId: number;
  readonly directory: QueueDirectory | undefined;
  /** Queue offset that the next record should have. */
  nextOffset: number;
  /** Offsets of records, as ranges [from, to) in order. */
  ranges: { from: number; to: number }[];
  /** Told at the end: a topic that was deleted and made anew makes them void. */
  runs: Run[];
  madeAnew: boolean;
}

export class QueueCheck {
  readonly listing: QueueListing;
  unitCount = 0;
  readonly #options: QueueCheckOptions;
  readonly #findings: Findings;
  readonly #reader: UnitReader;
  readonly #topics = new Map<string, Map<number, QueueFacts>>();

  constructor(options: QueueCheckOptions) {
    this.#options = options;
    this.#findings = options.findings;
    this.listing = listQueues(options.fileSystem, options.directory);
    this.#reader = new UnitReader(options.fileSystem, this.listing.fileSizeBytes);
    for (const queue of this.listing.queues) this.#add(queue.topic, queue.queueId, queue);
  }

  /** Queue offset behind the last record or unit that was seen; for the consumer offsets. */
  maxOffsetOf(topic: string, queueId: number): number | undefined {
    return this.#topics.get(topic)?.get(queueId)?.nextOffset;
  }

  get topics(): ReadonlySet<string> {
    return new Set(this.#topics.keys());
  }

  #add(topic: string, queueId: number, directory: QueueDirectory | undefined): QueueFacts {
    let queues = this.#topics.get(topic);
    if (queues === undefined) this.#topics.set(topic, (queues = new Map<number, QueueFacts>()));
    const facts: QueueFacts = { topic, queueId, directory, nextOffset: -1, ranges: [], runs: [], madeAnew: false };
    queues.set(queueId, facts);
    return facts;
  }

  onRecord(request: DispatchRequest): void {
    if (!hasQueueEntry(request.sysFlag)) return;
    const { topic, queueId, queueOffset, physicalOffset } = request;
    if (physicalOffset < (this.#options.deletedBelow.get(topic) ?? 0)) return;
    const facts = this.#topics.get(topic)?.get(queueId) ?? this.#add(topic, queueId, undefined);
    if (facts.nextOffset >= 0 && queueOffset !== facts.nextOffset && !this.#mayJump(facts, request)) return;
    facts.nextOffset = queueOffset + 1;
    const last = facts.ranges.at(-1);
    if (last?.to === queueOffset) last.to++;
    else facts.ranges.push({ from: queueOffset, to: queueOffset + 1 });
    this.#compare(facts, request);
  }

  /** The offset is not the next one. False when the record must not be compared with a unit. */
  #mayJump(facts: QueueFacts, request: DispatchRequest): boolean {
    const { topic, queueId, queueOffset, physicalOffset } = request;
    const { nextOffset } = facts;
    const details = { topic, queueId, queueOffset, physicalOffset, expectedQueueOffset: nextOffset };
    if (queueOffset > nextOffset) {
      this.#findings.violation(
        'offset-skipped',
        `The log has no record for the offsets ${nextOffset} to ${queueOffset - 1} of ${topic}/${queueId}: ` +
          `behind ${nextOffset - 1} comes ${queueOffset}, at physical offset ${physicalOffset}.`,
        details,
      );
      return true;
    }
    if (queueOffset === 0 && !this.#options.strict) {
      facts.madeAnew = true;
      facts.ranges = [];
      facts.runs = [];
      return true;
    }
    this.#findings.violation(
      'offset-used-twice',
      `The offset ${queueOffset} of ${topic}/${queueId} is used by two records: the second one lies at physical offset ` +
        `${physicalOffset}, where ${nextOffset} was the next offset.`,
      details,
    );
    return false;
  }

  #compare(facts: QueueFacts, request: DispatchRequest): void {
    const { topic, queueId, queueOffset, physicalOffset, sizeBytes, tagsCode } = request;
    const unit = facts.directory === undefined ? undefined : this.#reader.unitAt(facts.directory, queueOffset);
    const name = `${topic}/${queueId}`;
    const tell = (kind: FindingKind, message: string, details: Details = {}): void =>
      extendRun(this.#findings, facts.runs, kind, request, message, {
        topic,
        queueId,
        queueOffset,
        physicalOffset,
        ...details,
      });
    if (unit === undefined) {
      tell('record-without-unit', `${name} has no unit for the record at physical offset ${physicalOffset}`);
    } else if (unit.physicalOffset !== physicalOffset) {
      const details = { unitPhysicalOffset: unit.physicalOffset };
      tell(
        'unit-of-other-record',
        `${name} has a unit that names physical offset ${unit.physicalOffset}, but its record lies at ${physicalOffset}`,
        details,
      );
    } else if (unit.sizeBytes !== sizeBytes) {
      const details = { unitSizeBytes: unit.sizeBytes, sizeBytes };
      tell(
        'unit-size',
        `${name} has a unit that says ${unit.sizeBytes} bytes, but its record has ${sizeBytes}`,
        details,
      );
    } else if (unit.tagsCode !== tagsCode && !this.#options.hasExtendedTags) {
      const details = { unitTagsCode: unit.tagsCode, tagsCode };
      tell(
        'unit-tags-code',
        `${name} has a unit with tags code ${unit.tagsCode}, but its record has ${tagsCode}`,
        details,
      );
    }
  }

  /** After the log: everything else. The log is [minOffset, endOffset). */
  finish(log: { readonly minOffset: number; readonly endOffset: number }): void {
    checkQueueFiles(this.listing, this.#findings);
    for (const queues of this.#topics.values()) {
      for (const facts of queues.values()) this.#finishQueue(facts, log);
    }
  }

  #finishQueue(facts: QueueFacts, log: { readonly minOffset: number; readonly endOffset: number }): void {
    const { topic, queueId, directory } = facts;
    if (facts.madeAnew) {
      this.#findings.note(
        'topic-made-anew',
        `The offsets of ${topic}/${queueId} begin again at 0 within the log: the topic was deleted and made anew.`,
        { topic, queueId },
      );
    }
    if (this.#isDeleted(facts)) {
      this.#findings.note(
        'topic-deleted',
        `The log still has records of ${topic}/${queueId}, a topic that the topic table does not know any more.`,
        { topic, queueId },
      );
      return;
    }
    if (directory !== undefined)
      new UnitWalk(this.#options, directory, facts, log).run((count) => (this.unitCount += count));
    for (const run of facts.runs) tellRun(this.#findings, run);
  }

  #isDeleted({ topic, directory, ranges }: QueueFacts): boolean {
    const { knownTopics, strict } = this.#options;
    return !strict && directory === undefined && ranges.length > 0 && knownTopics?.has(topic) === false;
  }
}

function extendRun(
  findings: Findings,
  runs: Run[],
  kind: FindingKind,
  at: { readonly queueOffset: number; readonly physicalOffset: number },
  message: string,
  details: Details,
): void {
  const last = runs.at(-1);
  if (
    last?.kind === kind &&
    last.to === at.queueOffset &&
    findings.isTrusted(last.firstPhysicalOffset) === findings.isTrusted(at.physicalOffset)
  ) {
    last.to++;
    return;
  }
  const { queueOffset: from, physicalOffset: firstPhysicalOffset } = at;
  runs.push({ kind, from, to: from + 1, firstPhysicalOffset, message, details });
}

function tellRun(findings: Findings, run: Run): void {
  const { kind, from, to, firstPhysicalOffset, message, details } = run;
  const count = to - from;
  const where = count === 1 ? `queue offset ${from}` : `queue offset ${from}, and so on to ${to - 1}: ${count} in all`;
  findings.view(kind, firstPhysicalOffset, `${message} (${where}).`, { ...details, count });
}

/** The second pass over one queue. */
class UnitWalk {
  readonly #options: QueueCheckOptions;
  readonly #directory: QueueDirectory;
  readonly #facts: QueueFacts;
  readonly #log: { readonly minOffset: number; readonly endOffset: number };
  readonly #runs: Run[] = [];
  #rangeIndex = 0;
  #runIndex = 0;
  readonly #recordRuns: readonly Run[];
  #lastPhysicalOffset = -1;
  #lastRecordEnd = -1;
  #hasUnits = false;

  constructor(
    options: QueueCheckOptions,
    directory: QueueDirectory,
    facts: QueueFacts,
    log: { readonly minOffset: number; readonly endOffset: number },
  ) {
    this.#options = options;
    this.#directory = directory;
    this.#facts = facts;
    this.#log = log;
    this.#recordRuns = [...facts.runs];
  }

  run(onCount: (unitCount: number) => void): void {
    let unitCount = 0;
    let behindEnd: string | undefined;
    for (const item of walkQueue(this.#options.fileSystem, this.#directory)) {
      if (item.kind === 'end') {
        if (item.dataAt !== undefined && behindEnd !== item.file.path) this.#dataBehindUnits(item);
        behindEnd = item.file.path;
      } else if (item.kind === 'bad') {
        this.#badUnit(item.queueOffset, item.unit);
      } else if (item.kind === 'unit') {
        unitCount++;
        this.#unit(item);
      } else if (this.#hasUnits) {
        this.#tell('unit-order', item.queueOffset, 0, 'a unit that only fills the file stands between others');
      }
    }
    for (const run of this.#runs) tellRun(this.#options.findings, run);
    onCount(unitCount);
  }

  #dataBehindUnits(item: Extract<UnitItem, { kind: 'end' }>): void {
    const { topic, queueId } = this.#directory;
    const position = item.dataAt ?? 0;
    const { path } = item.file;
    this.#options.findings.view(
      'data-behind-units',
      this.#lastRecordEnd < 0 ? this.#log.minOffset : this.#lastRecordEnd,
      `${path} has data at position ${position}, behind the end of the queue at offset ${item.queueOffset}.`,
      { topic, queueId, path, position, queueOffset: item.queueOffset },
    );
  }

  #badUnit(queueOffset: number, unit: { readonly physicalOffset: number; readonly sizeBytes: number }): void {
    if (this.#isTold(queueOffset)) return;
    this.#tell(
      'unit-without-record',
      queueOffset,
      this.#lastRecordEnd,
      `a unit names physical offset ${unit.physicalOffset} and ${unit.sizeBytes} bytes, which can't be a record`,
    );
  }

  #unit({ queueOffset, unit }: Extract<UnitItem, { kind: 'unit' | 'bad' }>): void {
    const { minOffset, endOffset } = this.#log;
    const { physicalOffset, sizeBytes } = unit;
    this.#hasUnits = true;
    if (this.#facts.nextOffset <= queueOffset && this.#facts.ranges.length === 0)
      this.#facts.nextOffset = queueOffset + 1;
    if (this.#isTold(queueOffset)) return;
    this.#checkOrder(queueOffset, unit);
    this.#lastPhysicalOffset = physicalOffset;
    this.#lastRecordEnd = physicalOffset + sizeBytes;
    if (this.#isOfRecord(queueOffset)) return;
    if (physicalOffset + sizeBytes > endOffset) {
      const message = `a unit names physical offset ${physicalOffset} and ${sizeBytes} bytes, but the log ends at ${endOffset}`;
      this.#tell('unit-beyond-log', queueOffset, physicalOffset, message);
    } else if (physicalOffset >= minOffset) {
      if (this.#directory.topic.startsWith(LIGHT_QUEUE_PREFIX)) return;
      const message = `a unit names physical offset ${physicalOffset}, where the log has no record for it`;
      this.#tell('unit-without-record', queueOffset, physicalOffset, message);
    } else if (this.#isBehindARecord(queueOffset)) {
      const message = `a unit names physical offset ${physicalOffset}, but the log begins at ${minOffset}`;
      this.#tell('unit-below-log', queueOffset, physicalOffset, message);
    }
  }

  #checkOrder(queueOffset: number, unit: { readonly physicalOffset: number }): void {
    const { physicalOffset } = unit;
    if (physicalOffset >= this.#lastRecordEnd) return;
    const isRepeated = physicalOffset === this.#lastPhysicalOffset;
    const message = isRepeated
      ? `two units name the record at physical offset ${physicalOffset}`
      : `a unit names physical offset ${physicalOffset}, which lies before the end ${this.#lastRecordEnd} of the one before`;
    this.#tell(isRepeated ? 'unit-repeated' : 'unit-order', queueOffset, physicalOffset, message);
  }

  #tell(kind: FindingKind, queueOffset: number, physicalOffset: number, message: string): void {
    const { topic, queueId } = this.#directory;
    const position = queueOffset * UNIT_SIZE_BYTES;
    const details = { topic, queueId, queueOffset, physicalOffset, position };
    extendRun(
      this.#options.findings,
      this.#runs,
      kind,
      { queueOffset, physicalOffset },
      `In ${topic}/${queueId} ${message}`,
      details,
    );
  }

  /** The first pass has said what is wrong with this unit. Asked in order. */
  #isTold(queueOffset: number): boolean {
    const runs = this.#recordRuns;
    while ((runs[this.#runIndex]?.to ?? Infinity) <= queueOffset) this.#runIndex++;
    return (runs[this.#runIndex]?.from ?? Infinity) <= queueOffset;
  }

  /** A record has asked for this unit. Asked in order. */
  #isOfRecord(queueOffset: number): boolean {
    const { ranges } = this.#facts;
    while ((ranges[this.#rangeIndex]?.to ?? Infinity) <= queueOffset) this.#rangeIndex++;
    return (ranges[this.#rangeIndex]?.from ?? Infinity) <= queueOffset;
  }

  #isBehindARecord(queueOffset: number): boolean {
    return (this.#facts.ranges[0]?.from ?? Infinity) < queueOffset;
  }
}
