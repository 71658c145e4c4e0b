/**
 * Captures `test/golden/wire` from Apache 5.5.0: hand-made requests with their answers, the frames of real clients of both lines,
 * and what a real broker sends to its name server. Run: `COMETMQ_CAPTURE=1 npx vitest run --config vitest.interop.config.ts`.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import {
  type ApacheServer,
  type ApacheVersion,
  runJava,
  startApacheBroker,
  startApacheNamesrv,
  startJava,
} from '../support/apache.ts';
import { type CapturedFrame, exchangesOf, startCaptureProxy } from '../support/capture-proxy.ts';
import { RawConnection, type RawFrame, type RawRequest } from '../support/raw-remoting.ts';
import {
  BACK_CASES,
  CLIENT_CASES,
  NAMESRV_CASES,
  OFFSET_CASES,
  PERMISSION_CASES,
  PULL_CASES,
  SEND_CASES,
  type WireCase,
} from './wire-cases.ts';
import { tableRow, type WireFixture, writeWireFixture } from './wire-fixtures.ts';

const OUTPUT = fileURLToPath(new URL('../../golden/wire/', import.meta.url));
/** Runtime info and configuration show these paths, so they are neutral ones. */
const ROOT = process.env['COMETMQ_CAPTURE_ROOT'] ?? '/opt/rocketmq-golden';
const PORTS = { namesrv: 20000, brokerProxy: 20001, clientProxy: 20002, a: 20010, strict: 20020 };
const HEAD =
  '| code | file | request | ext fields sent | response | remark | ext fields | body |\n|---|---|---|---|---|---|---|---|';

interface Stage {
  readonly namesrv: ApacheServer;
  readonly broker: ApacheServer;
  readonly strict: ApacheServer;
  /** One connection a server for all cases: a heartbeat counts only as long as its connection is open. */
  readonly connections: Map<string, RawConnection>;
}

it('captures the wire fixtures', async () => {
  rmSync(ROOT, { recursive: true, force: true });
  rmSync(OUTPUT, { recursive: true, force: true });
  mkdirSync(OUTPUT, { recursive: true });
  const namesrv = await startApacheNamesrv({ port: PORTS.namesrv, home: path.join(ROOT, 'namesrv') });
  const registrations = await startCaptureProxy({ port: PORTS.brokerProxy, targetPort: PORTS.namesrv });
  const routes = await startCaptureProxy({ port: PORTS.clientProxy, targetPort: PORTS.namesrv });
  const traffic = await startCaptureProxy({ port: PORTS.a, targetPort: PORTS.a, host: '127.0.0.2' });
  const broker = await startBroker('a', PORTS.a, { brokerIP1: '127.0.0.2', brokerName: 'broker-a' });
  const strict = await startBroker('strict', PORTS.strict, {
    brokerName: 'broker-strict',
    autoCreateTopicEnable: false,
    autoCreateSubscriptionGroup: false,
    maxMessageSize: 65536,
    compressedRegister: true,
  });
  const stage = { namesrv, broker, strict, connections: new Map<string, RawConnection>() };
  const sections = [
    ['Send (10, 310, 320)', await runCases(stage, SEND_CASES)],
    ['Heartbeat and members (34, 38)', await runCases(stage, CLIENT_CASES)],
    ['Pull (11)', await runCases(stage, PULL_CASES)],
    ['Offsets (14, 15, 29, 30, 31)', await runCases(stage, OFFSET_CASES)],
    ['Send back, unregister, runtime info, unknown codes (36, 35, 28)', await runCases(stage, BACK_CASES)],
    ['Name server (103, 104, 105, 106, 206, 322)', await runCases(stage, NAMESRV_CASES)],
    ['Name server: compressed registration', await replayCompressed(stage, registrations.frames)],
    ['Permissions of the broker', await runCases(stage, PERMISSION_CASES)],
  ] as const;
  await Promise.all([...stage.connections.values()].map((connection) => connection.close()));
  const real: WireFixture[] = [];
  for (const version of ['5.5.0', '4.9'] as const) {
    const start = { routes: routes.frames.length, traffic: traffic.frames.length };
    await runClients(version);
    real.push(...fixturesOf(`client-${version}`, `rocketmq-client ${version}`, routes.frames.slice(start.routes)));
    real.push(...fixturesOf(`client-${version}`, `rocketmq-client ${version}`, traffic.frames.slice(start.traffic)));
  }
  await broker.stop();
  await strict.stop();
  real.push(...fixturesOf('broker', 'BrokerStartup 5.5.0', registrations.frames));
  await namesrv.stop();
  await Promise.all([registrations.close(), routes.close(), traffic.close()]);
  writeReadme(sections, real);
  rmSync(ROOT, { recursive: true, force: true });
  expect(real.length).toBeGreaterThan(20);
}, 600_000);

