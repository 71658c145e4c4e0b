// subscriptionGroup.json: Java's SubscriptionGroupManager.

import { groupNameProblem } from '../../model/names.ts';
import { subscriptionGroupConfig, type SubscriptionGroupConfig } from '../../model/subscription-group-config.ts';
import {
  isObject,
  isStringMap,
  joinPieces,
  membersOf,
  parseDataVersion,
  parseSettings,
  prettyJson,
  settingsEntry,
  type ConfigContent,
  type JsonObject,
  type SkippedEntry,
} from './config-json.ts';
import type { ForbiddenTable, SubscriptionGroupTable } from './subscription-group-table.ts';

const BOOLEANS = [
  'consumeEnable',
  'consumeFromMinEnable',
  'consumeBroadcastEnable',
  'consumeMessageOrderly',
  'notifyConsumerIdsChangedEnable',
] as const;
const INTEGERS = [
  'retryQueueNums',
  'retryMaxTimes',
  'brokerId',
  'whichBrokerWhenConsumeSlowly',
  'groupSysFlag',
  'consumeTimeoutMinute',
] as const;

export class SubscriptionGroupsJson implements ConfigContent {
  readonly fileName = 'subscriptionGroup.json';
  readonly tableName = 'subscriptionGroupTable';
  readonly #groups: SubscriptionGroupTable;

  constructor(groups: SubscriptionGroupTable) {
    this.#groups = groups;
  }

  importFrom(root: JsonObject): readonly SkippedEntry[] {
    const { settings, skipped } = parseSettings(root, this.tableName, parseGroupConfig);
    this.#groups.replaceForbidden(parseForbidden(root, skipped));
    this.#groups.replaceAll(settings, parseDataVersion(root['dataVersion']));
    return skipped;
  }

  pieces(): Iterable<string> {
    const version = prettyJson(this.#groups.dataVersion, 1);
    const forbidden = prettyJson(this.#groups.forbiddenTable, 1);
    const head = `{\n\t"dataVersion":${version},\n\t"forbiddenTable":${forbidden},\n\t"subscriptionGroupTable":{`;
    return joinPieces(head, this.#entries());
  }

  *#entries(): Iterable<string> {
    for (const config of this.#groups.values()) yield settingsEntry(config.groupName, config);
  }
}

/** The settings, or a sentence that says why they can't be used. Members that we do not know are kept. */
export function parseGroupConfig(name: string, value: unknown): SubscriptionGroupConfig | string {
  const problem = groupNameProblem(name);
  if (problem !== undefined) return problem;
  if (!isObject(value)) return 'It is not an object.';
  const config: JsonObject = { ...subscriptionGroupConfig(name), ...value, groupName: name };
  for (const member of BOOLEANS)
    if (typeof config[member] !== 'boolean') return `Its ${member} is neither true nor false.`;
  for (const member of INTEGERS)
    if (!Number.isSafeInteger(config[member])) return `Its ${member} is not a whole number.`;
  if (!isObject(config['groupRetryPolicy'])) return 'Its groupRetryPolicy is not an object.';
  if (!isStringMap(config['attributes'])) return 'Its attributes are not a map of texts.';
  return config as unknown as SubscriptionGroupConfig;
}

function parseForbidden(root: JsonObject, skipped: SkippedEntry[]): ForbiddenTable {
  const entries: [string, Record<string, number>][] = [];
  for (const [group, topics] of membersOf(root, 'forbiddenTable')) {
    const problem = groupNameProblem(group) ?? (isNumberMap(topics) ? undefined : 'It is not a map of numbers.');
    if (problem === undefined) entries.push([group, topics as Record<string, number>]);
    else skipped.push({ entry: `forbiddenTable.${group}`, reason: problem });
  }
  return Object.fromEntries(entries);
}

function isNumberMap(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((member) => Number.isSafeInteger(member));
}
