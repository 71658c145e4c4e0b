// consumerOffset.json (Java: ConsumerOffsetManager) and delayOffset.json (Java: DelayOffsetSerializeWrapper).

import { groupNameProblem, QUEUE_ID_MAX, topicNameProblem } from '../../model/names.ts';
import {
  isObject,
  joinPieces,
  membersOf,
  parseDataVersion,
  prettyJson,
  tableEnd,
  type ConfigContent,
  type JsonObject,
  type SkippedEntry,
} from './config-json.ts';
import type { ConsumerOffset, ConsumerOffsetTable } from './consumer-offset-table.ts';
import { isDelayOffset, type DelayOffsetTable } from './delay-offset-table.ts';

const TOPIC_GROUP_SEPARATOR = '@';

export class ConsumerOffsetJson implements ConfigContent {
  readonly fileName = 'consumerOffset.json';
  readonly tableName = 'offsetTable';
  readonly #offsets: ConsumerOffsetTable;

  constructor(offsets: ConsumerOffsetTable) {
    this.#offsets = offsets;
  }

  importFrom(root: JsonObject): readonly SkippedEntry[] {
    const skipped: SkippedEntry[] = [];
    const offsets: ConsumerOffset[] = [];
    for (const [entry, queues] of membersOf(root, this.tableName)) {
      const [topic = '', group = '', ...rest] = entry.split(TOPIC_GROUP_SEPARATOR);
      const problem = entryProblem(topic, group, rest.length, queues);
      if (problem !== undefined) {
        skipped.push({ entry, reason: problem });
        continue;
      }
      for (const [queue, offset] of Object.entries(queues as JsonObject)) {
        const queueId = Number(queue);
        if (isQueueOffset(queueId, offset)) offsets.push({ group, topic, queueId, offset });
        else skipped.push({ entry: `${entry} queue ${queue}`, reason: 'The queue id or the offset is out of range.' });
      }
    }
    this.#offsets.replaceAll(offsets, parseDataVersion(root['dataVersion']));
    return skipped;
  }

  pieces(): Iterable<string> {
    const head = `{\n\t"dataVersion":${prettyJson(this.#offsets.dataVersion, 1)},\n\t"offsetTable":{`;
    return joinRuns(head, this.#runs());
  }

  /** One a row of the table, so that a topic of thousands of queues makes no long piece. */
  *#runs(): Iterable<Run> {
    for (const { group, topic, rows } of this.#offsets.entries()) {
      let isFirst = true;
      for (const row of rows) {
        const lines: string[] = [];
        row.forEach((queueId, offset) => lines.push(`\t\t\t${queueId}:${offset}`));
        if (lines.length === 0) continue;
        yield { name: `${topic}${TOPIC_GROUP_SEPARATOR}${group}`, isFirst, text: lines.join(',\n') };
        isFirst = false;
      }
    }
  }
}

export class DelayOffsetJson implements ConfigContent {
  readonly fileName = 'delayOffset.json';
  readonly tableName = 'offsetTable';
  readonly #offsets: DelayOffsetTable;

  constructor(offsets: DelayOffsetTable) {
    this.#offsets = offsets;
  }

  importFrom(root: JsonObject): readonly SkippedEntry[] {
    const skipped: SkippedEntry[] = [];
    const offsets: [number, number][] = [];
    for (const [level, offset] of membersOf(root, this.tableName)) {
      if (typeof offset === 'number' && isDelayOffset(Number(level), offset)) offsets.push([Number(level), offset]);
      else skipped.push({ entry: `level ${level}`, reason: 'The level or the offset is out of range.' });
    }
    this.#offsets.replaceAll(offsets, parseDataVersion(root['dataVersion']));
    return skipped;
  }

  pieces(): Iterable<string> {
    const head = `{\n\t"dataVersion":${prettyJson(this.#offsets.dataVersion, 1)},\n\t"offsetTable":{`;
    const entries = this.#offsets.entries().map(([level, offset]) => `\t\t${level}:${offset}`);
    return joinPieces(head, entries);
  }
}

/** Queues of one entry; `isFirst` begins the entry. */
interface Run {
  readonly name: string;
  readonly isFirst: boolean;
  readonly text: string;
}

function* joinRuns(head: string, runs: Iterable<Run>): Iterable<string> {
  yield head;
  let isOpen = false;
  for (const run of runs) {
    if (!run.isFirst) yield `,\n${run.text}`;
    else yield `${isOpen ? '\n\t\t},\n' : '\n'}\t\t${JSON.stringify(run.name)}:{\n${run.text}`;
    isOpen = true;
  }
  yield isOpen ? `\n\t\t}${tableEnd(false)}` : tableEnd(true);
}

function entryProblem(topic: string, group: string, restCount: number, queues: unknown): string | undefined {
  if (restCount > 0) return 'Its key is not topic@group.';
  const problem = topicNameProblem(topic) ?? groupNameProblem(group);
  if (problem !== undefined) return problem;
  return isObject(queues) ? undefined : 'It is not a map of offsets.';
}

function isQueueOffset(queueId: number, offset: unknown): offset is number {
  const isQueue = Number.isInteger(queueId) && queueId >= 0 && queueId <= QUEUE_ID_MAX;
  return isQueue && Number.isSafeInteger(offset) && (offset as number) >= 0;
}
