import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig, type ConfigEntry } from '../../../src/base/config-table.ts';
import { defaultBrokerSettings } from '../../../src/broker/broker-settings.ts';
import { defaultRemotingLimits } from '../../../src/remoting/transport/remoting-settings.ts';
import { brokerConfigTable } from '../../../src/server/config/broker-config-table.ts';
import { brokerSettingsOf } from '../../../src/server/broker-settings-of.ts';
import { configurationDocs } from '../../../src/server/config/configuration-docs.ts';
import { ignoredBrokerKeys, ignoredNamesrvKeys } from '../../../src/server/config/ignored-keys.ts';
import {
  brokerFileTable,
  namesrvFileTable,
  readBrokerConfig,
  readNamesrvConfig,
  type BrokerFileValues,
} from '../../../src/server/config/read-config-file.ts';
import { remotingConfigTable, remotingLimitsOf } from '../../../src/server/config/remoting-config-table.ts';
import { storeConfigOf, storeConfigTable } from '../../../src/server/config/store-config-table.ts';
import { defaultStoreConfig } from '../../../src/store/store-config.ts';

/** The `broker.conf` that Apache RocketMQ 5.5.0 brings, and the keys that people add to it first. */
const APACHE_BROKER_CONF = `
brokerClusterName = DefaultCluster
brokerName = broker-a
brokerId = 0
deleteWhen = 04
fileReservedTime = 48
brokerRole = ASYNC_MASTER
flushDiskType = ASYNC_FLUSH
listenPort=10911
namesrvAddr=127.0.0.1:9876
brokerIP1=192.0.2.1
storePathRootDir=/var/lib/rocketmq
storePathCommitLog=/var/lib/rocketmq/commitlog
storePathConsumeQueue=/var/lib/rocketmq/consumequeue
storePathIndex=/var/lib/rocketmq/index
mappedFileSizeCommitLog=1073741824
mappedFileSizeConsumeQueue=6000000
maxMessageSize=4194304
sendMessageThreadPoolNums=64
autoCreateTopicEnable=true
defaultTopicQueueNums=4
`;

/** What the server makes of checked values: every setting of every part. */
function settingsOf(values: BrokerFileValues): Record<string, unknown> {
  return {
    ...Object.fromEntries(Object.entries(brokerSettingsOf(values)).map(([key, value]) => [`broker.${key}`, value])),
    ...Object.fromEntries(
      Object.entries(storeConfigOf(values, values.flushConsumerOffsetInterval)).map(([key, value]) => [
        `store.${key}`,
        value,
      ]),
    ),
    ...Object.fromEntries(Object.entries(remotingLimitsOf(values)).map(([key, value]) => [`remoting.${key}`, value])),
  };
}

/** A value that the entry takes and that is not its default. */
function anotherValue(key: string, entry: ConfigEntry): string | undefined {
  switch (entry.type) {
    case 'integer':
      if (entry.min === entry.max) return undefined;
      return String(entry.default === entry.max ? entry.default - 1 : Math.min(entry.max, entry.default + 1_000));
    case 'boolean':
      return String(!entry.default);
    case 'choice':
      return entry.choices.find((choice) => choice !== entry.default);
    case 'text':
      if (key === 'deleteWhen') return '05';
      if (key === 'messageDelayLevel') return '7s';
      return key === 'namesrvAddr' ? '192.0.2.9:9876' : 'another';
  }
}

describe('configuration', () => {
  it('docs/CONFIGURATION.md says what the tables say (npm run docs:config writes it)', () => {
    const written = readFileSync(new URL('../../../docs/CONFIGURATION.md', import.meta.url), 'utf8');
    expect(written).toBe(configurationDocs());
  });
  it('the tables start with the engine defaults', () => {
    const { values } = readConfig(storeConfigTable, new Map(), new Map(), 'test');
    expect(storeConfigOf(values, defaultStoreConfig.offsetExportIntervalMs)).toEqual(defaultStoreConfig);
  });
  it('no key is both supported and ignored, and none is ignored twice', () => {
    const supported = [brokerConfigTable, remotingConfigTable, storeConfigTable].flatMap((table) => Object.keys(table));
    expect(new Set(supported).size).toBe(supported.length);
    expect(supported.filter((key) => ignoredBrokerKeys.has(key))).toEqual([]);
    expect(Object.keys(namesrvFileTable).filter((key) => ignoredNamesrvKeys.has(key))).toEqual([]);
  });
  it('switches that a user relies on are refused rather than ignored', () => {
    const settings = new Map([['authenticationEnabled', 'true']]);
    expect(() => readConfig(brokerConfigTable, ignoredBrokerKeys, settings, 'broker.conf')).toThrow(
      'broker.conf: authenticationEnabled=true must be false: Authentication is not part of this version.',
    );
  });
  it('without any setting, every part has its own defaults', () => {
    const { values } = readBrokerConfig(undefined, { brokerName: 'broker-a' });
    expect(brokerSettingsOf(values)).toEqual(defaultBrokerSettings);
    expect(remotingLimitsOf(values)).toEqual(defaultRemotingLimits);
    expect(remotingLimitsOf(readNamesrvConfig(undefined, {}).values)).toEqual(defaultRemotingLimits);
    expect(brokerSettingsOf(readBrokerConfig(undefined, {}).values).brokerName).toBe(hostname());
  });

  it('every key changes a setting, and every setting has a key', () => {
    const usual = settingsOf(readBrokerConfig(undefined, {}).values);
    const changed = new Set<string>();
    const idle: string[] = [];
    for (const [key, entry] of Object.entries(brokerFileTable)) {
      const value = anotherValue(key, entry);
      if (value === undefined) continue; // may only have the one value
      const settings = settingsOf(readBrokerConfig(undefined, { [key]: value }).values);
      const differing = Object.keys(settings).filter(
        (name) => JSON.stringify(settings[name]) !== JSON.stringify(usual[name]),
      );
      if (differing.length === 0) idle.push(key);
      for (const name of differing) changed.add(name);
    }
    // These two are paths, which the store takes beside its configuration.
    expect(idle).toEqual(['storePathRootDir', 'storePathCommitLog']);
    expect(Object.keys(usual).filter((name) => !changed.has(name))).toEqual(['broker.brokerId']);
  });

  it("a broker.conf of Apache's works as it is, and says which keys have no effect", () => {
    const folder = mkdtempSync(join(tmpdir(), 'cometmq-conf-'));
    try {
      const path = join(folder, 'broker.conf');
      writeFileSync(path, APACHE_BROKER_CONF);
      const { values, ignored } = readBrokerConfig(path, {});
      expect(values).toMatchObject({
        brokerName: 'broker-a',
        fileReservedTime: 48,
        storePathRootDir: '/var/lib/rocketmq',
      });
      expect(ignored.map(({ key }) => key)).toEqual([
        'storePathConsumeQueue',
        'storePathIndex',
        'sendMessageThreadPoolNums',
      ]);
      expect(ignored.every(({ reason }) => reason.endsWith('.'))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('an unknown key is an error that names the nearest one, ignored ones included', () => {
    expect(() => readBrokerConfig(undefined, { flushDiskTyp: 'SYNC_FLUSH' })).toThrow('Did you mean flushDiskType?');
    expect(() => readBrokerConfig(undefined, { sendMessageThreadPoolNum: '1' })).toThrow(
      'Did you mean sendMessageThreadPoolNums?',
    );
    expect(() => readNamesrvConfig(undefined, { listenport: '1' })).toThrow('Did you mean listenPort?');
  });
});
