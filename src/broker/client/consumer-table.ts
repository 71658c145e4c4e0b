// The consumers that are connected, by group (Java: ConsumerManager). Owner of who is a member; tells the members of a group when
// that changes, so that they share its queues anew.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { createRequest } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import { sizeBytesOf } from '../subscription/subscription-data.ts';
import type { SubscriptionData } from '../subscription/subscription-data.ts';
import { ConsumerGroup } from './consumer-group.ts';
import type { ClientOfGroup } from './consumer-group.ts';
import type { ConsumerData } from './heartbeat-data.ts';

/** Clients in groups, all together. */
const MEMBERSHIPS_MAX = 1_000_000;
/** Of all subscriptions of all groups: they stay as long as their group has a member. */
const SUBSCRIPTION_BYTES_MAX = 256 * 1024 * 1024;

export interface ConsumerTableOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** notifyConsumerIdsChangedEnable of the broker. */
  readonly isChangeNotified: boolean;
  readonly groupClientsMax: number;
  readonly membershipsMax?: number;
  readonly subscriptionBytesMax?: number;
}

export class ConsumerTable {
  readonly #options: ConsumerTableOptions;
  readonly #groups = new Map<string, ConsumerGroup>();
  /** The groups of each connection, so that a closed one costs what it had and not a walk over all groups. */
  readonly #groupsOf = new Map<Connection, Set<string>>();
  readonly #changed = new Set<string>();
  #membershipCount = 0;
  #subscriptionBytes = 0;

  constructor(options: ConsumerTableOptions) {
    this.#options = options;
  }

  get groupCount(): number {
    return this.#groups.size;
  }

  groups(): IterableIterator<ConsumerGroup> {
    return this.#groups.values();
  }

  find(group: string): ConsumerGroup | undefined {
    return this.#groups.get(group);
  }

  /** Takes over a heartbeat. `isNotifying` is the group's own switch. Returns the group, or undefined when a limit is reached. */
  seen(
    client: ClientOfGroup,
    data: ConsumerData,
    how: { readonly isWithoutSubscriptions: boolean; readonly isNotifying: boolean },
  ): ConsumerGroup | undefined {
    const group = this.#groups.get(data.groupName) ?? new ConsumerGroup(data.groupName);
    const limit = this.#limitReached(client, group, how.isWithoutSubscriptions ? [] : data.subscriptions);
    if (limit !== undefined) {
      this.#options.logger.warn('broker.consumer.limit', { group: group.name, limit });
      return undefined;
    }
    this.#groups.set(group.name, group);
    const isNew = group.seen(client, data);
    if (isNew) this.#join(client, group);
    const bytesBefore = group.subscriptionBytes;
    const isSubscriptionChanged = !how.isWithoutSubscriptions && group.replaceSubscriptions(data.subscriptions);
    this.#subscriptionBytes += group.subscriptionBytes - bytesBefore;
    if ((isNew || isSubscriptionChanged) && how.isNotifying) this.#announce(group);
    return group;
  }

  /** Which limit one more heartbeat would break; undefined when none. */
  #limitReached(
    client: ClientOfGroup,
    group: ConsumerGroup,
    subscriptions: readonly SubscriptionData[],
  ): string | undefined {
    const { groupClientsMax, membershipsMax = MEMBERSHIPS_MAX } = this.#options;
    const { subscriptionBytesMax = SUBSCRIPTION_BYTES_MAX } = this.#options;
    if (!group.has(client.connection)) {
      if (group.clientCount >= groupClientsMax) return `${groupClientsMax} clients in a group`;
      if (this.#membershipCount >= membershipsMax) return `${membershipsMax} clients in all groups together`;
    }
    const wantedBytes = subscriptions.reduce((sum, subscription) => sum + sizeBytesOf(subscription), 0);
    const otherBytes = this.#subscriptionBytes - group.subscriptionBytes;
    return wantedBytes > group.subscriptionBytes && otherBytes + wantedBytes > subscriptionBytesMax
      ? `${subscriptionBytesMax} bytes of subscriptions`
      : undefined;
  }

  #join(client: ClientOfGroup, group: ConsumerGroup): void {
    const { connection, clientId } = client;
    this.#membershipCount++;
    const groups = this.#groupsOf.get(connection) ?? new Set();
    this.#groupsOf.set(connection, groups.add(group.name));
    this.#options.logger.info('broker.consumer.joined', {
      group: group.name,
      clientId,
      remoteAddress: `${connection.remoteAddress}:${connection.remotePort}`,
      consumeType: group.consumeType,
      messageModel: group.messageModel,
    });
  }

  /** The client says that it leaves the group. */
  unregister(groupName: string, connection: Connection, isNotifying: boolean): void {
    const group = this.#groups.get(groupName);
    if (group === undefined) return;
    this.#groupsOf.get(connection)?.delete(groupName);
    this.#leave(group, connection, 'unregistered', isNotifying);
  }

  connectionClosed(connection: Connection): void {
    const names = this.#groupsOf.get(connection);
    this.#groupsOf.delete(connection);
    for (const name of names ?? []) {
      const group = this.#groups.get(name);
      if (group !== undefined) this.#leave(group, connection, 'connection closed', true);
    }
  }

  #leave(group: ConsumerGroup, connection: Connection, reason: string, isNotifying: boolean): void {
    const client = group.remove(connection);
    if (client === undefined) return;
    this.#membershipCount--;
    this.#options.logger.info('broker.consumer.left', { group: group.name, clientId: client.clientId, reason });
    if (group.clientCount === 0) {
      this.#groups.delete(group.name);
      this.#subscriptionBytes -= group.subscriptionBytes;
    } else if (isNotifying) {
      this.#announce(group);
    }
  }

  /** Connections without a heartbeat since `sinceMs` (monotonic). */
  silentSince(sinceMs: number): Set<Connection> {
    const silent = new Set<Connection>();
    for (const group of this.#groups.values()) {
      for (const client of group.clients()) if (client.lastHeartbeatMs < sinceMs) silent.add(client.connection);
    }
    return silent;
  }

  /** Broadcasting consumers do not share queues. Changes of one turn of the loop make one notice. */
  #announce(group: ConsumerGroup): void {
    if (!this.#options.isChangeNotified || group.isBroadcasting) return;
    if (this.#changed.size === 0) this.#options.clock.defer(() => this.#notify());
    this.#changed.add(group.name);
  }

  #notify(): void {
    const names = [...this.#changed];
    this.#changed.clear();
    for (const consumerGroup of names) {
      const notice = createRequest(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, { consumerGroup });
      for (const client of this.#groups.get(consumerGroup)?.clients() ?? []) client.connection.invokeOneway(notice);
    }
  }
}
