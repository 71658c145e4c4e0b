// The name server: brokers register here, clients ask here where a topic's brokers are. Puts table, processors and transport
// together and watches who is still alive.

import type { Timer } from '../base/clock.ts';
import { rateLimitedLogger } from '../base/rate-limited-logger.ts';
import { RequestCode } from '../remoting/protocol/request-code.ts';
import type { Connection, RequestHandler } from '../remoting/transport/connection.ts';
import { RemotingServer } from '../remoting/transport/remoting-server.ts';
import type { ListenAddress } from '../remoting/transport/remoting-server.ts';
import { SCAN_INTERVAL_MS } from './namesrv-settings.ts';
import type { NamesrvOptions } from './namesrv-settings.ts';
import { queryDataVersion, registerBroker, unregisterBroker } from './processor/register-broker-processor.ts';
import type { RegistrationContext } from './processor/register-broker-processor.ts';
import { getBrokerClusterInfo, getRouteInfoByTopic } from './processor/route-processor.ts';
import type { RouteContext } from './processor/route-processor.ts';
import { getAllTopicList, getSystemTopicList, getTopicsByCluster } from './processor/topic-list-processor.ts';
import { RouteInfoTable } from './route-info-table.ts';
import type { BrokerIdentity } from './route-info-table.ts';

export interface Namesrv {
  /** Where it listens; only between start and stop. */
  readonly address: ListenAddress;
  /** Resolves when the port answers. Throws RemotingError ERR_REMOTING_ADDRESS_IN_USE or ERR_REMOTING_LISTEN. */
  start(): Promise<ListenAddress>;
  stop(): Promise<void>;
}

export function createNamesrv(options: NamesrvOptions): Namesrv {
  const { clock } = options;
  const logger = rateLimitedLogger(options.logger, clock);
  const table = new RouteInfoTable<Connection>();
  const registration: RegistrationContext = { table, logger, nowMs: () => clock.monotonicMs() };
  const resolveBrokerAddress =
    options.resolveBrokerAddress ?? ((_brokerName: string, _brokerId: number, registered: string) => registered);
  const drop = (broker: BrokerIdentity, reason: string): void => {
    const { clusterName, brokerName, brokerId, brokerAddr } = broker;
    table.unregister(broker);
    logger.warn('namesrv.broker.unregistered', { clusterName, brokerName, brokerId, brokerAddr, reason });
  };
  const server = new RemotingServer({
    name: 'name server',
    listenHost: options.listenHost,
    port: options.port,
    clock,
    logger,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    handlers: handlersOf(registration, { table, resolveBrokerAddress }),
    // The connection of a broker is gone: it is gone too, or registers again within seconds.
    onConnectionClosed: (connection) => {
      for (const broker of table.ownedBy(connection)) drop(broker, 'its connection closed');
    },
  });

  let scanTimer: Timer | undefined;
  const planScan = (): void => {
    scanTimer = clock.schedule(options.scanIntervalMs ?? SCAN_INTERVAL_MS, () => {
      for (const broker of table.expired(clock.monotonicMs())) {
        drop(broker, 'it was silent for too long');
        broker.owner.close('the broker was silent for too long');
      }
      planScan();
    });
  };

  return {
    get address() {
      return server.address;
    },
    async start() {
      const address = await server.start();
      planScan();
      return address;
    },
    async stop() {
      scanTimer?.cancel();
      await server.stop();
    },
  };
}

function handlersOf(registration: RegistrationContext, route: RouteContext): ReadonlyMap<number, RequestHandler> {
  return new Map<number, RequestHandler>([
    [RequestCode.REGISTER_BROKER, (request, connection) => registerBroker(registration, request, connection)],
    [RequestCode.UNREGISTER_BROKER, (request) => unregisterBroker(registration, request)],
    [RequestCode.QUERY_DATA_VERSION, (request) => queryDataVersion(registration, request)],
    [RequestCode.GET_ROUTEINFO_BY_TOPIC, (request, connection) => getRouteInfoByTopic(route, request, connection)],
    [RequestCode.GET_BROKER_CLUSTER_INFO, (_request, connection) => getBrokerClusterInfo(route, connection)],
    [RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, () => getAllTopicList(route)],
    [RequestCode.GET_TOPICS_BY_CLUSTER, (request) => getTopicsByCluster(route, request)],
    [RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS, (_request, connection) => getSystemTopicList(route, connection)],
  ]);
}
