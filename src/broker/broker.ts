// A broker: takes messages from producers into its store and gives them to consumers. This file puts the rooms together and owns
// the port; it decides nothing.

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { Prng } from '../base/prng.ts';
import { rateLimitedLogger } from '../base/rate-limited-logger.ts';
import { hostAddress } from '../model/host-address.ts';
import type { HostAddress } from '../model/host-address.ts';
import type { Connection } from '../remoting/transport/connection.ts';
import { RemotingClient } from '../remoting/transport/remoting-client.ts';
import { RemotingServer } from '../remoting/transport/remoting-server.ts';
import type { ListenAddress } from '../remoting/transport/remoting-server.ts';
import type { RemotingLimits } from '../remoting/transport/remoting-settings.ts';
import type { BrokerSettings } from './broker-settings.ts';
import type { BrokerStore } from './broker-store.ts';
import { ClientExpiry } from './client/client-expiry.ts';
import { ConsumerTable } from './client/consumer-table.ts';
import { ProducerTable } from './client/producer-table.ts';
import { PullMessageProcessor } from './processor/pull-message-processor.ts';
import { brokerIdentity } from './registration/broker-identity.ts';
import type { BrokerIdentity } from './registration/broker-identity.ts';
import { NameServerRegistration } from './registration/name-server-registration.ts';
import { requestHandlers } from './request-handlers.ts';
import type { HandlerContext } from './request-handlers.ts';
import { DelayedDelivery } from './schedule/delayed-delivery.ts';
import { HostsOfConnections } from './send/connection-hosts.ts';
import { UniqueKeys } from './send/unique-key.ts';
import { BrokerStatistics } from './statistics/broker-statistics.ts';
import { SubscriptionGroups } from './subscription/subscription-groups.ts';
import { BrokerTopics } from './topic/broker-topics.ts';

export interface BrokerOptions {
  readonly settings: BrokerSettings;
  /** Open; stays open when the broker stops: whoever opened it closes it, after the broker. */
  readonly store: BrokerStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<RemotingLimits>;
  /** For choosing queues, and for keys that producers left out. Default: from the time. */
  readonly randomSeed?: number;
}

export function createBroker(options: BrokerOptions): Broker {
  return new Broker(options);
}

/** Forward only: made, started, stopped. */
export class Broker {
  readonly #options: BrokerOptions;
  readonly #parts: HandlerContext;
  readonly #pull: PullMessageProcessor;
  readonly #client: RemotingClient;
  readonly #registration: NameServerRegistration;
  readonly #delayedDelivery: DelayedDelivery;
  readonly #server: RemotingServer;
  #identity: BrokerIdentity | undefined;
  #endArrivals: (() => void) | undefined;

