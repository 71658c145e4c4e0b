// Consumer groups over real sockets: who is a member, who is told, what is held and woken.

import { expect, test, vi } from 'vitest';
import { RequestCode } from '../../src/remoting/protocol/request-code.ts';
import { createRequest } from '../../src/remoting/protocol/request-headers.ts';
import type { RequestHandler } from '../../src/remoting/transport/connection.ts';
import { caller, startTestBroker } from './support/running-broker.ts';
import type { Call, RunningBroker } from './support/running-broker.ts';
import { heartbeatRequest, messagesOf, pullRequest, sendRequest } from './support/requests.ts';

/** A consumer that counts the notices about changed members that it gets. */
function consumer(running: RunningBroker): { call: Call; notices: string[]; close: () => Promise<void> } {
  const notices: string[] = [];
  const take: RequestHandler = (request) => {
    notices.push(request.extFields.get('consumerGroup') ?? '');
    return undefined;
  };
  const client = running.client(new Map([[RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, take]]));
  return { call: (request) => client.invoke(running.address, request, 10_000), notices, close: () => client.close() };
}

async function members(call: Call, consumerGroup = 'CID_test'): Promise<string[] | number> {
  const response = await call(createRequest(RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup }));
  if (response.code !== 0) return response.code;
  return (JSON.parse(response.body.toString()) as { consumerIdList: string[] }).consumerIdList;
}

/** Waits until so many pulls are held, by the broker's own figures. */
async function whenHeld(call: Call, count: number): Promise<void> {
  await vi.waitFor(async () => {
    const response = await call({ code: RequestCode.GET_BROKER_RUNTIME_INFO });
    const { table } = JSON.parse(response.body.toString()) as { table: Record<string, string> };
    expect(table['heldPulls']).toBe(String(count));
  });
}

test('members are listed, and all are told when one joins, leaves or is cut off', async () => {
  const running = await startTestBroker();
  const [first, second, third] = [consumer(running), consumer(running), consumer(running)];
  await first.call(heartbeatRequest({ clientId: 'one' }));
  await vi.waitFor(() => expect(first.notices).toEqual(['CID_test']));
  await second.call(heartbeatRequest({ clientId: 'two' }));
  await third.call(heartbeatRequest({ clientId: 'three' }));
  await vi.waitFor(() => expect([first, second, third].map(({ notices }) => notices.length)).toEqual([3, 2, 1]));
  expect(await members(first.call)).toEqual(['one', 'two', 'three']);

  await second.call(createRequest(RequestCode.UNREGISTER_CLIENT, { clientID: 'two', consumerGroup: 'CID_test' }));
  await vi.waitFor(() => expect([first, second, third].map(({ notices }) => notices.length)).toEqual([4, 2, 2]));
  await third.close();
  await vi.waitFor(() => expect(first.notices).toHaveLength(5));
  expect(await members(first.call)).toEqual(['one']);
  await first.close();
  await vi.waitFor(async () => expect(await members(second.call)).toBe(1));
});

test('a heartbeat that changes nothing tells nobody, nor does a newer version of a subscription', async () => {
  const running = await startTestBroker();
  const { call, notices } = consumer(running);
  await call(heartbeatRequest());
  await call(heartbeatRequest());
  await call(heartbeatRequest({ version: 2 }));
  await call(heartbeatRequest({ version: 2, topics: ['Letters', 'Parcels'] }));
  await call(heartbeatRequest({ version: 2, topics: ['Parcels'] }));
  await vi.waitFor(() => expect(notices).toHaveLength(3));
});

test('a client on two connections counts once', async () => {
  const running = await startTestBroker();
  const [first, second] = [consumer(running), consumer(running)];
  await first.call(heartbeatRequest({ clientId: 'same' }));
  await second.call(heartbeatRequest({ clientId: 'same' }));
  expect(await members(first.call)).toEqual(['same']);
});

test('members of a broadcasting group are not told', async () => {
  const running = await startTestBroker();
  const [first, second] = [consumer(running), consumer(running)];
  await first.call(heartbeatRequest({ clientId: 'one', messageModel: 'BROADCASTING' }));
  await second.call(heartbeatRequest({ clientId: 'two', messageModel: 'BROADCASTING' }));
  // A notice would be on its way before the answer to a later request.
  await first.call(heartbeatRequest({ clientId: 'one', messageModel: 'BROADCASTING' }));
  await members(first.call);
  expect([...first.notices, ...second.notices]).toEqual([]);
});

test('a group has no more clients than the settings allow', async () => {
  const running = await startTestBroker({ settings: { groupClientsMax: 1 } });
  const [first, second] = [consumer(running), consumer(running)];
  await first.call(heartbeatRequest({ clientId: 'one' }));
  await second.call(heartbeatRequest({ clientId: 'two' }));
  await first.call(heartbeatRequest({ clientId: 'one' }));
  expect(await members(first.call)).toEqual(['one']);
});

test('a heartbeat makes the group and its retry topic', async () => {
  const running = await startTestBroker();
  await caller(running)(heartbeatRequest({ group: 'CID_new' }));
  expect(running.store.state.groups.has('CID_new')).toBe(true);
  expect(running.store.state.topics.get('%RETRY%CID_new')).toMatchObject({
    readQueueNums: 1,
    writeQueueNums: 1,
    perm: 6,
  });
});

