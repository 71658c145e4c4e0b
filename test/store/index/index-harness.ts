// Opens an index over a file system in memory, with small files so that a test rolls them often.

import { type Clock, ManualClock } from '../../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import type { FileSystem } from '../../../src/store/file-system.ts';
import { type IndexRequest, IndexService } from '../../../src/store/index/index-service.ts';
import { CrashableFileSystem } from '../../support/crashable-file-system.ts';

export const DIRECTORY = '/store/index';
export const GEOMETRY = { hashSlotCount: 7, entryCountMax: 20 };
/** The local time zone of the test process does not matter: names only have to rise. */
export const START_MS = 1_763_800_000_000;

export function memoryFileSystem(seed = 1): CrashableFileSystem {
  const fileSystem = new CrashableFileSystem({ seed });
  fileSystem.makeDirectorySync('/store');
  return fileSystem;
}

export function openIndex(
  fileSystem: FileSystem,
  options: {
    clock?: Clock;
    hashSlotCount?: number;
    entryCountMax?: number;
    mappedFilesMax?: number;
    logger?: Logger;
  } = {},
): Promise<IndexService> {
  return IndexService.open({
    fileSystem,
    directory: DIRECTORY,
    ...GEOMETRY,
    mappedFilesMax: 2,
    clock: new ManualClock(START_MS),
    logger: silentLogger,
    ...options,
  });
}

export function properties(values: { uniqueKey?: string; keys?: string; tags?: string }): string {
  const entry = (name: string, value: string | undefined): string =>
    value === undefined ? '' : `${name}\u0001${value}\u0002`;
  return (
    entry('KEYS', values.keys) +
    entry('UNIQ_KEY', values.uniqueKey) +
    'WAIT\u0001true\u0002' +
    entry('TAGS', values.tags)
  );
}

/** The request for the n-th record of a log of records of 100 bytes, one a second. */
export function requestFor(
  n: number,
  values: { uniqueKey?: string; keys?: string; tags?: string; sysFlag?: number },
): IndexRequest {
  return {
    topic: 'Orders',
    physicalOffset: n * 100,
    storeTimestampMs: START_MS + n * 1_000,
    sysFlag: values.sysFlag ?? 0,
    properties: properties(values),
  };
}

export const ANY_TIME = { countMax: 1_000, beginMs: 0, endMs: Number.MAX_SAFE_INTEGER };
