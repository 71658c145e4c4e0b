// Keeps this broker known at its name servers (Java: BrokerController.registerBrokerAll, BrokerOuterAPI).

import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { DataVersion } from '../../model/data-version.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { NamedTable } from '../broker-store.ts';
import type { BrokerIdentity } from './broker-identity.ts';
import { NameServerLink } from './name-server-link.ts';
import type { NameServerClient } from './name-server-link.ts';
import { encodeRegisterBrokerBody } from './register-broker-body.ts';

/** One frame can't hold a hundred thousand topics, and one turn of the loop should not write them all down. */
const TOPICS_PER_BODY = 2_000;
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
  #partCount = 0;

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
          wholeTable: () => this.#bodies(topics.values(), () => topics.dataVersion),
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
    const changed = this.#changed.values();
    this.#changed = new Map();
    for (const body of this.#bodies(changed, () => this.#partVersion())) {
      for (const link of this.#links) link.announce(body);
    }
  }

  /** All but the last body are parts; the last one has the version that is asked for then. */
  *#bodies(topics: Iterable<TopicConfig>, lastVersion: () => DataVersion): Generator<Buffer, void, void> {
    const { brokerPerm } = this.#options.settings;
    let part: TopicConfig[] = [];
    for (const topic of topics) {
      if (part.length === TOPICS_PER_BODY) {
        yield encodeRegisterBrokerBody(part, this.#partVersion(), brokerPerm);
        part = [];
      }
      part.push(topic);
    }
    yield encodeRegisterBrokerBody(part, lastVersion(), brokerPerm);
  }

  #partVersion(): DataVersion {
    this.#partCount++;
    return { ...this.#options.topics.dataVersion, counter: -this.#partCount };
  }
}
