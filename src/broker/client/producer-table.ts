// The producers that are connected, by group (Java: ProducerManager).

import type { Connection } from '../../remoting/transport/connection.ts';
import type { ClientOfGroup } from './consumer-group.ts';

/** Clients in groups, all together. */
const MEMBERSHIPS_MAX = 1_000_000;
/** Nobody checks the names of producer groups; a longer one is no name. */
const GROUP_NAME_LENGTH_MAX = 255;

export class ProducerTable {
  readonly #groups = new Map<string, Map<Connection, ClientOfGroup>>();
  readonly #groupsOf = new Map<Connection, Set<string>>();
  readonly #groupClientsMax: number;
  readonly #membershipsMax: number;
  #membershipCount = 0;

  constructor(options: { readonly groupClientsMax: number; readonly membershipsMax?: number }) {
    this.#groupClientsMax = options.groupClientsMax;
    this.#membershipsMax = options.membershipsMax ?? MEMBERSHIPS_MAX;
  }

  get groupCount(): number {
    return this.#groups.size;
  }

  clientsOf(group: string): readonly ClientOfGroup[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }

  /** False when a limit is reached. */
  seen(group: string, client: ClientOfGroup): boolean {
    const clients = this.#groups.get(group) ?? new Map<Connection, ClientOfGroup>();
    if (!clients.has(client.connection)) {
      const isFull = clients.size >= this.#groupClientsMax || this.#membershipCount >= this.#membershipsMax;
      if (isFull || group.length > GROUP_NAME_LENGTH_MAX) return false;
      this.#membershipCount++;
    }
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
    if (clients?.delete(connection) === true) this.#membershipCount--;
    if (clients?.size === 0) this.#groups.delete(group);
  }
}
