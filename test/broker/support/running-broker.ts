// A broker on a real store in a temporary directory, and a client connection to it, for tests over real sockets.

import { onTestFinished } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { createBroker } from '../../../src/broker/broker.ts';
import type { Broker } from '../../../src/broker/broker.ts';
import { defaultBrokerSettings } from '../../../src/broker/broker-settings.ts';
import type { BrokerSettings } from '../../../src/broker/broker-settings.ts';
import type { RemotingCommand, RemotingRequest } from '../../../src/remoting/protocol/remoting-command.ts';
import type { RequestHandler } from '../../../src/remoting/transport/connection.ts';
import { RemotingClient } from '../../../src/remoting/transport/remoting-client.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import type { StoreConfig } from '../../../src/store/store-config.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Small files: tests open many stores. */
export const smallStore: Partial<StoreConfig> = {
  commitLogSegmentSizeBytes: 16 * 1024 * 1024,
  indexHashSlotCount: 1_000,
  indexEntryCountMax: 4_000,
};

export interface RunningBroker {
  readonly broker: Broker;
  readonly store: MessageStore;
  readonly directory: string;
  readonly address: string;
  /** A connection of its own; closed with the broker. */
  client(handlers?: ReadonlyMap<number, RequestHandler>): RemotingClient;
  /** Stops broker and store. Happens by itself when the test is over. */
  stop(): Promise<void>;
}

/** Inside a test: everything is stopped and removed when it is over. */
export async function startTestBroker(
  options: {
    readonly settings?: Partial<BrokerSettings>;
    readonly store?: Partial<StoreConfig>;
    readonly directory?: string;
  } = {},
): Promise<RunningBroker> {
  const directory = options.directory ?? temporaryDirectory();
  const store = await openStore({ dir: directory, config: { ...smallStore, ...options.store } });
  const settings = { ...defaultBrokerSettings, listenPort: 0, ...options.settings };
  const broker = createBroker({ settings, store, clock: systemClock, logger: silentLogger });
  await broker.start();
  const { host, port } = broker.address;
  const clients: RemotingClient[] = [];
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    for (const client of clients) await client.close();
    await broker.stop();
    await store.close();
  };
  onTestFinished(() => (stopped ??= stop()));
  return {
    broker,
    store,
    directory,
    address: `${host}:${port}`,
    client(handlers) {
      const options = { clock: systemClock, logger: silentLogger, ...(handlers === undefined ? {} : { handlers }) };
      const client = new RemotingClient(options);
      clients.push(client);
      return client;
    },
    stop: () => (stopped ??= stop()),
  };
}

export type Call = (request: RemotingRequest, timeoutMs?: number) => Promise<RemotingCommand>;

/** Requests over one connection of their own. */
export function caller(running: RunningBroker, handlers?: ReadonlyMap<number, RequestHandler>): Call {
  const client = running.client(handlers);
  return (request, timeoutMs = 10_000) => client.invoke(running.address, request, timeoutMs);
}
