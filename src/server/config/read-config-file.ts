// A configuration file, and what the command line adds to it, as checked values.

import { readFileSync } from 'node:fs';
import { ConfigError, readConfig, type ConfigValues, type ReadConfig } from '../../base/config-table.ts';
import { describeError } from '../../base/errors.ts';
import { parseJavaProperties } from '../../base/java-properties.ts';
import { brokerConfigTable } from './broker-config-table.ts';
import { ignoredBrokerKeys, ignoredNamesrvKeys } from './ignored-keys.ts';
import { namesrvConfigTable } from './namesrv-config-table.ts';
import { remotingConfigTable } from './remoting-config-table.ts';
import { storeConfigTable } from './store-config-table.ts';

/** All that a broker.conf may have, and all that a namesrv.conf may have. */
export const brokerFileTable = { ...brokerConfigTable, ...remotingConfigTable, ...storeConfigTable } as const;
export const namesrvFileTable = { ...namesrvConfigTable, ...remotingConfigTable } as const;

export type BrokerFileValues = ConfigValues<typeof brokerFileTable>;
export type NamesrvFileValues = ConfigValues<typeof namesrvFileTable>;

/** Settings by Apache's keys, as text. They win over the file. */
export type Overrides = Readonly<Record<string, string>>;

/** Reads a broker.conf; without a path there are only the overrides. Throws ConfigError. */
export function readBrokerConfig(path: string | undefined, overrides: Overrides): ReadConfig<typeof brokerFileTable> {
  return readConfig(brokerFileTable, ignoredBrokerKeys, merge(path, overrides), path ?? 'command line');
}

/** Reads a namesrv.conf; without a path there are only the overrides. Throws ConfigError. */
export function readNamesrvConfig(path: string | undefined, overrides: Overrides): ReadConfig<typeof namesrvFileTable> {
  return readConfig(namesrvFileTable, ignoredNamesrvKeys, merge(path, overrides), path ?? 'command line');
}

function merge(path: string | undefined, overrides: Overrides): Map<string, string> {
  const settings = path === undefined ? new Map<string, string>() : readProperties(path);
  for (const [key, value] of Object.entries(overrides)) settings.set(key, value);
  return settings;
}

function readProperties(path: string): Map<string, string> {
  try {
    return parseJavaProperties(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(
      'ERR_CONFIG_UNREADABLE',
      `The configuration file ${path} cannot be read: ${describeError(error)}`,
      { path },
    );
  }
}
