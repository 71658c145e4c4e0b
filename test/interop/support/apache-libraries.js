/**
 * Brings Apache RocketMQ's published jars and compiles our small Java programs against them.
 *
 * Everything lands in `.cache/apache` under the repository root (or `$COMETMQ_CACHE/apache`), outside git. A stamp file says that a
 * class path is complete, so a second call costs one `stat`. Maven or javac failing is an error, never a skipped test.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
const REPOSITORY_ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
const CLASS_PATHS = {
  '5.5.0': {
    release: '5.5.0',
    artifacts: [
      'rocketmq-namesrv',
      'rocketmq-broker',
      'rocketmq-store',
      'rocketmq-tools',
      'rocketmq-example',
      'rocketmq-client',
    ],
  },
  4.9: { release: '4.9.8', artifacts: ['rocketmq-client'] },
};
/** The folder with our Java programs: `client` compiles against both versions, `store` against 5.5.0 only. */
export const JAVA_SOURCES = path.join(REPOSITORY_ROOT, 'test/interop/java');
export function cacheDirectory() {
  return path.join(process.env['COMETMQ_CACHE'] ?? path.join(REPOSITORY_ROOT, '.cache'), 'apache');
}
/** The class path (every jar, `:`-joined) of one version; downloads it with maven at the first call. */
export function apacheClassPath(version) {
  const { release, artifacts } = CLASS_PATHS[version];
  const directory = path.join(cacheDirectory(), `lib-${release}-${digest([release, ...artifacts])}`);
  buildOnce(directory, (target) => {
    const pom = path.join(target, 'pom.xml');
    writeFileSync(pom, pomFor(release, artifacts));
    const goal = ['-B', '-q', '-f', pom, COPY_DEPENDENCIES, '-DincludeScope=runtime', `-DoutputDirectory=${target}`];
    run('mvn', goal, `bring Apache RocketMQ ${release} from Maven Central`);
  });
  return jarsIn(directory).join(path.delimiter);
}
/**
 * Compiles every `.java` file of `directory` against one version, once per content of those files.
 * @returns the directory with the classes.
 */
export function compileJava(directory, version) {
  const sources = readdirSync(directory)
    .filter((name) => name.endsWith('.java'))
    .sort()
    .map((name) => path.join(directory, name));
  if (sources.length === 0) {
    throw new Error(`no Java source in ${directory}: name a folder of test/interop/java`);
  }
  const release = CLASS_PATHS[version].release;
  const contents = sources.map((file) => readFileSync(file, 'utf8'));
  const target = path.join(cacheDirectory(), `classes-${path.basename(directory)}-${release}-${digest(contents)}`);
  buildOnce(target, (output) => {
    const args = ['-nowarn', '-Xlint:none', '-encoding', 'UTF-8', '--release', '11'];
    run('javac', [...args, '-cp', apacheClassPath(version), '-d', output, ...sources], `compile ${directory}`);
  });
  return target;
}
/** Fills `directory` through a private neighbour and one rename, so that two test processes may ask at the same time. */
function buildOnce(directory, build) {
  if (existsSync(path.join(directory, '.complete'))) {
    return;
  }
  const target = `${directory}.building-${process.pid}`;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  try {
    build(target);
    writeFileSync(path.join(target, '.complete'), `${new Date().toISOString()}\n`);
    publish(target, directory);
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}
function publish(target, directory) {
  try {
    renameSync(target, directory);
  } catch (error) {
    // Another process was faster: its complete directory is as good as ours.
    if (!existsSync(path.join(directory, '.complete'))) {
      throw error;
    }
  }
}
function run(command, args, purpose) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 600_000 });
  if (result.error !== undefined) {
    throw new Error(`cannot ${purpose}: ${command} did not run (${result.error.message}); install a JDK 17 and maven`);
  }
  if (result.status !== 0) {
    const output = `${result.stdout}${result.stderr}`.trim().split('\n').slice(-15).join('\n');
    throw new Error(`cannot ${purpose}: ${command} ended with status ${String(result.status)}\n${output}`);
  }
}
function jarsIn(directory) {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.jar'))
    .sort()
    .map((name) => path.join(directory, name));
}
function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(part).update('\0');
  }
  return hash.digest('hex').slice(0, 12);
}
function pomFor(release, artifacts) {
  const dependencies = artifacts.map(
    (name) =>
      `<dependency><groupId>org.apache.rocketmq</groupId><artifactId>${name}</artifactId><version>${release}</version></dependency>`,
  );
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>cometmq</groupId><artifactId>interop</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('\n')}</dependencies></project>\n`;
}