  constructor(options: BrokerOptions) {
    const { settings, store, clock, logger, limits } = options;
    this.#options = options;
    this.#client = new RemotingClient({ clock, logger });
    const { topics } = store.state;
    this.#registration = new NameServerRegistration({ settings, client: this.#client, clock, logger, topics });
    this.#delayedDelivery = new DelayedDelivery({ store, clock, logger });
    this.#parts = this.#makeParts();
    this.#pull = new PullMessageProcessor(this.#parts);
    this.#server = new RemotingServer({
      name: 'broker',
      listenHost: settings.listenHost,
      port: settings.listenPort,
      clock,
      logger,
      ...(limits === undefined ? {} : { limits }),
      handlers: requestHandlers(this.#parts, this.#pull),
      onConnectionClosed: (connection) => this.#connectionClosed(connection),
    });
  }

  #makeParts(): HandlerContext {
    const { settings, store, clock, randomSeed } = this.#options;
    const logger = rateLimitedLogger(this.#options.logger, clock);
    const { groupClientsMax, clientExpiryMs, clientExpiryCheckMs } = settings;
    const prng = new Prng(randomSeed ?? clock.nowMs());
    const consumers = new ConsumerTable({
      clock,
      logger,
      isChangeNotified: settings.isConsumerChangeNotified,
      groupClientsMax,
    });
    const producers = new ProducerTable({ groupClientsMax });
    return {
      settings,
      store,
      clock,
      logger,
      prng,
      consumers,
      producers,
      topics: new BrokerTopics({
        table: store.state.topics,
        settings,
        logger,
        onChanged: (config) => this.#registration.topicChanged(config),
      }),
      groups: new SubscriptionGroups({ table: store.state.groups, settings, logger }),
      clientExpiry: new ClientExpiry({
        clock,
        consumers,
        producers,
        expiryMs: clientExpiryMs,
        checkIntervalMs: clientExpiryCheckMs,
      }),
      statistics: new BrokerStatistics(clock),
      hosts: new HostsOfConnections(fixedStoreHost(settings)),
      uniqueKeys: new UniqueKeys({ clock, host: keyHost(), pid: process.pid, prng }),
      brokerHost: () => this.#identity?.brokerHost ?? settings.brokerName,
    };
  }

  get settings(): BrokerSettings {
    return this.#options.settings;
  }

  get brokerName(): string {
    return this.settings.brokerName;
  }

  /** Where it listens. Only while it runs. */
  get address(): ListenAddress {
    return this.#server.address;
  }

  /** What name servers are told. Only once it has been started. */
  get identity(): BrokerIdentity {
    assert(this.#identity !== undefined, 'the broker has not been started');
    return this.#identity;
  }

  /** How many of its name servers know it now. */
  get registeredCount(): number {
    return this.#registration.registeredCount;
  }

  /**
   * Resolves when the port answers and its name servers were asked once. Rejects with RemotingError when the port can't be had.
   */
  async start(): Promise<void> {
    const { settings, store, logger } = this.#options;
    this.#parts.topics.addSystemTopics();
    this.#parts.groups.addSystemGroups();
    const listening = await this.#server.start();
    this.#identity = brokerIdentity(settings, listening, externalHosts);
    this.#endArrivals = store.onArrival((arrival) => this.#pull.holds.arrived(arrival));
    this.#delayedDelivery.start();
    const { brokerName, clusterName, brokerAddr } = this.#identity;
    logger.info('broker.started', { brokerName, clusterName, brokerAddr });
    await this.#registration.start(this.#identity);
  }

  /** Leaves the name servers first, so that clients look elsewhere; then no more requests, and nothing is under way any more. */
  async stop(): Promise<void> {
    await this.#registration.stop();
    await this.#delayedDelivery.stop();
    this.#endArrivals?.();
    this.#pull.holds.stop();
    await this.#server.stop();
    this.#parts.clientExpiry.stop();
    this.#parts.statistics.stop();
    await this.#client.close();
    this.#options.logger.info('broker.stopped', { brokerName: this.settings.brokerName });
  }

  #connectionClosed(connection: Connection): void {
    this.#pull.holds.connectionClosed(connection);
    this.#parts.consumers.connectionClosed(connection);
    this.#parts.producers.connectionClosed(connection);
  }
}

/** An advertised address goes into records and message ids too, where only an IP address fits. */
function fixedStoreHost({ advertisedHost, listenPort }: BrokerSettings): HostAddress | undefined {
  const isFixed = advertisedHost !== undefined && listenPort !== 0 && isIP(advertisedHost) !== 0;
  return isFixed ? hostAddress(advertisedHost, listenPort) : undefined;
}

/** IPv4 first: old clients know nothing else. */
function externalHosts(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const external = all.filter((address) => !address.internal);
  const ofFamily = (family: string): string[] =>
    external.filter((address) => address.family === family).map((address) => address.address);
  return [...ofFamily('IPv4'), ...ofFamily('IPv6').filter((address) => !address.startsWith('fe80:'))];
}

function keyHost(): HostAddress {
  return hostAddress(externalHosts()[0] ?? '127.0.0.1', 0);
}
