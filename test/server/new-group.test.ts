import { expect, it } from 'vitest';
import { startTestServer } from '../../src/server/testing.ts';
import { createMessage } from '../../src/store/create-message.ts';
import { RawConnection } from '../interop/support/raw-remoting.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const QUERY_CONSUMER_OFFSET = 14;

it('a new group reads a young topic from its start, also when nothing was read since the server started', async () => {
  const dataDir = temporaryDirectory();
  const first = await startTestServer({ dataDir });
  for (let index = 0; index < 3; index++) await first.store.put(createMessage({ topic: 'orders', body: `b${index}` }));
  await first.stop();
  // The queue's file and the log's segment are not mapped yet: the answer must not depend on that.
  await using server = await startTestServer({ dataDir });
  const connection = await RawConnection.open(Number(server.brokerAddress.split(':')[1]));
  const ext = { consumerGroup: 'new-group', topic: 'orders', queueId: '0' };
  const { response } = await connection.exchange({ code: QUERY_CONSUMER_OFFSET, ext });
  await connection.close();
  expect(response.header).toMatchObject({ code: 0, extFields: { offset: '0' } });
});
