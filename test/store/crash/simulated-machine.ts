// A machine that lives in memory: files, key-value store and time. It loses power or its process at a moment that follows from
// its seed, and what is left of it is the next machine. Time passes only while somebody waits.

import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger, type Logger } from '../../../src/base/logger.ts';
import { Prng } from '../../../src/base/prng.ts';
import { findViolations } from '../../../src/store/inspect/check-store.ts';
import type { FindingKind } from '../../../src/store/inspect/finding.ts';
import type { FileSystem } from '../../../src/store/file-system.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { KeyValueStore } from '../../../src/store/state/key-value-store.ts';
import { MemoryKeyValueStore } from '../../../src/store/state/memory-key-value-store.ts';
import type { StoreConfig } from '../../../src/store/store-config.ts';
import type { StoreError } from '../../../src/store/store-errors.ts';
import { CrashableFileSystem, CrashSignal } from '../../support/crashable-file-system.ts';

export const DIRECTORY = '/store';
export type CrashKind = 'power' | 'kill';
export const CRASHED = Symbol('the machine stopped');
export type Crashed = typeof CRASHED;

/** A part put between the store and the machine: sabotage, in the tests that prove that the suite notices. */
export type FileSystemWrapper = (fileSystem: CrashableFileSystem) => FileSystem;

export interface MachineOptions {
  readonly seed: number;
  readonly wrap?: FileSystemWrapper;
  readonly logger?: Logger;
  readonly capacityBytes?: number;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const STEP_MS_MAX = 4;
const TURNS_MAX = 200_000;

export class SimulatedMachine {
  readonly clock: ManualClock;
  readonly fileSystem: CrashableFileSystem;
  readonly prng: Prng;
  /** What failed for good, as the store told its owner. */
  readonly fatalErrors: Error[] = [];
  readonly #options: MachineOptions;
  #keyValues: MemoryKeyValueStore;
  /** Files are dated by the clock of the machine that runs now. */
  readonly #present: { clock: ManualClock };

  constructor(options: MachineOptions, before?: { machine: SimulatedMachine; how: CrashKind }) {
    this.#options = options;
    this.prng = new Prng(options.seed);
    this.clock = new ManualClock(before?.machine.clock.nowMs());
    this.#present = before === undefined ? { clock: this.clock } : before.machine.#present;
    this.#present.clock = this.clock;
    const keyValueOptions = { clock: this.clock, latencyMs: 1 };
    if (before === undefined) {
      const { capacityBytes } = options;
      const present = this.#present;
      this.fileSystem = new CrashableFileSystem({
        seed: options.seed,
        nowMs: () => present.clock.nowMs(),
        coldChance: 0.1,
        // A disk writes sectors, a kernel pages: either may be what a power cut leaves whole.
        pageSizeBytes: this.prng.chance(0.3) ? 512 : 4_096,
        ...(capacityBytes === undefined ? {} : { capacityBytes }),
      });
      this.#keyValues = new MemoryKeyValueStore(keyValueOptions);
    } else {
      const { machine, how } = before;
      this.fileSystem = how === 'power' ? machine.fileSystem.crash() : machine.fileSystem.kill();
      const pending = machine.#keyValues.pendingCommitCount;
      this.#keyValues = machine.#keyValues.crash(this.prng.below(pending + 1), keyValueOptions);
    }
  }

  get isDead(): boolean {
    return this.fileSystem.isDead;
  }

  /** The same as a question that may be asked twice. */
  #hasStopped(): boolean {
    return this.isDead;
  }

  /** The machine stops in the middle of whatever calls this. */
  stop(how: CrashKind): never {
    if (how === 'power') this.fileSystem.crash();
    else this.fileSystem.kill();
    throw new CrashSignal('the machine stopped');
  }

  /** The key-value store refuses commits with this error, until called again with undefined. */
  refuseState(error: StoreError | undefined): void {
    this.#keyValues.refuseWith(error);
  }

  /** The key-value store is lost. */
  forgetState(): void {
    this.#keyValues = new MemoryKeyValueStore({ clock: this.clock, latencyMs: 1 });
  }

