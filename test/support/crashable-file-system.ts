// A file system in memory that loses power on purpose. Everything it does follows from its seed, so a failing run is a number.
//
// What survives crash(): every synced byte; of each page that differs from its synced content, the synced content, the present
// one, or one it had at an earlier moment. Creations, renames and removals whose directory was not synced happened or did not, each on
// its own. A file that was never synced may have lost its size too. kill() is the milder one: the page cache survives, work that
// was under way is partly done.

import { dirname } from 'node:path';
import { assert } from '../../src/base/assert.ts';
import { Prng } from '../../src/base/prng.ts';
import type {
  FileLock,
  FileStatus,
  FileSystem,
  FileWrite,
  MappedRegion,
  OpenRegionOptions,
  SpaceInfo,
} from '../../src/store/file-system.ts';
import { fileSystemProblem, lockedProblem, wrongSizeProblem } from '../../src/store/file-system-problems.ts';
import { CrashableRegion, type RegionHost } from './crashable/crashable-region.ts';
import { Directory, DirectoryTree } from './crashable/directory-tree.ts';
import { JobQueue } from './crashable/job-queue.ts';
import { OperationLog, type OperationKind, type TracedOperation } from './crashable/operation-log.ts';
import { PagedFile } from './crashable/paged-file.ts';
import { failing, intoFewSteps, never, type Plan, withIndex } from './crashable/plan.ts';

export type { OperationKind, TracedOperation };

/** Thrown out of a call at which the simulated machine stopped, and by every call after that. Not an error of the program. */
export class CrashSignal extends Error {
  override readonly name = 'CrashSignal';
}

export interface CrashableOptions {
  readonly seed: number;
  /** Runs a task a turn later. Default: queueMicrotask. Pass a Clock's `defer` to decide yourself when work off the loop goes on. */
  readonly defer?: (task: () => void) => void;
  /** Extra turns that work off the loop may take. Default 3. */
  readonly pausesMax?: number;
  /** The unit that survives or not. Default 4096; 512 tears pages at sector boundaries. */
  readonly pageSizeBytes?: number;
  /** Chance, at each call, that the kernel writes some dirty pages out by itself. Default 0.1. */
  readonly writeBackChance?: number;
  /** Chance that `isResident` says no. Default 0. */
  readonly coldChance?: number;
  readonly capacityBytes?: number;
  readonly nowMs?: () => number;
}

const UNLIMITED_BYTES = 2 ** 40;
const WRITE_BACK_WINDOW_PAGES = 64;

export class CrashableFileSystem implements FileSystem {
  readonly name = 'memory';
  readonly limitations = ['It keeps nothing when the process ends; it is for tests.'];
  /** Resolves when the crash point of {@link crashAt} was reached. */
  readonly crashed: Promise<void>;
  readonly #options: CrashableOptions;
  readonly #prng: Prng;
  readonly #jobs: JobQueue;
  readonly #regionHost: RegionHost;
  readonly #locks = new Map<string, object>();
  readonly #log = new OperationLog();
  /** The last replacement of each path that is under way: two at once would share the temporary file. */
  readonly #replacements = new Map<string, Promise<void>>();
  #tree = new DirectoryTree();
  #capacityBytes: number;
  #crashesBy: 'power' | 'kill' = 'power';
  #afterlife: CrashableFileSystem | undefined;
  #announceCrash: () => void = () => undefined;

