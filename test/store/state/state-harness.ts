// What the tests of the state tables share: a machine in memory (files and key-value store) that can crash, and time that moves
// only while somebody waits.

import { ManualClock } from '../../../src/base/clock.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import type { FileSystem } from '../../../src/store/file-system.ts';
import type { KeyValueStore } from '../../../src/store/state/key-value-store.ts';
import { StoreState, type StoreStateOptions } from '../../../src/store/state/store-state.ts';

export const CONFIG = '/store/config';
export const QUARANTINE = '/store/cometmq/quarantine';
export const TOPICS_JSON = `${CONFIG}/topics.json`;
export const OFFSETS_JSON = `${CONFIG}/consumerOffset.json`;

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

export class LogKeeper implements Logger {
  readonly lines: LogLine[] = [];

  debug(event: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'debug', event, fields });
  }

  info(event: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'info', event, fields });
  }

  warn(event: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'warn', event, fields });
  }

  error(event: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'error', event, fields });
  }

  of(event: string): LogFields[] {
    return this.lines.filter((line) => line.event === event).map((line) => line.fields);
  }
}

/** A manual clock that counts the turns that long work leaves to others. */
export class CountingClock extends ManualClock {
  deferredCount = 0;

  override defer(task: () => void): void {
    this.deferredCount += 1;
    super.defer(task);
  }
}

/** Lets time pass until the promise has settled. */
export async function settle<Value>(promise: Promise<Value>, clock: ManualClock): Promise<Value> {
  const watch = watched(promise);
  for (let round = 0; !watch.isSettled(); round++) {
    if (round > 20_000) throw new Error('The promise does not settle.');
    await new Promise((resolve) => setImmediate(resolve));
    if (!watch.isSettled()) clock.advance(1);
  }
  return promise;
}

function watched(promise: Promise<unknown>): { isSettled(): boolean } {
  let isSettled = false;
  const done = (): void => {
    isSettled = true;
  };
  promise.then(done, done);
  return { isSettled: () => isSettled };
}

/** Lets so much time pass, and what it starts finish its turns. */
export async function pass(milliseconds: number, clock: ManualClock): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed++) {
    clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export interface Machine {
  readonly fileSystem: FileSystem;
  readonly keyValues: KeyValueStore;
  readonly clock: ManualClock;
  readonly logger?: Logger;
}

export function stateOptions(machine: Machine): StoreStateOptions {
  return {
    fileSystem: machine.fileSystem,
    keyValues: machine.keyValues,
    configDirectory: CONFIG,
    quarantineDirectory: QUARANTINE,
    clock: machine.clock,
    logger: machine.logger ?? new LogKeeper(),
    offsetCommitIntervalMs: 50,
    offsetExportIntervalMs: 5_000,
  };
}

export function openState(machine: Machine, overrides: Partial<StoreStateOptions> = {}): Promise<StoreState> {
  return settle(StoreState.open({ ...stateOptions(machine), ...overrides }), machine.clock);
}

/** The file as Apache writes it: loose keys, tabs. */
export function apacheOffsets(
  offsets: Readonly<Record<string, Readonly<Record<number, number>>>>,
  counter = 7,
): string {
  const entries = Object.entries(offsets).map(([key, queues]) => {
    const lines = Object.entries(queues).map(([queue, offset]) => `\t\t\t${queue}:${offset}`);
    return `\t\t"${key}":{\n${lines.join(',\n')}\n\t\t}`;
  });
  const version = `{\n\t\t"counter":${counter},\n\t\t"stateVersion":0,\n\t\t"timestamp":1700000000000\n\t}`;
  return `{\n\t"dataVersion":${version},\n\t"offsetTable":{\n${entries.join(',\n')}\n\t}\n}`;
}
