// The topics of this broker (Java: TopicConfigManager's table).

import { topicNameProblem } from '../../model/names.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import { ConfigTable, type TableContext } from './config-table.ts';

export class TopicTable extends ConfigTable<TopicConfig> {
  constructor(context: TableContext) {
    super({
      ...context,
      keyPrefix: 't/',
      versionKey: 'v/topics',
      nameOf: (config) => config.topicName,
      nameProblem: topicNameProblem,
    });
  }
}
