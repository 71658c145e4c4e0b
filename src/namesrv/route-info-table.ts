// What the name server knows: brokers by name and cluster, topics by broker, and when each broker was last heard of. In memory
// only: brokers tell it again every 30 s. Knows no sockets: `Owner` stands for the connection that a broker registered by.

import type { DataVersion } from '../model/data-version.ts';
import type { TopicConfig } from '../model/topic-config.ts';
import type { BrokerData, QueueData, TopicRouteData } from '../remoting/protocol/body/topic-route-body.ts';
import { HEARTBEAT_TIMEOUT_MS } from './namesrv-settings.ts';

const MASTER_ID = 0;

export interface BrokerIdentity {
  readonly clusterName: string;
  readonly brokerName: string;
  readonly brokerId: number;
  /** 'host:port' */
  readonly brokerAddr: string;
}

export interface BrokerRegistration extends BrokerIdentity {
  readonly haServerAddr: string;
  /** undefined: the default. */
  readonly heartbeatTimeoutMs: number | undefined;
  /** undefined: the broker is of a version that does not know it. */
  readonly enableActingMaster: boolean | undefined;
  readonly dataVersion: DataVersion;
  readonly topics: readonly TopicConfig[];
}

/** What a slave is told about its master, when that is there. */
export interface MasterAddresses {
  readonly masterAddr?: string;
  readonly haServerAddr?: string;
}

export type RegisterResult =
  | ({ readonly status: 'registered' } & MasterAddresses)
  /** Another broker with a newer state has this id; the registration changes nothing. */
  | { readonly status: 'conflict'; readonly registeredAddr: string }
  /** The registration of a single topic came before the broker's first full one. */
  | { readonly status: 'not-registered-yet' };

interface BrokerGroup {
  readonly brokerName: string;
  cluster: string;
  readonly brokerAddrs: Map<number, string>;
  enableActingMaster: boolean;
}

interface LiveBroker<Owner> extends BrokerIdentity {
  lastUpdateMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly dataVersion: DataVersion;
  readonly haServerAddr: string;
  readonly owner: Owner;
}

/** Times are monotonic milliseconds, so that a jump of the wall clock expires nobody. */
export class RouteInfoTable<Owner> {
  /** Topic, then broker name. */
  readonly #topics = new Map<string, Map<string, QueueData>>();
  readonly #groups = new Map<string, BrokerGroup>();
  /** Cluster to broker names. */
  readonly #clusters = new Map<string, Set<string>>();
  /** By cluster and address: see liveKey. */
  readonly #live = new Map<string, LiveBroker<Owner>>();

