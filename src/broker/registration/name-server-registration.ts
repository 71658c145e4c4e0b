// Keeps this broker known at its name servers (Java: BrokerController.registerBrokerAll, BrokerOuterAPI).

import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { NamedTable } from '../broker-store.ts';
import type { BrokerIdentity } from './broker-identity.ts';
import { NameServerLink } from './name-server-link.ts';
import type { NameServerClient } from './name-server-link.ts';
import { encodeRegisterBrokerBody } from './register-broker-body.ts';

/** A broker starts without its name servers rather than not at all. */
const START_PATIENCE_MS = 3_000;

export class NameServerRegistration {
  readonly #options: {
    readonly settings: BrokerSettings;
    readonly client: NameServerClient;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly topics: NamedTable<TopicConfig>;
  };
  #links: readonly NameServerLink[] = [];
  #changed = new Map<string, TopicConfig>();
  #announcementCount = 0;

  constructor(options: {
    readonly settings: BrokerSettings;
    readonly client: NameServerClient;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly topics: NamedTable<TopicConfig>;
  }) {
    this.#options = options;
  }

  /** How many name servers know this broker now. */
  get registeredCount(): number {
    return this.#links.filter((link) => link.isRegistered).length;
  }

  /**
   * Resolves after one attempt at each name server, or after a while when one neither answers nor refuses; who does not know
   * the broker then is tried again in the background.
   */
  async start(identity: BrokerIdentity): Promise<void> {
    const { settings, client, clock, logger, topics } = this.#options;
    this.#links = settings.nameServerAddresses.map(
      (address) =>
        new NameServerLink({
          address,
          identity,
          client,
          clock,
          logger,
          intervalMs: settings.registerIntervalMs,
          retryMs: settings.registerRetryMs,
          timeoutMs: settings.registerTimeoutMs,
          wholeTable: () => encodeRegisterBrokerBody(topics.values(), topics.dataVersion, settings.brokerPerm),
        }),
    );
    const attempts = Promise.all(this.#links.map((link) => link.start()));
    if (this.#links.length === 0) return;
    let timer: Timer | undefined;
    const patience = new Promise<void>((resolve) => (timer = clock.schedule(START_PATIENCE_MS, resolve)));
    await Promise.race([attempts, patience]);
    timer?.cancel();
  }

  /** A topic is new or changed: name servers hear of it at the end of this turn of the loop, together with others. */
  topicChanged(config: TopicConfig): void {
    if (this.#links.length === 0) return;
    if (this.#changed.size === 0) this.#options.clock.defer(() => this.#announce());
    this.#changed.set(config.topicName, config);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.stop()));
  }

  /**
   * Part of the table goes under a version of its own that no whole table ever has: a name server skips a table whose version it
   * knows, and one that heard of a part first (after a restart, say) must not skip the whole.
   */
  #announce(): void {
    const { settings, topics } = this.#options;
    const changed = [...this.#changed.values()];
    this.#changed = new Map();
    this.#announcementCount++;
    const version = { ...topics.dataVersion, counter: -this.#announcementCount };
    const body = encodeRegisterBrokerBody(changed, version, settings.brokerPerm);
    for (const link of this.#links) link.announce(body);
  }
}