  constructor(options: CrashableOptions) {
    this.#options = options;
    this.#prng = new Prng(options.seed);
    this.#capacityBytes = options.capacityBytes ?? UNLIMITED_BYTES;
    this.crashed = new Promise((resolve) => (this.#announceCrash = resolve));
    this.#jobs = new JobQueue({
      prng: this.#prng,
      defer: options.defer ?? queueMicrotask,
      pausesMax: options.pausesMax ?? 3,
      beforeStep: (kind, path) => this.#mayGoOn(kind as OperationKind, path),
    });
    this.#regionHost = {
      start: (kind, path, steps, failed) =>
        this.#start(kind as OperationKind, path, () => ({ steps, result: () => undefined, failed })),
      throwIfDead: () => this.#throwIfDead(),
      isCold: () => this.#prng.chance(this.#options.coldChance ?? 0),
      unmap: (file) => file.unmap(),
      nowMs: () => this.#nowMs(),
    };
  }

  // ---- the harness's side -------------------------------------------------------------------------------------------------

  /** Calls and steps so far, reads not counted. The k for {@link crashAt}. */
  get operationCount(): number {
    return this.#log.count;
  }

  get isDead(): boolean {
    return this.#afterlife !== undefined;
  }

  /** The last operations, oldest first. */
  get trace(): readonly TracedOperation[] {
    return this.#log.trace;
  }

  /** Work off the loop that has not reported yet. */
  get pendingCount(): number {
    return this.#jobs.count;
  }

  /** Cuts the power now (or returns what the crash point left). This file system is dead afterwards. */
  crash(): CrashableFileSystem {
    return this.#die('power');
  }

  /** Kills the process now (or returns what the crash point left): the page cache survives. */
  kill(): CrashableFileSystem {
    return this.#die('kill');
  }

  /** Stops the machine in the operation that makes {@link operationCount} `at`, before it has its effect. */
  crashAt(at: number, how: 'power' | 'kill' = 'power'): void {
    this.#crashesBy = how;
    this.#log.crashAt(at);
  }

  /** The kernel writes dirty pages out by itself, as it may at any time. */
  writeback(): void {
    for (const [, file] of this.#tree.files()) file.writeBack(this.#prng, Number.MAX_SAFE_INTEGER);
  }

  /**
   * The n-th next call of the kind (1 is the next) fails, and the `times - 1` after it. `error`: an errno such as 'EIO', or an Error.
   * A failed sync leaves its pages marked as clean, as Linux does: a later sync succeeds without writing them.
   */
  failNth(kind: OperationKind, n: number, error: string | Error, times = 1): void {
    this.#log.failNth({ kind, callsLeft: n, timesLeft: times, error });
  }

  /** Nothing fails any more of what {@link failNth} ordered. */
  endFailures(): void {
    this.#log.endFailures();
  }

  /** Calls of this kind don't report until {@link release}; their effects happen. */
  hold(kind: OperationKind): void {
    this.#jobs.hold(kind);
  }

  release(kind: OperationKind): void {
    this.#jobs.release(kind);
  }

  /** Total size of the disk; undefined: no limit. */
  setCapacity(capacityBytes: number | undefined): void {
    this.#capacityBytes = capacityBytes ?? UNLIMITED_BYTES;
  }

  /** Blocks that files take now. */
  get usedBytes(): number {
    return this.#capacityBytes - this.#availableBytes();
  }

  /** Another process takes the lock. */
  lockByStranger(path: string, contents: string): FileLock {
    return this.lockFile(path, contents);
  }

  /** Damages a file both in memory and on disk. */
  flipBit(path: string, position: number, bit = 0): void {
    this.#fileAt(path, 'flip a bit of').flipBit(position, bit);
  }

  /** Cuts or grows a file that nobody has mapped, durably. */
  truncate(path: string, sizeBytes: number): void {
    this.#fileAt(path, 'truncate').truncate(sizeBytes);
  }

  /** Drops the file's pages from memory: `isResident` says no until somebody populates them. */
  evict(path: string): void {
    this.#fileAt(path, 'evict').isResident = false;
  }

  setModifiedMs(path: string, modifiedMs: number): void {
    this.#fileAt(path, 'touch').modifiedMs = modifiedMs;
  }

  /** A copy of every file as readers see it now, also of a dead one. */
  files(): Map<string, Buffer> {
    return new Map([...this.#tree.files()].map(([path, file]) => [path, Buffer.from(file.bytes)]));
  }

  // ---- the port -----------------------------------------------------------------------------------------------------------

  openRegion(path: string, options: OpenRegionOptions): Promise<MappedRegion> {
    return this.#start('openRegion', path, () => this.#planOpen(path, options));
  }

  openRegionSync(path: string, options: OpenRegionOptions): MappedRegion {
    return this.#runNow('openRegion', path, () => this.#planOpen(path, options));
  }

  readFileSync(path: string): Buffer | undefined {
    return this.#runNow('readFile', path, () => {
      const file = this.#tree.findFile(path, 'read');
      return { steps: [], result: () => (file === undefined ? undefined : Buffer.from(file.bytes)) };
    });
  }

  readFileAt(path: string, position: number, lengthBytes: number): Promise<Buffer> {
    return this.#start('readFileAt', path, () => this.#planRead(path, position, lengthBytes));
  }

  readFileAtSync(path: string, position: number, lengthBytes: number): Buffer {
    return this.#runNow('readFileAt', path, () => this.#planRead(path, position, lengthBytes));
  }

  nextDataSync(path: string, position: number): number | undefined {
    return this.#runNow('readFile', path, () => ({
      steps: [],
      result: () => this.#fileAt(path, 'read').nextData(position),
    }));
  }

  writeFiles(writes: readonly FileWrite[]): Promise<void> {
    return this.#start('writeFiles', writes[0]?.path ?? '', () => this.#planWrites(writes));
  }

  replaceFile(path: string, bytes: Uint8Array): Promise<void> {
    const content = Buffer.from(bytes);
    const before = this.#replacements.get(path);
    const start = (): Promise<void> => this.#start('replaceFile', path, () => this.#planReplace(path, content));
    // Whether the one before failed is for its own caller to know.
    const replaced = before === undefined ? start() : before.then(start, start);
    this.#replacements.set(path, replaced);
    const forget = (): void => {
      if (this.#replacements.get(path) === replaced) this.#replacements.delete(path);
    };
    replaced.then(forget, forget);
    return replaced;
  }

  replaceFileSync(path: string, bytes: Uint8Array): void {
    this.#runNow('replaceFile', path, () => this.#planReplace(path, bytes));
  }

  listSync(directory: string): string[] {
    return this.#runNow('list', directory, () => {
      const found = this.#tree.findDirectory(directory, 'list');
      return { steps: [], result: () => [...(found?.entries.keys() ?? [])].sort() };
    });
  }

  statusSync(path: string): FileStatus | undefined {
    return this.#runNow('status', path, () => ({ steps: [], result: () => this.#statusOf(path) }));
  }

  makeDirectorySync(directory: string): void {
    this.#runNow('makeDirectory', directory, () => ({
      steps: [() => this.#tree.makeDirectory(directory, this.#nowMs())],
      result: () => undefined,
    }));
  }

  remove(path: string): Promise<void> {
    return this.#start('remove', path, () => this.#planRemove(path));
  }

  removeSync(path: string): void {
    this.#runNow('remove', path, () => this.#planRemove(path));
  }

  removeTree(directory: string): Promise<void> {
    return this.#start('removeTree', directory, () => ({
      steps: this.#removalsBelow(directory),
      result: () => undefined,
    }));
  }

  renameSync(from: string, to: string): void {
    this.#runNow('rename', from, () => ({ steps: [() => this.#tree.rename(from, to)], result: () => undefined }));
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#start('syncDirectory', directory, () => {
      this.#requireDirectory(directory, 'sync the directory');
      const operations = this.#tree.pendingOf(directory);
      return { steps: [() => this.#tree.settle(operations)], result: () => undefined };
    });
  }

  syncAll(directory: string): Promise<void> {
    return this.#start('syncAll', directory, () => {
      this.#requireDirectory(directory, 'sync the file system of');
      const operations = this.#tree.allPending();
      const stages = [...this.#tree.files()].map(([, file]) => ({ file, stage: file.stage() }));
      return {
        steps: [
          ...stages.map(
            ({ file, stage }) =>
              () =>
                file.settle(stage),
          ),
          () => this.#tree.settle(operations),
        ].reduce<(() => void)[]>(intoFewSteps, []),
        result: () => undefined,
        failed: () => {
          for (const { file, stage } of stages) file.abandon(stage);
        },
      };
    });
  }

  spaceOf(directory: string): SpaceInfo {
    return this.#runNow('spaceOf', directory, () => {
      this.#requireDirectory(directory, 'measure');
      return {
        steps: [],
        result: () => ({ totalBytes: this.#capacityBytes, availableBytes: Math.max(0, this.#availableBytes()) }),
      };
    });
  }

  lockFile(path: string, contents: string): FileLock {
    return this.#runNow('lockFile', path, () => {
      const present = this.#tree.findFile(path, 'lock');
      if (this.#locks.has(path)) throw lockedProblem(path, present?.bytes.toString() ?? '');
      const file = present ?? this.#newFile();
      const owner = {};
      const take = (): void => {
        if (present === undefined) this.#tree.link(path, file, 'lock');
        file.bytes = Buffer.from(new Uint8Array(Buffer.from(contents)).buffer);
        file.modifiedMs = this.#nowMs();
        this.#locks.set(path, owner);
      };
      return { steps: [take], result: () => ({ release: () => this.#unlock(path, owner) }) };
    });
  }

  // ---- what the operations are made of ------------------------------------------------------------------------------------

  #planOpen(path: string, options: OpenRegionOptions): Plan<MappedRegion> {
    assert(options.sizeBytes > 0, 'a mapped file has at least one byte');
    const present = this.#tree.findFile(path, options.mode === 'create' ? 'create' : 'open');
    if (options.mode === 'open') {
      if (present === undefined) throw fileSystemProblem('ENOENT', { doing: 'open', path });
      if (present.bytes.length !== options.sizeBytes) {
        throw wrongSizeProblem(path, options.sizeBytes, present.bytes.length);
      }
      const reserve = (): void => {
        if (options.preallocate !== true || present.preallocated) return;
        this.#requireSpace(present.newlyAllocatedBytes(0, options.sizeBytes), 'open', path);
        present.preallocated = true;
      };
      return { steps: [reserve], result: () => new CrashableRegion(path, present, this.#regionHost) };
    }
    if (present !== undefined) throw fileSystemProblem('EEXIST', { doing: 'create', path });
    const file = this.#newFile();
    const preallocate = options.preallocate ?? true;
    const reserve = (sizeBytes: number): void => {
      if (preallocate) this.#requireSpace(options.sizeBytes - file.bytes.length, 'create', path, () => unlinkAgain());
      file.grow(sizeBytes);
      file.preallocated = preallocate;
    };
    const unlinkAgain = (): void => this.#tree.unlink(path, 'create');
    return {
      steps: [
        () => {
          if (this.#tree.find(path) !== undefined) throw fileSystemProblem('EEXIST', { doing: 'create', path });
          this.#tree.link(path, file, 'create');
        },
        () => reserve(Math.floor(options.sizeBytes / 2)),
        () => reserve(options.sizeBytes),
      ],
      result: () => new CrashableRegion(path, file, this.#regionHost),
    };
  }

  #unlock(path: string, owner: object): void {
    if (this.#locks.get(path) === owner) this.#locks.delete(path);
  }

  #planRead(path: string, position: number, lengthBytes: number): Plan<Buffer> {
    const file = this.#tree.findFile(path, 'read');
    if (file === undefined) throw fileSystemProblem('ENOENT', { doing: 'read', path });
    return { steps: [], result: () => Buffer.from(file.bytes.subarray(position, position + lengthBytes)) };
  }

  #planWrites(writes: readonly FileWrite[]): Plan<void> {
    const steps = writes.flatMap((write, index) => {
      const middle = write.bytes.length > 1 ? this.#prng.below(write.bytes.length) : 0;
      return [() => this.#write(write, index, 0, middle), () => this.#write(write, index, middle, write.bytes.length)];
    });
    return {
      steps: steps.reduce<(() => void)[]>(intoFewSteps, []),
      result: () => undefined,
      failed: (errno) => {
        const index = this.#prng.below(writes.length);
        for (const step of steps.slice(0, 2 * index)) step();
        if (errno === undefined) return;
        throw fileSystemProblem(errno, { doing: 'write', path: writes[index]?.path ?? '', index });
      },
    };
  }

  #write(write: FileWrite, index: number, from: number, to: number): void {
    const { path } = write;
    let file = this.#tree.findFile(path, 'write');
    try {
      if (file === undefined) this.#tree.link(path, (file = this.#newFile()), 'write');
      const needed = file.newlyAllocatedBytes(write.position + from, to - from);
      this.#requireSpace(needed, 'write', path);
    } catch (error) {
      throw withIndex(error, index);
    }
    file.grow(write.fileSizeBytes);
    file.write(write.position + from, write.bytes.subarray(from, to));
    file.modifiedMs = this.#nowMs();
  }

  #planReplace(path: string, bytes: Uint8Array): Plan<void> {
    this.#tree.findFile(path, 'replace');
    const temporary = `${path}.tmp`;
    const file = this.#newFile();
    const middle = Math.floor(bytes.length / 2);
    const undo = (): void => this.#tree.unlink(temporary, 'replace');
    return {
      steps: [
        () => {
          if (this.#tree.findDirectory(dirname(path), 'replace') === undefined) {
            throw fileSystemProblem('ENOENT', { doing: 'replace', path });
          }
          this.#tree.link(temporary, file, 'replace');
        },
        () => file.write(0, bytes.subarray(0, middle)),
        () => {
          this.#requireSpace(file.newlyAllocatedBytes(0, bytes.length), 'replace', path, undo);
          file.write(middle, bytes.subarray(middle));
        },
        () => file.settle(file.stage()),
        () => this.#tree.rename(temporary, path),
        () => this.#tree.settle(this.#tree.pendingOf(dirname(path))),
      ],
      result: () => undefined,
    };
  }

  #planRemove(path: string): Plan<void> {
    const present = this.#tree.findFile(path, 'remove');
    const remove = (): void => {
      if (this.#tree.find(path) !== undefined) this.#tree.unlink(path, 'remove');
    };
    return { steps: present === undefined ? [] : [remove], result: () => undefined };
  }

  #removalsBelow(path: string): (() => void)[] {
    const node = this.#tree.find(path);
    if (node === undefined) return [];
    const inside = node instanceof Directory ? [...node.entries.keys()] : [];
    return [
      ...inside.flatMap((name) => this.#removalsBelow(`${path}/${name}`)),
      () => this.#tree.unlink(path, 'remove the tree'),
    ];
  }

  #statusOf(path: string): FileStatus | undefined {
    const node = this.#tree.find(path);
    if (node === undefined) return undefined;
    if (node instanceof Directory) return { sizeBytes: 0, modifiedMs: node.modifiedMs, isDirectory: true };
    return { sizeBytes: node.bytes.length, modifiedMs: node.modifiedMs, isDirectory: false };
  }

  #newFile(): PagedFile {
    const file = new PagedFile(this.#options.pageSizeBytes ?? 4_096);
    file.modifiedMs = this.#nowMs();
    return file;
  }

  #fileAt(path: string, doing: string): PagedFile {
    const file = this.#tree.findFile(path, doing);
    if (file === undefined) throw fileSystemProblem('ENOENT', { doing, path });
    return file;
  }

  #requireDirectory(path: string, doing: string): void {
    if (this.#tree.findDirectory(path, doing) === undefined) throw fileSystemProblem('ENOENT', { doing, path });
  }

  #requireSpace(neededBytes: number, doing: string, path: string, undo?: () => void): void {
    if (this.#capacityBytes === UNLIMITED_BYTES) return;
    const availableBytes = this.#availableBytes();
    if (neededBytes <= availableBytes) return;
    undo?.();
    throw fileSystemProblem('ENOSPC', { doing, path, neededBytes, availableBytes });
  }

  #availableBytes(): number {
    let usedBytes = 0;
    for (const [, file] of this.#tree.files()) usedBytes += file.allocatedBytes;
    return this.#capacityBytes - usedBytes;
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? 0;
  }

  // ---- counting, failing, crashing ----------------------------------------------------------------------------------------

  #runNow<Result>(kind: OperationKind, path: string, prepare: () => Plan<Result>): Result {
    this.#enter(kind, path);
    const plan = prepare();
    const failure = this.#log.takeFailure(kind, path);
    if (failure !== undefined) throw failure.error;
    for (const step of plan.steps) {
      if (!this.#mayGoOn(kind, path)) throw new CrashSignal('the machine stopped');
      step();
    }
    return plan.result();
  }

  /** Rejects (never throws) when the plan can't be made; never settles once the machine has stopped. */
  async #start<Result>(kind: OperationKind, path: string, prepare: () => Plan<Result>): Promise<Result> {
    let plan: Plan<Result>;
    try {
      this.#enter(kind, path);
      plan = prepare();
    } catch (error) {
      return error instanceof CrashSignal ? never() : this.#whileAlive(this.#jobs.run(failing(kind, path, error)));
    }
    const failure = this.#log.takeFailure(kind, path);
    if (failure === undefined) return this.#whileAlive(this.#jobs.run({ kind, path, ...plan }));
    const fail = (): never => {
      plan.failed?.(failure.errno);
      throw failure.error;
    };
    return this.#whileAlive(this.#jobs.run({ kind, path, steps: [fail], result: fail }));
  }

  /** What was done when the machine stopped but not yet told is never told. */
  async #whileAlive<Result>(running: Promise<Result>): Promise<Result> {
    try {
      const result = await running;
      return this.isDead ? await never() : result;
    } catch (error) {
      if (this.isDead) return never();
      throw error;
    }
  }

  #enter(kind: OperationKind, path: string): void {
    if (!this.#mayGoOn(kind, path)) throw new CrashSignal('the machine stopped');
    this.#log.note(kind, path);
    if (this.#prng.chance(this.#options.writeBackChance ?? 0.1)) {
      const files = [...this.#tree.files()];
      if (files.length > 0) this.#prng.pick(files)[1].writeBack(this.#prng, WRITE_BACK_WINDOW_PAGES);
    }
  }

  /** Counts one operation or step; false when the machine has stopped, perhaps just now. */
  #mayGoOn(kind: OperationKind, path: string): boolean {
    if (this.isDead) return false;
    if (!this.#log.countAndCheck(kind, path)) return true;
    this.#die(this.#crashesBy);
    return false;
  }

  #throwIfDead(): void {
    if (this.isDead) throw new CrashSignal('the machine stopped');
  }

  #die(how: 'power' | 'kill'): CrashableFileSystem {
    if (this.#afterlife !== undefined) return this.#afterlife;
    const prng = this.#prng;
    const next = new CrashableFileSystem({
      ...this.#options,
      seed: prng.nextUint32(),
      capacityBytes: this.#capacityBytes,
    });
    this.#afterlife = next;
    this.#jobs.die();
    next.#tree = how === 'kill' ? this.#tree.clone() : this.#afterPowerLoss(prng);
    this.#announceCrash();
    return next;
  }

  /** Each crash has its own temper, so that "all is lost" and "all but one page survived" both come up often. */
  #afterPowerLoss(prng: Prng): DirectoryTree {
    const tempers = [0, 0.1, 0.5, 0.9, 1] as const;
    const temper = prng.pick(tempers);
    return this.#tree.afterPowerLoss(prng, prng.pick(tempers), (file) =>
      file.afterPowerLoss(prng, prng.chance(0.5) ? temper : prng.pick(tempers)),
    );
  }
}