  /** Takes what a broker says about itself. Registering again is how a broker stays alive and changes its topics. */
  register(registration: BrokerRegistration, owner: Owner, nowMs: number): RegisterResult {
    const { clusterName, brokerName, brokerId, brokerAddr } = registration;
    const registeredAddr = this.#groups.get(brokerName)?.brokerAddrs.get(brokerId);
    if (registeredAddr !== undefined && registeredAddr !== brokerAddr) {
      const other = this.#live.get(liveKey(clusterName, registeredAddr));
      if (other !== undefined && other.dataVersion.stateVersion > registration.dataVersion.stateVersion) {
        this.#live.delete(liveKey(clusterName, brokerAddr));
        return { status: 'conflict', registeredAddr };
      }
    }
    if (registeredAddr === undefined && registration.topics.length === 1) return { status: 'not-registered-yet' };

    const group = this.#groupFor(registration);
    const isNew = registeredAddr === undefined;
    group.brokerAddrs.set(brokerId, brokerAddr);
    this.#takeTopics(registration, group, isNew);
    this.#live.set(liveKey(clusterName, brokerAddr), {
      clusterName,
      brokerName,
      brokerId,
      brokerAddr,
      lastUpdateMs: nowMs,
      heartbeatTimeoutMs: registration.heartbeatTimeoutMs ?? HEARTBEAT_TIMEOUT_MS,
      dataVersion: registration.dataVersion,
      haServerAddr: registration.haServerAddr,
      owner,
    });
    return { status: 'registered', ...this.#masterOf(group, registration) };
  }

  /** The group of that name, where each address has one id only: a slave that became master leaves its old id. */
  #groupFor({ clusterName, brokerName, brokerId, brokerAddr, enableActingMaster }: BrokerRegistration): BrokerGroup {
    let group = this.#groups.get(brokerName);
    if (group === undefined) {
      group = { brokerName, cluster: clusterName, brokerAddrs: new Map(), enableActingMaster: false };
      this.#groups.set(brokerName, group);
    }
    group.enableActingMaster = enableActingMaster ?? false;
    for (const [id, address] of group.brokerAddrs) {
      if (address === brokerAddr && id !== brokerId) group.brokerAddrs.delete(id);
    }
    let names = this.#clusters.get(clusterName);
    if (names === undefined) this.#clusters.set(clusterName, (names = new Set()));
    names.add(brokerName);
    return group;
  }

  /** Topics come from the master, and while there is none from the slave with the lowest id. */
  #takeTopics(registration: BrokerRegistration, group: BrokerGroup, isNew: boolean): void {
    const { brokerName, brokerId, enableActingMaster, dataVersion, topics } = registration;
    const isPrimeSlave = enableActingMaster !== undefined && brokerId === Math.min(...group.brokerAddrs.keys());
    if (brokerId !== MASTER_ID && !isPrimeSlave) return;
    const changed = isNew || this.isDataVersionChanged(registration, dataVersion);
    for (const topic of topics) {
      let queues = this.#topics.get(topic.topicName);
      if (!changed && queues?.has(brokerName) === true) continue;
      if (queues === undefined) this.#topics.set(topic.topicName, (queues = new Map<string, QueueData>()));
      const { readQueueNums, writeQueueNums, perm, topicSysFlag } = topic;
      queues.set(brokerName, { brokerName, readQueueNums, writeQueueNums, perm, topicSysFlag });
    }
  }

  #masterOf(group: BrokerGroup, { clusterName, brokerId }: BrokerIdentity): MasterAddresses {
    const masterAddr = brokerId === MASTER_ID ? undefined : group.brokerAddrs.get(MASTER_ID);
    const master = masterAddr === undefined ? undefined : this.#live.get(liveKey(clusterName, masterAddr));
    return masterAddr === undefined || master === undefined ? {} : { masterAddr, haServerAddr: master.haServerAddr };
  }

  /** Forgets a broker, and its topics with the last broker of its name. False when it was not there. */
  unregister({ clusterName, brokerName, brokerAddr }: BrokerIdentity): boolean {
    const wasLive = this.#live.delete(liveKey(clusterName, brokerAddr));
    const group = this.#groups.get(brokerName);
    if (group === undefined) return wasLive;
    let found = wasLive;
    for (const [id, address] of group.brokerAddrs) {
      if (address === brokerAddr) found = group.brokerAddrs.delete(id);
    }
    if (group.brokerAddrs.size === 0) this.#removeGroup(group);
    return found;
  }

  #removeGroup({ brokerName }: BrokerGroup): void {
    this.#groups.delete(brokerName);
    for (const [cluster, names] of this.#clusters) {
      if (names.delete(brokerName) && names.size === 0) this.#clusters.delete(cluster);
    }
    for (const [topic, queues] of this.#topics) {
      if (queues.delete(brokerName) && queues.size === 0) this.#topics.delete(topic);
    }
  }

  /** Brokers that were silent for longer than they said they would be; they are still registered. */
  expired(nowMs: number): (BrokerIdentity & { readonly owner: Owner })[] {
    return [...this.#live.values()].filter(
      ({ lastUpdateMs, heartbeatTimeoutMs }) => lastUpdateMs + heartbeatTimeoutMs < nowMs,
    );
  }

  /** Brokers that registered last by this connection. */
  ownedBy(owner: Owner): BrokerIdentity[] {
    return [...this.#live.values()].filter((broker) => broker.owner === owner);
  }

  /** A sign of life without news. */
  touch(clusterName: string, brokerAddr: string, nowMs: number): void {
    const live = this.#live.get(liveKey(clusterName, brokerAddr));
    if (live !== undefined) live.lastUpdateMs = nowMs;
  }

  dataVersionOf(clusterName: string, brokerAddr: string): DataVersion | undefined {
    return this.#live.get(liveKey(clusterName, brokerAddr))?.dataVersion;
  }

  isDataVersionChanged(broker: Pick<BrokerIdentity, 'clusterName' | 'brokerAddr'>, version: DataVersion): boolean {
    const known = this.dataVersionOf(broker.clusterName, broker.brokerAddr);
    return (
      known?.counter !== version.counter ||
      known.timestamp !== version.timestamp ||
      known.stateVersion !== version.stateVersion
    );
  }

  /** undefined when no broker has the topic. */
  route(topic: string): TopicRouteData | undefined {
    const queues = this.#topics.get(topic);
    if (queues === undefined) return undefined;
    const brokerDatas: BrokerData[] = [];
    for (const brokerName of queues.keys()) {
      const group = this.#groups.get(brokerName);
      if (group !== undefined) brokerDatas.push(group);
    }
    return { brokerDatas, queueDatas: [...queues.values()] };
  }

  groups(): Iterable<BrokerData> {
    return this.#groups.values();
  }

  clusters(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#clusters;
  }

  topics(): string[] {
    return [...this.#topics.keys()];
  }

  topicsOfCluster(clusterName: string): string[] {
    const names = this.#clusters.get(clusterName);
    if (names === undefined) return [];
    return [...this.#topics]
      .filter(([, queues]) => [...queues.keys()].some((name) => names.has(name)))
      .map(([topic]) => topic);
  }
}

function liveKey(clusterName: string, brokerAddr: string): string {
  return `${clusterName}\n${brokerAddr}`;
}
