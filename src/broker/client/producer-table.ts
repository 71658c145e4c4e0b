// The producers that are connected, by group (Java: ProducerManager).

import type { Connection } from '../../remoting/transport/connection.ts';
import type { ClientOfGroup } from './consumer-group.ts';

export class ProducerTable {
  readonly #groups = new Map<string, Map<Connection, ClientOfGroup>>();
  readonly #groupsOf = new Map<Connection, Set<string>>();
  readonly #groupClientsMax: number;

  constructor(options: { readonly groupClientsMax: number }) {
    this.#groupClientsMax = options.groupClientsMax;
  }

  get groupCount(): number {
    return this.#groups.size;
  }

  clientsOf(group: string): readonly ClientOfGroup[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }

  /** False when the group has as many clients as it may have. */
  seen(group: string, client: ClientOfGroup): boolean {
    const clients = this.#groups.get(group) ?? new Map<Connection, ClientOfGroup>();
    if (clients.size >= this.#groupClientsMax && !clients.has(client.connection)) return false;
    this.#groups.set(group, clients.set(client.connection, client));
    const groups = this.#groupsOf.get(client.connection) ?? new Set();
    this.#groupsOf.set(client.connection, groups.add(group));
    return true;
  }

  unregister(group: string, connection: Connection): void {
    this.#groupsOf.get(connection)?.delete(group);
    this.#remove(group, connection);
  }

  connectionClosed(connection: Connection): void {
    for (const group of this.#groupsOf.get(connection) ?? []) this.#remove(group, connection);
    this.#groupsOf.delete(connection);
  }

  /** Connections without a heartbeat since `sinceMs` (monotonic). */
  silentSince(sinceMs: number): Set<Connection> {
    const silent = new Set<Connection>();
    for (const clients of this.#groups.values()) {
      for (const client of clients.values()) if (client.lastHeartbeatMs < sinceMs) silent.add(client.connection);
    }
    return silent;
  }

  #remove(group: string, connection: Connection): void {
    const clients = this.#groups.get(group);
    clients?.delete(connection);
    if (clients?.size === 0) this.#groups.delete(group);
  }
}
