/**
 * Apache RocketMQ 5.5.0 as the oracle: its name server, broker, mqadmin and benchmark programs, and our Java programs over its clients.
 *
 * Every server is started on loopback with a home directory of its own; a start resolves when the server answers, not when it was spawned.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { apacheClassPath, type ApacheVersion, compileJava, JAVA_SOURCES } from './apache-libraries.ts';
import { JavaProgram } from './java-program.ts';
import { RawConnection, type RawFrame, type RawRequest } from './raw-remoting.ts';

export { apacheClassPath, type ApacheVersion, cacheDirectory, compileJava, JAVA_SOURCES } from './apache-libraries.ts';
export { type Fact, type JavaExit, JavaProgram } from './java-program.ts';

const START_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 50;
/** Short-lived programs start faster without the second compiler and without parallel collectors. */
const QUICK_START = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];

export interface ApacheServer {
  readonly port: number;
  readonly address: string;
  readonly pid: number;
  readonly program: JavaProgram;
  /** SIGTERM; resolves at the end of the process. */
  stop(): Promise<void>;
  /** SIGKILL; resolves at the end of the process. */
  kill(): Promise<void>;
}

export interface NamesrvOptions {
  readonly port: number;
  /** Directory for its logs and defaults; created when absent. */
  readonly home: string;
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  readonly jvmArgs?: readonly string[];
}

export async function startApacheNamesrv(options: NamesrvOptions): Promise<ApacheServer> {
  const conf = writeProperties(options.home, 'namesrv.conf', {
    listenPort: options.port,
    bindAddress: '127.0.0.1',
    kvConfigPath: path.join(options.home, 'kvConfig.json'),
    ...options.properties,
  });
  const program = await JavaProgram.start({
    classPath: apacheClassPath('5.5.0'),
    mainClass: 'org.apache.rocketmq.namesrv.NamesrvStartup',
    args: ['-c', conf],
    jvmArgs: serverJvmArgs(options.home, 'namesrv', ['-Xmx256m', '-XX:+UseSerialGC', ...(options.jvmArgs ?? [])]),
    env: { ROCKETMQ_HOME: options.home },
    workingDirectory: options.home,
  });
  return serverOf(program, options.port, { code: 206 });
}

export interface BrokerOptions {
  readonly listenPort: number;
  /** `host:port` of the name server; without it the broker runs alone. */
  readonly namesrv?: string;
  readonly home: string;
  readonly storeDir: string;
  /** Wait until the name server lists the broker (default true). */
  readonly awaitRegistration?: boolean;
  /** More properties of broker.conf; they win over the loopback defaults. */
  readonly conf?: Readonly<Record<string, string | number | boolean>>;
  readonly jvmArgs?: readonly string[];
}

/** The broker.conf that a loopback broker needs, before the caller's own properties. */
export function brokerProperties(options: BrokerOptions): Record<string, string | number | boolean> {
  return {
    brokerClusterName: 'DefaultCluster',
    brokerName: 'broker-a',
    brokerId: 0,
    brokerRole: 'ASYNC_MASTER',
    flushDiskType: 'ASYNC_FLUSH',
    brokerIP1: '127.0.0.1',
    brokerIP2: '127.0.0.1',
    bindAddress: '127.0.0.1',
    listenPort: options.listenPort,
    ...(options.namesrv === undefined ? {} : { namesrvAddr: options.namesrv }),
    storePathRootDir: options.storeDir,
    storePathCommitLog: path.join(options.storeDir, 'commitlog'),
    diskMaxUsedSpaceRatio: 95,
    autoCreateTopicEnable: true,
    ...options.conf,
  };
}