  /** What is left after this machine stopped (now, unless it has already). */
  next(how: CrashKind): SimulatedMachine {
    return new SimulatedMachine({ ...this.#options, seed: this.prng.nextUint32() }, { machine: this, how });
  }

  open(config: Partial<StoreConfig>): Promise<MessageStore> {
    const { wrap, logger } = this.#options;
    // A store that was closed leaves its rows; the next one gets a store of its own over them.
    return openStore({
      dir: DIRECTORY,
      config,
      clock: this.clock,
      logger: logger ?? silentLogger,
      fileSystem: wrap?.(this.fileSystem) ?? this.fileSystem,
      openKeyValues: () => Promise.resolve(new SharedKeyValues(this.#keyValues)),
      onFatal: (error) => {
        if (!this.isDead) this.fatalErrors.push(error);
      },
    });
  }

  /** What `store check` says of the directory, strictly, but for kinds that are to be expected. */
  async check(config: StoreConfig, expected: ReadonlySet<FindingKind>): Promise<string[]> {
    const found = await findViolations({
      dir: DIRECTORY,
      fileSystem: this.fileSystem,
      lock: false,
      strict: true,
      segmentSizeBytes: config.commitLogSegmentSizeBytes,
      indexGeometry: { hashSlotCount: config.indexHashSlotCount, entryCountMax: config.indexEntryCountMax },
      stateRows: () => {
        const rows = new Map([...this.#keyValues.range('')].map(({ key, value }) => [key, value]));
        return Promise.resolve({ rows, problems: [] });
      },
    });
    return found
      .filter(({ kind }) => !expected.has(kind))
      .map(({ kind, message }) => `store check: ${kind}: ${message}`);
  }

  /** Lets time pass until the promise has settled or the machine has stopped. */
  async run<Value>(promise: Promise<Value>): Promise<Value | Crashed> {
    let settled: (() => Value) | undefined;
    promise.then(
      (value) => (settled = () => value),
      (error: unknown) =>
        (settled = () => {
          throw error as Error;
        }),
    );
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      await nextTurn();
      if (this.isDead) return CRASHED;
      if (settled !== undefined) return endOf(settled);
      this.#advance(this.prng.below(STEP_MS_MAX));
    }
    throw new Error('Nothing happens any more: a promise never settles.');
  }

  /** Lets so much time pass, in small steps between which work goes on. */
  async pass(milliseconds: number): Promise<void> {
    for (let passedMs = 0; passedMs < milliseconds && !this.#hasStopped(); passedMs += STEP_MS_MAX) {
      await nextTurn();
      if (!this.#hasStopped()) this.#advance(STEP_MS_MAX);
    }
    await nextTurn();
  }

  /** Runs a call that may meet the end of the machine. */
  attempt<Value>(call: () => Value): Value | Crashed {
    if (this.#hasStopped()) return CRASHED;
    try {
      return call();
    } catch (error) {
      if (error instanceof CrashSignal || this.#hasStopped()) return CRASHED;
      throw error;
    }
  }

  #advance(milliseconds: number): void {
    this.attempt(() => this.clock.advance(milliseconds));
  }
}

function endOf<Value>(settled: () => Value): Value {
  return settled();
}

/** The rows outlive a store that is closed, as files do. */
class SharedKeyValues implements KeyValueStore {
  readonly #keyValues: MemoryKeyValueStore;

  constructor(keyValues: MemoryKeyValueStore) {
    this.#keyValues = keyValues;
  }

  get origin(): KeyValueStore['origin'] {
    return [...this.#keyValues.range('')].length === 0 ? 'new' : 'existing';
  }

  get: KeyValueStore['get'] = (key) => this.#keyValues.get(key);
  range: KeyValueStore['range'] = (prefix) => this.#keyValues.range(prefix);
  commit: KeyValueStore['commit'] = (changes) => this.#keyValues.commit(changes);
  close = (): Promise<void> => this.#keyValues.commit([]);
}
