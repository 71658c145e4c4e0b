// topics.json: Java's TopicConfigSerializeWrapper.

import { QUEUE_ID_MAX, topicNameProblem } from '../../model/names.ts';
import { topicConfig, type TopicConfig } from '../../model/topic-config.ts';
import {
  isObject,
  isStringMap,
  joinPieces,
  parseDataVersion,
  parseSettings,
  prettyJson,
  settingsEntry,
  type ConfigContent,
  type JsonObject,
  type SkippedEntry,
} from './config-json.ts';
import type { TopicTable } from './topic-table.ts';

export class TopicsJson implements ConfigContent {
  readonly fileName = 'topics.json';
  readonly tableName = 'topicConfigTable';
  readonly #topics: TopicTable;

  constructor(topics: TopicTable) {
    this.#topics = topics;
  }

  importFrom(root: JsonObject): readonly SkippedEntry[] {
    const { settings, skipped } = parseSettings(root, this.tableName, parseTopicConfig);
    this.#topics.replaceAll(settings, parseDataVersion(root['dataVersion']));
    return skipped;
  }

  pieces(): Iterable<string> {
    const head = `{\n\t"dataVersion":${prettyJson(this.#topics.dataVersion, 1)},\n\t"topicConfigTable":{`;
    return joinPieces(head, this.#entries());
  }

  *#entries(): Iterable<string> {
    for (const config of this.#topics.values()) yield settingsEntry(config.topicName, config);
  }
}

/** The settings, or a sentence that says why they can't be used. Members that we do not know are kept. */
export function parseTopicConfig(name: string, value: unknown): TopicConfig | string {
  const problem = topicNameProblem(name);
  if (problem !== undefined) return problem;
  if (!isObject(value)) return 'It is not an object.';
  const config: JsonObject = { ...topicConfig(name), ...value, topicName: name };
  for (const member of ['readQueueNums', 'writeQueueNums', 'perm', 'topicSysFlag']) {
    const number = config[member];
    if (!Number.isInteger(number) || (number as number) < 0 || (number as number) > QUEUE_ID_MAX + 1) {
      return `Its ${member} is not a number from 0 to ${QUEUE_ID_MAX + 1}.`;
    }
  }
  if (config['topicFilterType'] !== 'SINGLE_TAG' && config['topicFilterType'] !== 'MULTI_TAG') {
    return 'Its topicFilterType is neither SINGLE_TAG nor MULTI_TAG.';
  }
  if (typeof config['order'] !== 'boolean') return 'Its order is neither true nor false.';
  if (!isStringMap(config['attributes'])) return 'Its attributes are not a map of texts.';
  return config as unknown as TopicConfig;
}