test('subscriptions are those of the last heartbeat, whoever sent it', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const other = caller(running);
  for (const topic of ['Letters', 'Parcels']) await call(sendRequest({ topic }));
  await call(heartbeatRequest({ clientId: 'one', topics: ['Letters'] }));
  expect((await call(pullRequest({ sysFlag: 0, topic: 'Letters' }))).code).toBe(0);
  await other(heartbeatRequest({ clientId: 'two', topics: ['Parcels'] }));
  expect((await call(pullRequest({ sysFlag: 0, topic: 'Letters' }))).code).toBe(24);
  expect((await call(pullRequest({ sysFlag: 0, topic: 'Parcels' }))).code).toBe(0);
  expect((await call(pullRequest({ sysFlag: 0, topic: 'Parcels', subVersion: 2 }))).code).toBe(25);
});

test('a heartbeat of the second kind may leave the subscriptions out, unless the broker does not have them', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  await call(sendRequest());
  const changed = async (options: Parameters<typeof heartbeatRequest>[0]): Promise<string | undefined> =>
    (await call(heartbeatRequest(options))).extFields.get('IS_SUB_CHANGE');
  expect(await changed({ fingerprint: 11, withoutSub: true, topics: [] })).toBe('true');
  expect(await changed({ fingerprint: 11 })).toBe('false');
  expect(await changed({ fingerprint: 11, withoutSub: true, topics: [] })).toBe('false');
  expect((await call(pullRequest({ sysFlag: 0 }))).code).toBe(0);
  expect(await changed({ fingerprint: 12 })).toBe('true');
  expect(await changed({})).toBe('true');
});

test('a heartbeat that names too much is refused', async () => {
  const running = await startTestBroker({ settings: { heartbeatEntriesMax: 3 } });
  const call = caller(running);
  expect((await call(heartbeatRequest())).code).toBe(0);
  expect((await call(heartbeatRequest({ topics: ['a', 'b'] }))).code).toBe(29);
});

test('a held pull is answered when a message arrives', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const sender = caller(running);
  await sender(sendRequest({ body: 'first' }));
  const held = call(pullRequest({ offset: 1, holdMs: 60_000 }));
  await whenHeld(sender, 1);
  await sender(sendRequest({ body: 'second', queueId: 1 }));
  await sender(sendRequest({ body: 'third', properties: { TAGS: 'x' } }));
  const messages = messagesOf(await held);
  expect(messages.map((message) => Buffer.from(message.body).toString())).toEqual(['third']);
});

test('a held pull with a tag expression sleeps through messages with other tags', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const sender = caller(running);
  await sender(sendRequest());
  let answered = false;
  const held = call(pullRequest({ offset: 1, holdMs: 60_000, expression: 'red || blue' })).finally(
    () => (answered = true),
  );
  await whenHeld(sender, 1);
  for (const tag of ['green', 'yellow']) await sender(sendRequest({ properties: { TAGS: tag } }));
  expect(answered).toBe(false);
  await sender(sendRequest({ body: 'for us', properties: { TAGS: 'blue' } }));
  const response = await held;
  expect(messagesOf(response).map((message) => Buffer.from(message.body).toString())).toEqual(['for us']);
  expect(response.extFields.get('nextBeginOffset')).toBe('4');
});

test('held pulls do not stop a connection from being read', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  await call(sendRequest());
  const held = Array.from({ length: 3_000 }, () => call(pullRequest({ offset: 1, holdMs: 60_000 }), 60_000));
  const sent = await call(sendRequest({ body: 'wakes all' }));
  expect(sent.code).toBe(0);
  const responses = await Promise.all(held);
  expect(responses.every((response) => messagesOf(response).length === 1)).toBe(true);
});

test('no more pulls are held than the settings allow, and a closed connection frees its place', async () => {
  const running = await startTestBroker({ settings: { heldPullsMax: 1 } });
  const call = caller(running);
  await call(sendRequest());
  const client = running.client();
  const held = client
    .invoke(running.address, pullRequest({ offset: 1, holdMs: 60_000 }), 60_000)
    .catch(() => 'cut off');
  await whenHeld(call, 1);
  const refused = await call(pullRequest({ offset: 1, holdMs: 0 }));
  expect(refused).toMatchObject({ code: 2, remark: expect.stringContaining('limit is 1') as unknown });
  await client.close();
  expect(await held).toBe('cut off');
  await whenHeld(call, 0);
  expect((await call(pullRequest({ offset: 1, holdMs: 0 }))).code).toBe(19);
});

test('only a first pass commits the offset that a pull carries', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  const committed = (): number | undefined => running.store.state.consumerOffsets.fetch('CID_test', 'Letters', 0);
  await call(sendRequest());
  await call(pullRequest({ sysFlag: 4, commitOffset: 1 }));
  expect(committed()).toBeUndefined();
  const held = call(pullRequest({ sysFlag: 7, offset: 1, commitOffset: 1, holdMs: 60_000 }));
  await vi.waitFor(() => expect(committed()).toBe(1));
  running.store.state.consumerOffsets.commit('CID_test', 'Letters', 0, 5);
  await call(sendRequest());
  await held;
  expect(committed()).toBe(5);
});

test('a group that may not consume, and one that may not broadcast, is told so', async () => {
  const running = await startTestBroker();
  const call = caller(running);
  await call(sendRequest());
  await call(heartbeatRequest({ messageModel: 'BROADCASTING' }));
  const { groups } = running.store.state;
  groups.put({ ...groups.get('CID_test')!, consumeBroadcastEnable: false });
  const broadcasting = await call(pullRequest({ sysFlag: 0 }));
  expect([broadcasting.code, broadcasting.extFields.get('forbiddenType')]).toEqual([16, '4']);
  groups.put({ ...groups.get('CID_test')!, consumeEnable: false });
  const disabled = await call(pullRequest({ sysFlag: 0 }));
  expect([disabled.code, disabled.extFields.get('forbiddenType')]).toEqual([16, '2']);
});
