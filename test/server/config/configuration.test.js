import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readConfig } from "../../../src/base/config-table.js";
import { brokerConfigTable } from "../../../src/server/config/broker-config-table.js";
import { configurationDocs } from "../../../src/server/config/configuration-docs.js";
import { ignoredBrokerKeys, ignoredNamesrvKeys } from "../../../src/server/config/ignored-keys.js";
import { namesrvConfigTable } from "../../../src/server/config/namesrv-config-table.js";
import { storeConfigOf, storeConfigTable } from "../../../src/server/config/store-config-table.js";
import { defaultStoreConfig } from "../../../src/store/store-config.js";
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
        const supported = [...Object.keys(brokerConfigTable), ...Object.keys(storeConfigTable)];
        expect(new Set(supported).size).toBe(supported.length);
        expect(supported.filter((key) => ignoredBrokerKeys.has(key))).toEqual([]);
        expect(Object.keys(namesrvConfigTable).filter((key) => ignoredNamesrvKeys.has(key))).toEqual([]);
    });
    it('switches that a user relies on are refused rather than ignored', () => {
        const settings = new Map([['authenticationEnabled', 'true']]);
        expect(() => readConfig(brokerConfigTable, ignoredBrokerKeys, settings, 'broker.conf')).toThrow('authenticationEnabled=true must be one of false');
    });
});
