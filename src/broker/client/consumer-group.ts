// One consumer group as its members' heartbeats describe it (Java: ConsumerGroupInfo).

import type { LanguageName } from '../../remoting/protocol/language-code.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import { sizeBytesOf } from '../subscription/subscription-data.ts';
import type { SubscriptionData } from '../subscription/subscription-data.ts';
import type { ConsumerData } from './heartbeat-data.ts';

export interface ClientOfGroup {
  readonly connection: Connection;
  readonly clientId: string;
  readonly language: LanguageName;
  readonly version: number;
  /** Monotonic. */
  lastHeartbeatMs: number;
}

export class ConsumerGroup {
  readonly name: string;
  consumeType = '';
  messageModel = '';
  consumeFromWhere = '';
  /** The fingerprint of the last heartbeat, 0 for one of the first kind. */
  fingerprint: number | undefined = undefined;
  readonly #clients = new Map<Connection, ClientOfGroup>();
  readonly #subscriptions = new Map<string, SubscriptionData>();
  #subscriptionBytes = 0;
  #clientIdsBody: Buffer | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  get isBroadcasting(): boolean {
    return this.messageModel === 'BROADCASTING';
  }

  clients(): IterableIterator<ClientOfGroup> {
    return this.#clients.values();
  }

  has(connection: Connection): boolean {
    return this.#clients.has(connection);
  }

  /** Each once: a client that reconnects has two connections for a moment, and would get two shares of the queues. */
  clientIds(): string[] {
    return [...new Set([...this.#clients.values()].map((client) => client.clientId))];
  }

  /**
   * The same as the body of an answer, made once for all members: after each change all of them ask. undefined when there are
   * none. Not to be changed.
   */
  clientIdsBody(): Buffer | undefined {
    if (this.#clients.size === 0) return undefined;
    this.#clientIdsBody ??= Buffer.from(JSON.stringify({ consumerIdList: this.clientIds() }));
    return this.#clientIdsBody;
  }

  /** Memory that the subscriptions take, roughly. */
  get subscriptionBytes(): number {
    return this.#subscriptionBytes;
  }

  subscriptions(): IterableIterator<SubscriptionData> {
    return this.#subscriptions.values();
  }

  get hasSubscriptions(): boolean {
    return this.#subscriptions.size > 0;
  }

  subscriptionOf(topic: string): SubscriptionData | undefined {
    return this.#subscriptions.get(topic);
  }

  /** True when the connection is new to the group. The last heartbeat decides how the group consumes. */
  seen(client: ClientOfGroup, data: ConsumerData): boolean {
    this.consumeType = data.consumeType;
    this.messageModel = data.messageModel;
    this.consumeFromWhere = data.consumeFromWhere;
    const known = this.#clients.get(client.connection);
    const isNew = known === undefined;
    if (known?.clientId !== client.clientId) this.#clientIdsBody = undefined;
    this.#clients.set(client.connection, client);
    return isNew;
  }

  /**
   * The group's subscriptions become those of this heartbeat: also what other members subscribe to is dropped, as in Apache. A
   * topic's entry is replaced only by a newer version. True when a topic came or went.
   */
  replaceSubscriptions(subscriptions: readonly SubscriptionData[]): boolean {
    let isChanged = false;
    const topics = new Set<string>();
    for (const subscription of subscriptions) {
      topics.add(subscription.topic);
      const known = this.#subscriptions.get(subscription.topic);
      if (known === undefined) isChanged = true;
      if (known === undefined || subscription.version > known.version) {
        this.#subscriptions.set(subscription.topic, subscription);
        this.#subscriptionBytes += sizeBytesOf(subscription) - (known === undefined ? 0 : sizeBytesOf(known));
      }
    }
    for (const [topic, subscription] of this.#subscriptions) {
      if (topics.has(topic)) continue;
      this.#subscriptions.delete(topic);
      this.#subscriptionBytes -= sizeBytesOf(subscription);
      isChanged = true;
    }
    return isChanged;
  }

  remove(connection: Connection): ClientOfGroup | undefined {
    const client = this.#clients.get(connection);
    this.#clients.delete(connection);
    this.#clientIdsBody = undefined;
    return client;
  }
}
