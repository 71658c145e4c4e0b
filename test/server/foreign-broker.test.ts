// A broker of another process that registers with our name server under the name of our own broker, as its slave would.

import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { topicConfig } from '../../src/model/topic-config.ts';
import { encodeRegisterBrokerBody } from '../../src/broker/registration/register-broker-body.ts';
import { decodeTopicRoute } from '../../src/remoting/protocol/body/topic-route-body.ts';
import { createRequest } from '../../src/remoting/protocol/request-headers.ts';
import { RequestCode } from '../../src/remoting/protocol/request-code.ts';
import { RemotingClient } from '../../src/remoting/transport/remoting-client.ts';
import { startTestServer } from '../../src/server/testing.ts';

test('keeps its own address in routes, also while the server stops', async () => {
  const server = await startTestServer();
  const client = new RemotingClient({ clock: systemClock, logger: silentLogger });
  onTestFinished(async () => {
    await client.close();
    await server.stop();
  });
  const topics = ['TBW102', 'Abroad'].map((topic) => topicConfig(topic, {}));
  const identity = {
    brokerName: 'broker-a',
    brokerAddr: '192.0.2.9:10911',
    clusterName: 'DefaultCluster',
    brokerId: 0,
  };
  const register = (brokerId: number) =>
    client.invoke(
      server.namesrvAddress,
      createRequest(
        RequestCode.REGISTER_BROKER,
        { ...identity, brokerId, haServerAddr: '', enableActingMaster: true },
        encodeRegisterBrokerBody(topics, { stateVersion: 0, timestamp: 1, counter: 1 }, 6),
      ),
      5_000,
    );
  const addresses = async (): Promise<[number, string][] | number> => {
    const request = createRequest(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'TBW102' });
    const { code, body } = await client.invoke(server.namesrvAddress, request, 5_000);
    return code === 0 ? [...(decodeTopicRoute(body).brokerDatas[0]?.brokerAddrs ?? [])] : code;
  };
  expect((await register(1)).code).toBe(0);
  expect(await addresses()).toEqual([
    [0, server.brokerAddress],
    [1, '192.0.2.9:10911'],
  ]);
  const stopping = { isOver: false };
  const stopped = server.stop().then(() => (stopping.isOver = true));
  const seen = new Set<string>();
  while (!stopping.isOver) {
    try {
      seen.add(JSON.stringify(await addresses()));
    } catch {
      break; // The name server has stopped too.
    }
  }
  await stopped;
  expect(seen).toContain('[[1,"192.0.2.9:10911"]]');
});