async function startBroker(
  name: string,
  port: number,
  conf: Record<string, string | number | boolean>,
): Promise<ApacheServer> {
  return startApacheBroker({
    listenPort: port,
    namesrv: `127.0.0.1:${PORTS.brokerProxy}`,
    home: path.join(ROOT, name),
    storeDir: path.join(ROOT, name, 'store'),
    // Our own questions to the name server would be among the captured frames, and the strict broker never gets registered.
    awaitRegistration: false,
    conf: { mappedFileSizeCommitLog: 64 * 1024 * 1024, ...conf },
  });
}

async function runCases(stage: Stage, cases: readonly WireCase[]): Promise<string> {
  const ports = { a: stage.broker.port, strict: stage.strict.port, namesrv: stage.namesrv.port };
  const { connections } = stage;
  const rows: string[] = [HEAD];
  for (const wireCase of cases) {
    const port = ports[wireCase.target];
    const connection = connections.get(wireCase.target) ?? (await RawConnection.open(port));
    connections.set(wireCase.target, connection);
    const fixture = await runCase(connection, port, wireCase);
    rows.push(fixture === undefined ? unansweredRow(wireCase) : tableRow(fixture));
    if (fixture === undefined) {
      connections.delete(wireCase.target);
    } else {
      writeWireFixture(OUTPUT, fixture);
    }
  }
  return rows.join('\n');
}

/**
 * A real 5.5.0 broker with compressedRegister=true sends a deflated body but says compressed=false, and the name server refuses it
 * (see the frames of real brokers). The same body with the right flag shows what is meant.
 */
async function replayCompressed(stage: Stage, frames: readonly CapturedFrame[]): Promise<string> {
  const sent = frames
    .filter(({ frame }) => frame.header.code === 103 && frame.body[0] === 0x78)
    .sort((a, b) => b.frame.body.length - a.frame.body.length)[0];
  if (sent === undefined) {
    throw new Error('no broker has sent a compressed registration');
  }
  const ext = { ...sent.frame.header.extFields, compressed: 'true' };
  const wireCase: WireCase = {
    name: '103-compressed',
    what: 'the deflated body of a real broker, with compressed=true',
    target: 'namesrv',
    request: { code: 103, ext, body: sent.frame.body },
  };
  return runCases(stage, [wireCase]);
}

async function runCase(connection: RawConnection, port: number, wireCase: WireCase): Promise<WireFixture | undefined> {
  const request = await fillInMaximum(connection, wireCase.request);
  if (wireCase.meanwhile !== undefined) {
    const other = await RawConnection.open(port);
    const meanwhile = wireCase.meanwhile;
    setTimeout(() => void other.request(meanwhile).then(() => other.close()), 1_000);
  }
  try {
    const exchange = await connection.exchange(request, 20_000);
    const producedBy = `request made by hand, answered by Apache RocketMQ 5.5.0 (${wireCase.target})`;
    return { name: wireCase.name, what: wireCase.what, producedBy, ...exchange };
  } catch {
    return undefined;
  }
}

/** A queueOffset of "MAX" stands for the queue's maximum at that moment. */
async function fillInMaximum(connection: RawConnection, request: RawRequest): Promise<RawRequest> {
  const ext = request.ext ?? {};
  if (ext['queueOffset'] !== 'MAX') {
    return request;
  }
  const { topic = '', queueId = '' } = ext;
  const answer = await connection.request({ code: 30, ext: { topic, queueId } });
  return { ...request, ext: { ...ext, queueOffset: answer.header.extFields?.['offset'] ?? '0' } };
}

function unansweredRow(wireCase: WireCase): string {
  return `| ${wireCase.request.code} | | ${wireCase.what} | | **no answer** within 20 s, or the connection was closed | | | |`;
}

