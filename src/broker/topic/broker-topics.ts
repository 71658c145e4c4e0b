// The broker's topics: look-up, and creation by requests. Every topic that requests bring into being comes through here, so the
// limit and the news to name servers are in one place (Java: TopicConfigManager).

import type { Logger } from '../../base/logger.ts';
import { ownCopy } from '../../base/own-copy.ts';
import { AUTO_CREATE_TOPIC } from '../../model/names.ts';
import { Perm, topicConfig } from '../../model/topic-config.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { NamedTable } from '../broker-store.ts';
import { systemTopics } from './system-topics.ts';

/** Bits of a topic's system flag. */
export const TopicSysFlag = { UNIT: 0x1, UNIT_SUBSCRIPTION: 0x2 } as const;

const RETRY_TOPIC_PERM = Perm.READ | Perm.WRITE;

export class BrokerTopics {
  readonly #table: NamedTable<TopicConfig>;
  readonly #settings: BrokerSettings;
  readonly #logger: Logger;
  readonly #onChanged: (config: TopicConfig) => void;

  /** `onChanged` is called for each topic that was made or changed, to tell name servers. */
  constructor(options: {
    readonly table: NamedTable<TopicConfig>;
    readonly settings: BrokerSettings;
    readonly logger: Logger;
    readonly onChanged: (config: TopicConfig) => void;
  }) {
    this.#table = options.table;
    this.#settings = options.settings;
    this.#logger = options.logger;
    this.#onChanged = options.onChanged;
  }

  /** Adds the system's topics that are missing; what an operator changed stays. */
  addSystemTopics(): void {
    for (const config of systemTopics(this.#settings)) if (!this.#table.has(config.topicName)) this.#table.put(config);
  }

  find(topic: string): TopicConfig | undefined {
    return this.#table.get(topic);
  }

  isOrdered(topic: string): boolean {
    return this.#table.get(topic)?.order ?? false;
  }

  /** A topic's first send: a copy of the template that the producer names, when that may be inherited from. */
  createFromTemplate(request: {
    readonly topic: string;
    readonly templateTopic: string;
    readonly queueCountWanted: number;
    readonly topicSysFlag: number;
    readonly producer: string;
  }): TopicConfig | undefined {
    const { topic, templateTopic, producer } = request;
    const template = this.#table.get(templateTopic);
    if (template === undefined || !this.#isInheritable(template)) {
      this.#logger.warn('broker.topic.not-created', {
        topic,
        templateTopic: templateTopic.slice(0, 256),
        producer,
        isTemplate: template !== undefined,
      });
      return undefined;
    }
    const queueCount = Math.max(0, Math.min(request.queueCountWanted, template.writeQueueNums));
    return this.#create(
      topicConfig(topic, {
        readQueueNums: queueCount,
        writeQueueNums: queueCount,
        perm: template.perm & ~Perm.INHERIT,
        topicSysFlag: request.topicSysFlag,
        topicFilterType: template.topicFilterType,
      }),
      producer,
    );
  }

  /** The retry or dead-letter topic of a group, made when it is missing; undefined at the limit of topics. */
  findOrCreateForGroup(request: {
    readonly topic: string;
    readonly queueCount: number;
    readonly topicSysFlag: number;
    readonly order?: boolean;
    readonly client: string;
  }): TopicConfig | undefined {
    const { topic, queueCount, topicSysFlag, order = false } = request;
    const known = this.#table.get(topic);
    if (known === undefined) {
      const settings = {
        readQueueNums: queueCount,
        writeQueueNums: queueCount,
        perm: RETRY_TOPIC_PERM,
        topicSysFlag,
        order,
      };
      return this.#create(topicConfig(topic, settings), request.client);
    }
    if (known.order === order) return known;
    const changed = this.#table.put({ ...known, order });
    this.#onChanged(changed);
    return changed;
  }

  #isInheritable(template: TopicConfig): boolean {
    if (template.topicName === AUTO_CREATE_TOPIC && !this.#settings.isTopicAutoCreated) return false;
    return (template.perm & Perm.INHERIT) !== 0;
  }

  #create(config: TopicConfig, client: string): TopicConfig | undefined {
    const { topicCountMax } = this.#settings;
    if (this.#table.size >= topicCountMax) {
      this.#logger.warn('broker.topic.limit', { topic: config.topicName, topicCountMax, client });
      return undefined;
    }
    const created = this.#table.put({ ...config, topicName: ownCopy(config.topicName) });
    this.#logger.info('broker.topic.created', {
      topic: created.topicName,
      queueCount: created.writeQueueNums,
      perm: created.perm,
      client,
    });
    this.#onChanged(created);
    return created;
  }
}

/** As Java's TopicConfig.toString: part of a refusal that people read. */
export function describeTopicConfig(config: TopicConfig): string {
  const attributes = Object.entries(config.attributes).map(([name, value]) => `${name}=${value}`);
  return (
    `TopicConfig [topicName=${config.topicName}, readQueueNums=${config.readQueueNums}, ` +
    `writeQueueNums=${config.writeQueueNums}, perm=${describePerm(config.perm)}, ` +
    `topicFilterType=${config.topicFilterType}, topicSysFlag=${config.topicSysFlag}, order=${config.order}, ` +
    `attributes={${attributes.join(', ')}}]`
  );
}

function describePerm(perm: number): string {
  return `${(perm & Perm.READ) !== 0 ? 'R' : '-'}${(perm & Perm.WRITE) !== 0 ? 'W' : '-'}${(perm & Perm.INHERIT) !== 0 ? 'X' : '-'}`;
}
