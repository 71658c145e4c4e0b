// Puts the parts together: a name server and a broker with its store in one process, over real ports on loopback.

import { resolve } from 'node:path';
import { systemClock, type Clock } from '../base/clock.ts';
import { ConfigError } from '../base/config-table.ts';
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
  /** The data directory; made when it is not there. Default: `storePathRootDir` of the configuration, else ./data. */
  readonly dataDir?: string;
  /** A broker.conf of Apache's form. */
  readonly brokerConfigFile?: string;
  /** Settings by Apache's keys; they win over the file. */
  readonly brokerConfig?: Overrides;
  /** The name server listens where the broker does, and has its limits, unless this says otherwise. */
  readonly namesrvConfig?: Overrides;
  /** Added to the default ports and to the one of the file; a `listenPort` among the settings is taken as it is. */
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
const PORT_MAX = 65_535;

/** Starts name server and broker in this process. Resolves when both ports answer and the broker is in the routes. */
export async function startServer(options: StartServerOptions = {}): Promise<RunningServer> {
  const { clock = systemClock, logger = silentLogger } = options;
  const brokerRead = readBrokerConfig(options.brokerConfigFile, options.brokerConfig ?? {}, { brokerName: 'broker-a' });
  const namesrvRead = readNamesrvConfig(undefined, {
    listenPort: String(shiftedPort(NAMESRV_PORT, options)),
    bindAddress: brokerRead.values.bindAddress,
    ...options.namesrvConfig,
  });
  const namedElsewhere = brokerRead.values.namesrvAddr;
  const dataDir = resolve(options.dataDir ?? (brokerRead.values.storePathRootDir || 'data'));
  const routes: { own: { readonly registeredAddress: string; readonly port: number } | undefined } = { own: undefined };
  const namesrv = await startNamesrv({
    values: namesrvRead.values,
    clock,
    logger,
    // Our own broker is on this machine: whatever address the client used for the name server leads to it as well.
    // By its address: a slave elsewhere has the same name.
    resolveBrokerAddress: (_brokerName, _brokerId, registered, connection) => {
      const { own } = routes;
      if (brokerRead.values.brokerIP1 !== '' || registered !== own?.registeredAddress) return registered;
      return `${hostForUrl(connection.localAddress)}:${own.port}`;
    },
  });
  try {
    const namesrvAddress = formatAddress(namesrv.address);
    const given = options.brokerConfig?.['listenPort'] !== undefined;
    const listenPort = given ? brokerRead.values.listenPort : shiftedPort(brokerRead.values.listenPort, options);
    const running = await startBroker({
      values: { ...brokerRead.values, listenPort, namesrvAddr: namesrvAddress, storePathRootDir: dataDir },
      clock,
      logger,
      ...(options.onFatal === undefined ? {} : { onFatal: options.onFatal }),
    });
    const { identity, address } = running.broker;
    routes.own = { registeredAddress: identity.brokerAddr, port: address.port };
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
      ignoredSettings: [
        ...namesrvRead.ignored,
        ...brokerRead.ignored,
        ...(namedElsewhere === '' ? [] : [{ key: 'namesrvAddr', reason: OWN_NAMESRV }]),
      ],
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await namesrv.stop();
    throw error;
  }
}

const OWN_NAMESRV = 'A name server runs in the same process, and the broker registers with that one.';

function shiftedPort(port: number, { freePorts = false, portOffset = 0 }: StartServerOptions): number {
  if (freePorts || port === 0) return 0;
  const shifted = port + portOffset;
  if (shifted > 0 && shifted <= PORT_MAX) return shifted;
  throw new ConfigError(
    'ERR_CONFIG_BAD_VALUE',
    `Port ${port} and the offset ${portOffset} make no port: take another.`,
    {
      port,
      portOffset,
    },
  );
}

/** 'host:port', with brackets around IPv6. */
export function formatAddress(address: { readonly host: string; readonly port: number }): string {
  return `${hostForUrl(address.host)}:${address.port}`;
}

/** Brackets around IPv6; an IPv4-mapped address as plain IPv4. */
function hostForUrl(host: string): string {
  const plain = host.toLowerCase().startsWith('::ffff:') ? host.slice(7) : host;
  return plain.includes(':') ? `[${plain}]` : plain;
}