export async function startApacheBroker(options: BrokerOptions): Promise<ApacheServer> {
  mkdirSync(options.storeDir, { recursive: true });
  const conf = writeProperties(options.home, 'broker.conf', brokerProperties(options));
  const program = await JavaProgram.start({
    classPath: apacheClassPath('5.5.0'),
    mainClass: 'org.apache.rocketmq.broker.BrokerStartup',
    args: ['-c', conf, ...(options.namesrv === undefined ? [] : ['-n', options.namesrv])],
    jvmArgs: serverJvmArgs(options.home, 'broker', [
      '-Xms256m',
      '-Xmx1g',
      '-XX:MaxDirectMemorySize=1g',
      ...(options.jvmArgs ?? []),
    ]),
    env: { ROCKETMQ_HOME: options.home },
    workingDirectory: options.home,
  });
  // Not runtime info (28): asked within the first second it throws inside Apache and leaves errors in its log.
  const probe: RawRequest = { code: 30, ext: { topic: 'TBW102', queueId: '0' } };
  const broker = await serverOf(program, options.listenPort, probe);
  if (options.namesrv !== undefined && options.awaitRegistration !== false) {
    await untilRegistered(broker, options);
  }
  return broker;
}

async function untilRegistered(broker: ApacheServer, options: BrokerOptions): Promise<void> {
  const properties = brokerProperties(options);
  const listed = `"${String(properties['brokerIP1'])}:${options.listenPort}"`;
  const namesrvPort = Number(options.namesrv?.split(':')[1]);
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const cluster = await ask(namesrvPort, { code: 106 });
    if (cluster?.body.includes(listed) === true) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  await broker.kill();
  throw new Error(`the name server ${String(options.namesrv)} did not list the broker within ${START_TIMEOUT_MS} ms`);
}

export interface AdminResult {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly errorText: string;
}

/** Runs one mqadmin subcommand, for example `runMqadmin(['clusterList', '-n', address], home)`. Costs a JVM start. */
export async function runMqadmin(args: readonly string[], home: string): Promise<AdminResult> {
  mkdirSync(home, { recursive: true });
  const program = await JavaProgram.start({
    classPath: apacheClassPath('5.5.0'),
    mainClass: 'org.apache.rocketmq.tools.command.MQAdminStartup',
    args,
    jvmArgs: [...QUICK_START, `-Duser.home=${home}`, '-Drmq.logback.configurationFile=rmq.tools.logback.xml'],
    env: { ROCKETMQ_HOME: home },
    workingDirectory: home,
  });
  const exit = await program.exited;
  return { code: exit.code, lines: program.lines, errorText: program.errorText };
}

export interface ClientOptions {
  readonly version: ApacheVersion;
  readonly home: string;
  readonly jvmArgs?: readonly string[];
}

/**
 * Starts one of our programs of `test/interop/java/client` (`Produce`, `Consume`, `Queries`) or, on 5.5.0 only, of
 * `test/interop/java/store` (`StoreWriter`, `StoreReader`).
 */
export async function startJava(
  mainClass: string,
  args: readonly string[],
  options: ClientOptions,
): Promise<JavaProgram> {
  mkdirSync(options.home, { recursive: true });
  const classes = [compileJava(path.join(JAVA_SOURCES, 'client'), options.version)];
  if (mainClass.startsWith('Store')) {
    classes.push(compileJava(path.join(JAVA_SOURCES, 'store'), options.version, classes));
  }
  return JavaProgram.start({
    classPath: [...classes, apacheClassPath(options.version)].join(path.delimiter),
    mainClass: `cometmq.interop.${mainClass}`,
    args,
    jvmArgs: [...QUICK_START, ...clientLog(options.home), ...(options.jvmArgs ?? [])],
    workingDirectory: options.home,
  });
}

/** Runs one of our programs to its end. */
export async function runJava(
  mainClass: string,
  args: readonly string[],
  options: ClientOptions,
): Promise<JavaProgram> {
  const program = await startJava(mainClass, args, options);
  const exit = await program.exited;
  if (exit.code !== 0) {
    const facts = program.facts.slice(-5).map((fact) => JSON.stringify(fact));
    throw new Error(`${mainClass} ended with status ${String(exit.code)}\n${facts.join('\n')}\n${program.errorText}`);
  }
  return program;
}

