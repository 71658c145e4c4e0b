// Names of the crashable file system: what readers see, what is certainly on disk, and the changes between the two that a
// power loss may keep or drop, each on its own.

import { basename, dirname, resolve } from 'node:path';
import type { Prng } from '../../../src/base/prng.ts';
import { fileSystemProblem } from '../../../src/store/file-system-problems.ts';
import { PagedFile } from './paged-file.ts';

export class Directory {
  readonly entries = new Map<string, TreeNode>();
  readonly durableEntries = new Map<string, TreeNode>();
  modifiedMs = 0;
}

export type TreeNode = PagedFile | Directory;

interface Change {
  readonly directory: Directory;
  readonly name: string;
  /** What the name means afterwards; undefined: nothing. */
  readonly node: TreeNode | undefined;
  readonly before: TreeNode | undefined;
}

/** Reaches the disk as a whole or not at all. */
export interface TreeOperation {
  readonly changes: readonly Change[];
}

export class DirectoryTree {
  readonly #root = new Directory();
  #pending: TreeOperation[] = [];
  #durablePlaces = new Map<TreeNode, { directory: Directory; name: string }>();

  find(path: string): TreeNode | undefined {
    const absolute = resolve(path);
    if (absolute === '/') return this.#root;
    let node: TreeNode | undefined = this.#root;
    for (const name of absolute.slice(1).split('/')) {
      if (!(node instanceof Directory)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  findFile(path: string, doing: string): PagedFile | undefined {
    const node = this.find(path);
    if (node instanceof Directory) throw fileSystemProblem('EISDIR', { doing, path });
    return node;
  }

  findDirectory(path: string, doing: string): Directory | undefined {
    const node = this.find(path);
    if (node instanceof PagedFile) throw fileSystemProblem('ENOTDIR', { doing, path });
    return node;
  }

  link(path: string, node: TreeNode, doing: string): void {
    this.#change([this.#place(path, doing, node)]);
  }

  unlink(path: string, doing: string): void {
    this.#change([this.#place(path, doing, undefined)]);
  }

  rename(from: string, to: string): void {
    const node = this.find(from);
    if (node === undefined) throw fileSystemProblem('ENOENT', { doing: 'rename', path: from });
    const target = this.#place(to, 'rename', node);
    if (target.before === node) return;
    if (target.before instanceof Directory) throw fileSystemProblem('EISDIR', { doing: 'rename', path: to });
    this.#change([this.#place(from, 'rename', undefined), target]);
  }

  makeDirectory(path: string, nowMs: number): void {
    const absolute = resolve(path);
    const node = this.find(absolute);
    if (node instanceof Directory) return;
    if (node !== undefined) throw fileSystemProblem('EEXIST', { doing: 'make the directory', path });
    this.makeDirectory(dirname(absolute), nowMs);
    const directory = new Directory();
    directory.modifiedMs = nowMs;
    this.link(absolute, directory, 'make the directory');
  }

  /** Every file that a reader can reach, with its path. */
  *files(): Generator<[path: string, file: PagedFile]> {
    yield* filesBelow('', this.#root, (directory) => directory.entries);
  }

  /** Operations that a sync of the directory covers: those in it, and those that make it reachable. */
  pendingOf(path: string): readonly TreeOperation[] {
    const chain = new Set<TreeNode>();
    for (let at = resolve(path); at !== '/'; at = dirname(at)) {
      const node = this.find(at);
      if (node !== undefined) chain.add(node);
    }
    const directory = this.find(path);
    return this.#pending.filter((operation) =>
      operation.changes.some(
        (change) => change.directory === directory || (change.node !== undefined && chain.has(change.node)),
      ),
    );
  }

  allPending(): readonly TreeOperation[] {
    return [...this.#pending];
  }

  settle(operations: readonly TreeOperation[]): void {
    const settled = new Set(operations);
    const ordered = this.#pending.filter((operation) => settled.has(operation));
    this.#pending = this.#pending.filter((operation) => !settled.has(operation));
    for (const operation of ordered) for (const change of operation.changes) this.#settleChange(change);
  }

  /** The names as they may be after power was lost now; `successor` says what became of each file. */
  afterPowerLoss(prng: Prng, survival: number, successor: (file: PagedFile) => PagedFile): DirectoryTree {
    this.settle(this.#pending.filter(() => prng.chance(survival)));
    const tree = new DirectoryTree();
    copyInto(tree.#root, this.#root, (directory) => directory.durableEntries, successor);
    tree.#settleAll();
    return tree;
  }

  /** The same names for the next process after a kill, with the same things still to be synced. */
  clone(): DirectoryTree {
    const copies = new Map<TreeNode, TreeNode>();
    const tree = new DirectoryTree();
    copies.set(this.#root, tree.#root);
    const copyOf = (node: TreeNode): TreeNode => {
      let copy = copies.get(node);
      if (copy !== undefined) return copy;
      copy = node instanceof Directory ? new Directory() : node.clone();
      copy.modifiedMs = node.modifiedMs;
      copies.set(node, copy);
      if (node instanceof Directory) fill(node, copy as Directory);
      return copy;
    };
    const fill = (from: Directory, to: Directory): void => {
      for (const [name, node] of from.entries) to.entries.set(name, copyOf(node));
      for (const [name, node] of from.durableEntries) to.durableEntries.set(name, copyOf(node));
    };
    fill(this.#root, tree.#root);
    const copyChange = (change: Change): Change => ({
      directory: copyOf(change.directory) as Directory,
      name: change.name,
      node: change.node === undefined ? undefined : copyOf(change.node),
      before: change.before === undefined ? undefined : copyOf(change.before),
    });
    tree.#pending = this.#pending.map((operation) => ({ changes: operation.changes.map(copyChange) }));
    for (const [node, { directory, name }] of this.#durablePlaces) {
      tree.#durablePlaces.set(copyOf(node), { directory: copyOf(directory) as Directory, name });
    }
    return tree;
  }

  #place(path: string, doing: string, node: TreeNode | undefined): Change {
    const absolute = resolve(path);
    const directory = this.find(dirname(absolute));
    if (directory === undefined || absolute === '/') throw fileSystemProblem('ENOENT', { doing, path });
    if (!(directory instanceof Directory)) throw fileSystemProblem('ENOTDIR', { doing, path });
    const name = basename(absolute);
    return { directory, name, node, before: directory.entries.get(name) };
  }

  #change(changes: readonly Change[]): void {
    for (const { directory, name, node } of changes) {
      if (node === undefined) directory.entries.delete(name);
      else directory.entries.set(name, node);
    }
    this.#pending.push({ changes });
  }

  #settleChange({ directory, name, node, before }: Change): void {
    const present = directory.durableEntries.get(name);
    if (node === undefined) {
      if (present === undefined || present !== before) return;
      directory.durableEntries.delete(name);
      this.#durablePlaces.delete(present);
      return;
    }
    if (present !== undefined) this.#durablePlaces.delete(present);
    const place = this.#durablePlaces.get(node);
    if (place?.directory.durableEntries.get(place.name) === node) place.directory.durableEntries.delete(place.name);
    directory.durableEntries.set(name, node);
    this.#durablePlaces.set(node, { directory, name });
  }

  #settleAll(): void {
    const settle = (directory: Directory): void => {
      for (const [name, node] of directory.entries) {
        directory.durableEntries.set(name, node);
        this.#durablePlaces.set(node, { directory, name });
        if (node instanceof Directory) settle(node);
      }
    };
    settle(this.#root);
  }
}

function* filesBelow(
  path: string,
  directory: Directory,
  entriesOf: (directory: Directory) => ReadonlyMap<string, TreeNode>,
): Generator<[string, PagedFile]> {
  for (const [name, node] of entriesOf(directory)) {
    if (node instanceof Directory) yield* filesBelow(`${path}/${name}`, node, entriesOf);
    else yield [`${path}/${name}`, node];
  }
}

function copyInto(
  to: Directory,
  from: Directory,
  entriesOf: (directory: Directory) => ReadonlyMap<string, TreeNode>,
  successor: (file: PagedFile) => PagedFile,
): void {
  for (const [name, node] of entriesOf(from)) {
    if (node instanceof Directory) {
      const directory = new Directory();
      directory.modifiedMs = node.modifiedMs;
      to.entries.set(name, directory);
      copyInto(directory, node, entriesOf, successor);
    } else to.entries.set(name, successor(node));
  }
}
