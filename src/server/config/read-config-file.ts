// A configuration file, and what the command line adds to it, as checked values.

import { readFileSync } from 'node:fs';
import {
  ConfigError,
  readConfig,
  type ConfigTable,
  type ConfigValues,
  type IgnoredKeys,
  type ReadConfig,
} from '../../base/config-table.ts';
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

/**
 * Reads a broker.conf; without a path there are only the overrides. `fallbacks` stand in for the table's defaults. Throws ConfigError.
 */
export function readBrokerConfig(
  path: string | undefined,
  overrides: Overrides,
  fallbacks: Overrides = {},
): ReadConfig<typeof brokerFileTable> {
  return readFileAndOverrides(brokerFileTable, ignoredBrokerKeys, path, overrides, fallbacks);
}

/** Reads a namesrv.conf; without a path there are only the overrides. Throws ConfigError. */
export function readNamesrvConfig(path: string | undefined, overrides: Overrides): ReadConfig<typeof namesrvFileTable> {
  return readFileAndOverrides(namesrvFileTable, ignoredNamesrvKeys, path, overrides, {});
}

function readFileAndOverrides<Table extends ConfigTable>(
  table: Table,
  ignoredKeys: IgnoredKeys,
  path: string | undefined,
  overrides: Overrides,
  fallbacks: Overrides,
): ReadConfig<Table> {
  const given = new Map(Object.entries(overrides));
  const inFile = path === undefined ? new Map<string, string>() : readProperties(path);
  // Each by itself first, so that an error names the place where the mistake is.
  readConfig(table, ignoredKeys, inFile, path ?? '');
  readConfig(table, ignoredKeys, given, 'settings');
  return readConfig(table, ignoredKeys, new Map([...Object.entries(fallbacks), ...inFile, ...given]), 'settings');
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