export interface BenchmarkOptions {
  readonly home: string;
  readonly heapMegabytes?: number;
  readonly jvmArgs?: readonly string[];
}

/** Starts `org.apache.rocketmq.example.benchmark.<name>` (Producer, BatchProducer, Consumer …); it runs until `stop()`. */
export async function startApacheBenchmark(
  name: string,
  args: readonly string[],
  options: BenchmarkOptions,
): Promise<JavaProgram> {
  mkdirSync(options.home, { recursive: true });
  const heap = `-Xmx${options.heapMegabytes ?? 1024}m`;
  return JavaProgram.start({
    classPath: apacheClassPath('5.5.0'),
    mainClass: `org.apache.rocketmq.example.benchmark.${name}`,
    args,
    jvmArgs: [heap, ...clientLog(options.home), ...(options.jvmArgs ?? [])],
    workingDirectory: options.home,
  });
}

/**
 * Every ERROR line that the store wrote to its logs, for a server or program that ran with this home directory. The network's logs
 * are left out: a client that goes away under a long poll is an error there.
 */
export function storeErrorsInLogs(home: string): string[] {
  const directory = path.join(home, 'logs/rocketmqlogs');
  if (!existsSync(directory)) {
    throw new Error(`no logs below ${home}: nothing of Apache has run there`);
  }
  return readdirSync(directory)
    .filter((name) => /^(store|storeerror|broker_default|rocketmq_client)\.log$/.test(name))
    .flatMap((name) => readFileSync(path.join(directory, name), 'utf8').split('\n'))
    .filter((line) => line.includes(' ERROR '));
}

function clientLog(home: string): string[] {
  return [`-Duser.home=${home}`, '-Drmq.logback.configurationFile=rmq.client.logback.xml'];
}

function serverJvmArgs(home: string, kind: 'namesrv' | 'broker', more: readonly string[]): string[] {
  return [`-Duser.home=${home}`, `-Drmq.logback.configurationFile=rmq.${kind}.logback.xml`, ...more];
}

/** Writes a Java properties file below `home` and returns its path. */
export function writeProperties(
  home: string,
  name: string,
  properties: Readonly<Record<string, string | number | boolean>>,
): string {
  mkdirSync(home, { recursive: true });
  const file = path.join(home, name);
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${String(value)}`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

async function serverOf(program: JavaProgram, port: number, probe: RawRequest): Promise<ApacheServer> {
  try {
    await untilAnswering(program, port, probe);
  } catch (error) {
    await program.kill();
    throw error;
  }
  return {
    port,
    address: `127.0.0.1:${port}`,
    pid: program.pid,
    program,
    stop: async () => {
      await program.stop();
    },
    kill: async () => {
      await program.kill();
    },
  };
}

async function untilAnswering(program: JavaProgram, port: number, probe: RawRequest): Promise<void> {
  // The port alone proves nothing: another server may sit there while ours fails to bind.
  const booted = (): boolean => program.lines.some((line) => line.includes('boot success'));
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (program.isRunning && Date.now() < deadline) {
    if (booted() && (await answers(port, probe))) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  const output = [...program.lines.slice(-20), program.errorText].join('\n');
  const why = program.isRunning ? `answer within ${START_TIMEOUT_MS} ms` : 'stay alive';
  throw new Error(`Apache's server on port ${port} did not ${why}\n${output}`);
}

/** True when the server gives any response to `probe`. */
export async function answers(port: number, probe: RawRequest): Promise<boolean> {
  return (await ask(port, probe)) !== undefined;
}

/** One request over a connection of its own; undefined when nobody answers. */
async function ask(port: number, request: RawRequest): Promise<RawFrame | undefined> {
  try {
    const connection = await RawConnection.open(port);
    try {
      return await connection.request(request, 2_000);
    } finally {
      await connection.close();
    }
  } catch {
    // Nobody listens yet, or it closed on us: not ready.
    return undefined;
  }
}
