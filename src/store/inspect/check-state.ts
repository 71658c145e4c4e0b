// The state tables against Apache's JSON files and the queues. After a clean stop the two say the same, unless somebody else wrote
// a file since: that one will be imported.

import type { Findings } from './finding.ts';
import { type JsonTable, type OffsetMap, offsetKey, type StateTables } from './state-tables.ts';

export interface StateCheckOptions {
  readonly findings: Findings;
  readonly isCleanStop: boolean;
  /** Queue offset behind the last message; undefined for a queue that is not there. */
  readonly maxOffsetOf: (topic: string, queueId: number) => number | undefined;
}

export function checkState(tables: StateTables, options: StateCheckOptions): void {
  const { findings, isCleanStop } = options;
  for (const problem of tables.rows?.problems ?? []) findings.violation('state-damaged', `${problem}.`);
  for (const key of tables.badRows)
    findings.violation('state-damaged', `The state tables have a row ${key} that can't be read.`, { key });
  for (const table of Object.values(tables.json)) checkFile(table, tables.rows !== undefined, findings);
  if (isCleanStop) checkAgreement(tables, findings);
  checkOffsets(tables.effective.offsets, options);
}

function checkFile({ path, state, isOurs }: JsonTable, hasRows: boolean, findings: Findings): void {
  if (state === 'damaged')
    findings.violation('json-damaged', `${path} is empty or not the JSON that it should be.`, { path });
  if (state !== 'good' || isOurs || !hasRows) return;
  findings.note('json-newer', `${path} was written by somebody else (Apache, an operator); the next open imports it.`, {
    path,
  });
}

function checkAgreement({ stored, exported, json }: StateTables, findings: Findings): void {
  if (stored === undefined) return;
  const differs = (table: JsonTable, what: string, names: readonly string[]): void => {
    if (!table.isOurs || table.state !== 'good' || names.length === 0) return;
    const message = `${table.path} and the state tables differ in ${names.length} ${what}, such as ${names[0] ?? ''}.`;
    findings.violation('state-differs', message, { path: table.path, count: names.length });
  };
  differs(json.topics, 'topics', difference(stored.topics, exported.topics));
  differs(json.groups, 'groups', difference(stored.groups, exported.groups));
  differs(json.offsets, 'consumer offsets', offsetDifference(stored.offsets, exported.offsets));
  const levels = new Set([...stored.delays.keys(), ...exported.delays.keys()]);
  const wrong = [...levels].filter((level) => stored.delays.get(level) !== exported.delays.get(level));
  differs(json.delays, 'delay levels', wrong.map(String));
}

function difference(a: ReadonlySet<string>, b: ReadonlySet<string>): string[] {
  return [...[...a].filter((name) => !b.has(name)), ...[...b].filter((name) => !a.has(name))];
}

function offsetDifference(a: OffsetMap, b: OffsetMap): string[] {
  const keys = new Set([...a.keys(), ...b.keys()]);
  return [...keys].filter((key) => a.get(key)?.offset !== b.get(key)?.offset);
}

function checkOffsets(offsets: OffsetMap, { findings, maxOffsetOf }: StateCheckOptions): void {
  for (const { group, topic, queueId, offset } of offsets.values()) {
    const maxOffset = Math.max(0, maxOffsetOf(topic, queueId) ?? 0);
    if (offset <= maxOffset) continue;
    findings.note(
      'consumer-offset-beyond-queue',
      `The group ${group} has consumed ${topic}/${queueId} up to ${offset}, but the queue ends at ${maxOffset}.`,
      { group, topic, queueId, offset, maxOffset, key: offsetKey(group, topic, queueId) },
    );
  }
}
