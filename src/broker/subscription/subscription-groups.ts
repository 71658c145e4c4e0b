// The broker's consumer groups: look-up, creation on first use, and what each may not read (Java: SubscriptionGroupManager).

import type { Logger } from '../../base/logger.ts';
import { ownCopy } from '../../base/own-copy.ts';
import { groupNameProblem } from '../../model/names.ts';
import { subscriptionGroupConfig } from '../../model/subscription-group-config.ts';
import type { SubscriptionGroupConfig } from '../../model/subscription-group-config.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { BrokerStoreState } from '../broker-store.ts';

/** Groups that Apache's own tools and services use. */
const SYSTEM_GROUPS = [
  'TOOLS_CONSUMER',
  'FILTERSRV_CONSUMER',
  'SELF_TEST_C_GROUP',
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_PULL',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_OWNER',
  'CID_RMQ_SYS_TRANS',
];

/** Groups of the system's services: made on first use even where groups must be made by hand. */
const SYSTEM_GROUP_PREFIX = 'CID_RMQ_SYS_';

/** The bit of the forbidden table that stands for reading. */
const FORBIDDEN_READ_BIT = 0x4;

export class SubscriptionGroups {
  readonly #table: BrokerStoreState['groups'];
  readonly #settings: BrokerSettings;
  readonly #logger: Logger;

  constructor(options: {
    readonly table: BrokerStoreState['groups'];
    readonly settings: BrokerSettings;
    readonly logger: Logger;
  }) {
    this.#table = options.table;
    this.#settings = options.settings;
    this.#logger = options.logger;
  }

  addSystemGroups(): void {
    for (const group of SYSTEM_GROUPS) if (!this.#table.has(group)) this.#table.put(subscriptionGroupConfig(group));
  }

  has(group: string): boolean {
    return this.#table.has(group);
  }

  find(group: string): SubscriptionGroupConfig | undefined {
    return this.#table.get(group);
  }

  /** undefined when the group does not exist and may not be made: not allowed, an illegal name, or too many groups. */
  findOrCreate(group: string): SubscriptionGroupConfig | undefined {
    const known = this.#table.get(group);
    if (known !== undefined) return known;
    if (!this.#settings.isGroupAutoCreated && !group.startsWith(SYSTEM_GROUP_PREFIX)) return undefined;
    if (groupNameProblem(group) !== undefined) return undefined;
    if (this.#table.size >= this.#settings.groupCountMax) {
      this.#logger.warn('broker.group.limit', { group, groupCountMax: this.#settings.groupCountMax });
      return undefined;
    }
    this.#logger.info('broker.group.created', { group });
    return this.#table.put(subscriptionGroupConfig(ownCopy(group)));
  }

  /** Whether an operator has forbidden the group to read the topic. */
  isReadForbidden(group: string, topic: string): boolean {
    const bits = this.#table.forbiddenTable[group]?.[topic];
    return bits !== undefined && (bits & FORBIDDEN_READ_BIT) !== 0;
  }
}
