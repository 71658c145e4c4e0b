/**
 * Apache RocketMQ 5.5.0 as the oracle: its name server, broker, mqadmin and benchmark programs, and our Java programs over its clients.
 *
 * Every server is started on loopback with a home directory of its own; a start resolves when the server answers, not when it was spawned.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { apacheClassPath, compileJava, JAVA_SOURCES } from './apache-libraries.js';
import { JavaProgram } from './java-program.js';
import { RawConnection } from './raw-remoting.js';
export { apacheClassPath, cacheDirectory, compileJava, JAVA_SOURCES } from './apache-libraries.js';
export { JavaProgram } from './java-program.js';
const START_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 50;
/** Short-lived programs start faster without the second compiler and without parallel collectors. */
const QUICK_START = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];
export async function startApacheNamesrv(options) {
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
  const probe = { code: 206 };
  return serverOf(program, options.port, probe, () => true);
}
/** The broker.conf that a loopback broker needs, before the caller's own properties. */
export function brokerProperties(options) {
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
export async function startApacheBroker(options) {
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
  const booted = () => program.lines.some((line) => line.includes('boot success'));
  return serverOf(program, options.listenPort, { code: 28 }, booted);
}
/** Runs one mqadmin subcommand, for example `runMqadmin(['clusterList', '-n', address], home)`. Costs a JVM start. */
export async function runMqadmin(args, home) {
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
/**
 * Starts one of our programs of `test/interop/java/client` (`Produce`, `Consume`, `Queries`) or, on 5.5.0 only, of
 * `test/interop/java/store` (`StoreWriter`, `StoreReader`).
 */
export async function startJava(mainClass, args, options) {
  mkdirSync(options.home, { recursive: true });
  const sources = path.join(JAVA_SOURCES, mainClass.startsWith('Store') ? 'store' : 'client');
  const classes = compileJava(sources, options.version);
  return JavaProgram.start({
    classPath: [classes, apacheClassPath(options.version)].join(path.delimiter),
    mainClass: `cometmq.interop.${mainClass}`,
    args,
    jvmArgs: [...QUICK_START, ...clientLog(options.home), ...(options.jvmArgs ?? [])],
    workingDirectory: options.home,
  });
}
/** Runs one of our programs to its end. */
export async function runJava(mainClass, args, options) {
  const program = await startJava(mainClass, args, options);
  const exit = await program.exited;
  if (exit.code !== 0) {
    const facts = program.facts.slice(-5).map((fact) => JSON.stringify(fact));
    throw new Error(`${mainClass} ended with status ${String(exit.code)}\n${facts.join('\n')}\n${program.errorText}`);
  }
  return program;
}
/** Starts `org.apache.rocketmq.example.benchmark.<name>` (Producer, BatchProducer, Consumer …); it runs until `stop()`. */
export async function startApacheBenchmark(name, args, options) {
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
function clientLog(home) {
  return [`-Duser.home=${home}`, '-Drmq.logback.configurationFile=rmq.client.logback.xml'];
}
function serverJvmArgs(home, kind, more) {
  return [`-Duser.home=${home}`, `-Drmq.logback.configurationFile=rmq.${kind}.logback.xml`, ...more];
}
/** Writes a Java properties file below `home` and returns its path. */
export function writeProperties(home, name, properties) {
  mkdirSync(home, { recursive: true });
  const file = path.join(home, name);
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${String(value)}`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
async function serverOf(program, port, probe, booted) {
  try {
    await untilAnswering(program, port, probe, booted);
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
async function untilAnswering(program, port, probe, booted) {
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
export async function answers(port, probe) {
  try {
    const connection = await RawConnection.open(port);
    try {
      await connection.request(probe, 2_000);
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    // Nobody listens yet, or it closed on us: not ready.
    return false;
  }
}
