// A server that is stopped while clients send, pull and wait: what was acknowledged is there, and nobody is left hanging.

import { expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { RemotingError } from '../../src/remoting/protocol/remoting-errors.ts';
import { RemotingClient } from '../../src/remoting/transport/remoting-client.ts';
import { startTestServer } from '../../src/server/testing.ts';
import { findViolations } from '../../src/store/inspect/check-store.ts';
import { openStore } from '../../src/store/open-store.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { heartbeatRequest, pullRequest, sendRequest } from './support/requests.ts';

const CLIENTS = 8;
const PIPELINED = 32;

for (const flushDiskType of ['ASYNC_FLUSH', 'SYNC_FLUSH']) {
  test(`a stop under load loses nothing that was acknowledged, and answers what it took (${flushDiskType})`, async () => {
    const dataDir = temporaryDirectory();
    const server = await startTestServer({ dataDir, brokerConfig: { flushDiskType } });
    const clients = Array.from(
      { length: CLIENTS },
      () => new RemotingClient({ clock: systemClock, logger: silentLogger }),
    );
    const acknowledged: string[] = [];
    const unexpected: unknown[] = [];
    const isOver = { value: false };
    const sender = async (client: RemotingClient, name: string): Promise<void> => {
      for (let count = 0; !isOver.value; count++) {
        const body = `${name} ${count}`;
        try {
          const answer = await client.invoke(server.brokerAddress, sendRequest({ body }), 5_000);
          if (answer.code === 0) acknowledged.push(body);
          else unexpected.push(answer);
        } catch (error) {
          // The connection is closed, and then there is nobody to connect to: never a timeout.
          const code = error instanceof RemotingError ? error.code : error;
          if (code !== 'ERR_REMOTING_CONNECTION_CLOSED' && code !== 'ERR_REMOTING_CONNECT') unexpected.push(error);
          return;
        }
      }
    };
    const holder = async (client: RemotingClient): Promise<void> => {
      await client.invoke(server.brokerAddress, heartbeatRequest(), 5_000);
      // Nothing ever comes into this queue.
      const held = client.invoke(server.brokerAddress, pullRequest({ queueId: 3, holdMs: 60_000 }), 60_000);
      await expect(held).rejects.toMatchObject({ code: 'ERR_REMOTING_CONNECTION_CLOSED' });
    };
    const work = [
      ...clients.flatMap((client, index) =>
        Array.from({ length: PIPELINED }, (_, lane) => sender(client, `${index}/${lane}`)),
      ),
    ];
    await expect.poll(() => acknowledged.length).toBeGreaterThan(500);
    work.push(...clients.map((client) => holder(client)));
    const before = acknowledged.length;
    await expect.poll(() => acknowledged.length).toBeGreaterThan(before + 500);
    await server.stop();
    isOver.value = true;
    await Promise.all(work);
    for (const client of clients) await client.close();
    expect(unexpected).toEqual([]);

    expect(await findViolations({ dir: dataDir, strict: true })).toEqual([]);
    const store = await openStore({ dir: dataDir, config: server.store.config });
    const stored: string[] = [];
    for await (const message of store.iterate('Letters', 0)) stored.push(Buffer.from(message.body).toString());
    await store.close();
    expect(new Set(stored).size).toBe(stored.length);
    // Nothing is lost, and as the stop answers what it took, nothing is there without an acknowledgement.
    expect(stored.sort()).toEqual(acknowledged.sort());
  });
}