async function runClients(version: ApacheVersion): Promise<void> {
  const home = path.join(ROOT, 'clients');
  const common = ['--namesrv', `127.0.0.1:${PORTS.clientProxy}`, '--topic', `Clients${version.replaceAll('.', '_')}`];
  const group = ['--group', `CID_clients_${version.replaceAll('.', '_')}`];
  for (const mode of ['sync', 'async', 'oneway', 'batch']) {
    const more = [
      '--mode',
      mode,
      '--count',
      '4',
      '--sizes',
      '20',
      '--batch-size',
      '2',
      '--tags',
      'a,b',
      '--key-prefix',
      'ключ',
    ];
    await runJava('Produce', [...common, ...more], { version, home });
  }
  const compressed = [
    '--mode',
    'sync',
    '--count',
    '1',
    '--sizes',
    '6000',
    '--body',
    'text',
    '--property',
    'имя=значение',
  ];
  await runJava('Produce', [...common, ...compressed], { version, home });
  const consumer = await startJava('Consume', [...common, ...group, '--fail-first', '1', '--retry-level', '1'], {
    version,
    home,
  });
  await consumer.waitForFacts('message', 34, 90_000);
  const second = await startJava('Consume', [...common, ...group], { version, home });
  await consumer.waitUntil((program) => program.factsOf('queues').length >= 3, 60_000, 'the rebalance');
  await second.finish();
  await consumer.finish();
  const ordered = await startJava('Consume', [...common, '--group', 'CID_ordered', '--mode', 'orderly'], {
    version,
    home,
  });
  await ordered.waitForFacts('message', 17, 90_000);
  await ordered.finish();
  const topic = `Clients${version.replaceAll('.', '_')}`;
  const questions = ['max', 'min', 'committed', 'earliest'].flatMap((word) => ['--do', `${word} ${topic} 0`]);
  const more = ['--do', `search ${topic} 0 0`, '--do', `commit ${topic} 0 1`, '--do', `pull ${topic} 0 0 2`];
  await runJava('Queries', ['--namesrv', `127.0.0.1:${PORTS.clientProxy}`, ...questions, ...more], { version, home });
}

/** The first exchange of each kind (code, response code), the first one-way request and the first push of each code. */
function fixturesOf(prefix: string, producedBy: string, frames: readonly CapturedFrame[]): WireFixture[] {
  const seen = new Set<string>();
  const fixtures: WireFixture[] = [];
  const add = (key: string, fixture: WireFixture): void => {
    if (!seen.has(key)) {
      seen.add(key);
      fixtures.push(fixture);
      writeWireFixture(OUTPUT, fixture);
    }
  };
  for (const { askedBy, request, response } of exchangesOf(frames)) {
    const { code } = request.header;
    const variant = `${askedBy === 'server' ? '-pushed' : ''}${variantOf(request)}`;
    const kind = `${code}-${prefix}${variant}`;
    const suffix = response.header.code === 0 ? '' : `-answer-${response.header.code}`;
    add(`${kind}${suffix}`, {
      name: `${kind}${suffix}`,
      what: `as sent by ${producedBy}`,
      producedBy,
      request,
      response,
    });
  }
  for (const { from, frame } of frames) {
    if ((frame.header.flag & 2) !== 0) {
      const kind = `${frame.header.code}-${prefix}${from === 'server' ? '-pushed' : ''}-oneway`;
      add(kind, {
        name: kind,
        what: `one-way, as sent by ${from === 'server' ? 'the broker to ' : ''}${producedBy}`,
        producedBy,
        request: frame,
      });
    }
  }
  return fixtures;
}

/** Bodies that differ in kind get a fixture each: deflated registrations, heartbeats that bring consumers. */
function variantOf(request: RawFrame): string {
  if (request.body[0] === 0x78) {
    return '-compressed';
  }
  return request.header.code === 34 && request.body.includes('"consumerDataSet":[{') ? '-consumer' : '';
}

function writeReadme(sections: readonly (readonly [string, string])[], real: readonly WireFixture[]): void {
  const text = [
    '# What Apache RocketMQ 5.5.0 answers',
    '',
    'Captured from the real servers and clients by `test/interop/capture/wire.capture.ts`; not written by hand. Each row is also a file',
    '`<code>-<case>.json` with both frames in hex (frames above 40,000 bytes are in the table only). `a` has default settings, "strict"',
    'creates neither topics nor groups and has maxMessageSize=65536. `(none)` means the field is absent from the response header,',
    '`{}` that it is there and empty.',
    ...sections.flatMap(([title, table]) => ['', `## ${title}`, '', table]),
    '',
    '## Frames of real clients and brokers',
    '',
    HEAD,
    ...real.map(tableRow),
    '',
  ];
  writeFileSync(path.join(OUTPUT, 'README.md'), text.join('\n'));
}
