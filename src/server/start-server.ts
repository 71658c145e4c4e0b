// Puts the parts together: a name server and a broker with its store in one process, over real ports on loopback.

import { join, resolve } from 'node:path';
import { systemClock, type Clock } from '../base/clock.ts';
import { silentLogger, type Logger } from '../base/logger.ts';
import { createBroker, type Broker } from '../broker/broker.ts';
import { createNamesrv, type Namesrv } from '../namesrv/namesrv.ts';
import { openStore } from '../store/open-store.ts';
import type { MessageStore } from '../store/message-store.ts';
import { brokerSettingsOf } from './broker-settings-of.ts';
import {
  readBrokerConfig,
  readNamesrvConfig,
  type BrokerFileValues,
  type NamesrvFileValues,
  type Overrides,
} from './config/read-config-file.ts';
import { remotingLimitsOf } from './config/remoting-config-table.ts';
import { storeConfigOf } from './config/store-config-table.ts';

export interface StartBrokerOptions {
  readonly values: BrokerFileValues;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Called once when a sync failed: the store takes no more writes and the process should end. */
  readonly onFatal?: (error: Error) => void;
}

/** A broker and its store. Stopping the broker first lets everything that it accepted reach the store. */
export interface RunningBroker {
  readonly broker: Broker;
  readonly store: MessageStore;
  stop(): Promise<void>;
}

/** Opens the store, starts the broker over it. When the broker can't start, the store is closed again. */
export async function startBroker(options: StartBrokerOptions): Promise<RunningBroker> {
  const { values, clock = systemClock, logger = silentLogger } = options;
  const store = await openStore({
    dir: values.storePathRootDir,
    ...(values.storePathCommitLog === '' ? {} : { commitLogDirectory: values.storePathCommitLog }),
    config: storeConfigOf(values, values.flushConsumerOffsetInterval),
    clock,
    logger,
    ...(options.onFatal === undefined ? {} : { onFatal: options.onFatal }),
  });
  try {
    const broker = createBroker({
      settings: brokerSettingsOf(values),
      store,
      clock,
      logger,
      limits: remotingLimitsOf(values),
    });
    await broker.start();
    const stop = async (): Promise<void> => {
      await broker.stop();
      await store.close();
    };
    return { broker, store, stop };
  } catch (error) {
    await store.close();
    throw error;
  }
}

export interface StartNamesrvOptions {
  readonly values: NamesrvFileValues;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** See NamesrvOptions: the address that the asking client can use. */
  readonly resolveBrokerAddress?: Parameters<typeof createNamesrv>[0]['resolveBrokerAddress'];
}

export async function startNamesrv(options: StartNamesrvOptions): Promise<Namesrv> {
  const { values, clock = systemClock, logger = silentLogger, resolveBrokerAddress } = options;
  const namesrv = createNamesrv({
    listenHost: values.bindAddress,
    port: values.listenPort,
    scanIntervalMs: values.scanNotActiveBrokerInterval,
    clock,
    logger,
    limits: remotingLimitsOf(values),
    ...(resolveBrokerAddress === undefined ? {} : { resolveBrokerAddress }),
  });
  await namesrv.start();
  return namesrv;
}

export interface StartServerOptions {
  /** The data directory; made when it is not there. */
  readonly dataDir: string;
  /** A broker.conf of Apache's form. */
  readonly brokerConfigFile?: string;
  /** Settings by Apache's keys; they win over the file. */
  readonly brokerConfig?: Overrides;
  readonly namesrvConfig?: Overrides;
  /** Added to every default port. */
  readonly portOffset?: number;
  /** Take free ports instead. */
  readonly freePorts?: boolean;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly onFatal?: (error: Error) => void;
}

/** Addresses as 'host:port'. */
export interface RunningServer extends AsyncDisposable {
  readonly namesrvAddress: string;
  readonly brokerAddress: string;
  readonly dataDir: string;
  readonly store: MessageStore;
  /** Settings that were given and have no effect, with the reason. */
  readonly ignoredSettings: readonly { readonly key: string; readonly reason: string }[];
  /** Stops cleanly: answers what was accepted, unregisters, syncs, writes the checkpoint. Twice is the same as once. */
  stop(): Promise<void>;
}

const NAMESRV_PORT = 9876;
const BROKER_PORT = 10_911;

/** Starts name server and broker in this process. Resolves when both ports answer and the broker is in the routes. */
export async function startServer(options: StartServerOptions): Promise<RunningServer> {
  const { clock = systemClock, logger = silentLogger } = options;
  const dataDir = resolve(options.dataDir);
  const port = (usual: number): string => String(options.freePorts === true ? 0 : usual + (options.portOffset ?? 0));
  const namesrvRead = readNamesrvConfig(undefined, { listenPort: port(NAMESRV_PORT), ...options.namesrvConfig });
  const routes: { broker: Broker | undefined; advertised: boolean } = { broker: undefined, advertised: false };
  const namesrv = await startNamesrv({
    values: namesrvRead.values,
    clock,
    logger,
    // Our own broker is on this machine: whatever address the client used for the name server leads to it as well.
    resolveBrokerAddress: (brokerName, _brokerId, registered, connection) => {
      const own = routes.broker;
      if (own === undefined || routes.advertised || brokerName !== own.brokerName) return registered;
      return `${hostForUrl(connection.localAddress)}:${own.address.port}`;
    },
  });
  try {
    const namesrvAddress = formatAddress(namesrv.address);
    const brokerRead = readBrokerConfig(options.brokerConfigFile, {
      listenPort: port(BROKER_PORT),
      brokerName: 'broker-a',
      bindAddress: namesrvRead.values.bindAddress,
      ...options.brokerConfig,
      namesrvAddr: namesrvAddress,
      storePathRootDir: join(dataDir),
    });
    routes.advertised = brokerRead.values.brokerIP1 !== '';
    const running = await startBroker({
      values: brokerRead.values,
      clock,
      logger,
      ...(options.onFatal === undefined ? {} : { onFatal: options.onFatal }),
    });
    routes.broker = running.broker;
    let stopping: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      stopping ??= running.stop().finally(() => namesrv.stop());
      return stopping;
    };
    return {
      namesrvAddress,
      brokerAddress: formatAddress(running.broker.address),
      dataDir,
      store: running.store,
      ignoredSettings: [...namesrvRead.ignored, ...brokerRead.ignored],
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await namesrv.stop();
    throw error;
  }
}

function formatAddress(address: { readonly host: string; readonly port: number }): string {
  return `${hostForUrl(address.host)}:${address.port}`;
}

/** Brackets around IPv6; an IPv4-mapped address as plain IPv4. */
function hostForUrl(host: string): string {
  const plain = host.toLowerCase().startsWith('::ffff:') ? host.slice(7) : host;
  return plain.includes(':') ? `[${plain}]` : plain;
}
