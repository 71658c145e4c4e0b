// Where the native tests work: a directory of their own, and small tmpfs mounts where the machine allows it.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

/** A fresh directory, removed after the test file. To be called outside of tests. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'cometmq-native-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Mounts a tmpfs of `sizeBytes` below `parent`, unmounted after the test. */
export function mountTmpfs(parent: string, sizeBytes: number): string {
  return mount(parent, ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs']);
}

/** Mounts a ramfs, which can't preallocate. */
export function mountRamfs(parent: string): string {
  return mount(parent, ['-t', 'ramfs', 'ramfs']);
}

/** Mounts a fresh ext4 over a loop device. */
export function mountExt4(parent: string, sizeBytes: number): string {
  const image = `${mkdtempSync(join(parent, 'image-'))}/ext4`;
  execFileSync('truncate', ['-s', String(sizeBytes), image]);
  execFileSync('mkfs.ext4', ['-q', image]);
  return mount(parent, ['-o', 'loop', image]);
}

function mount(parent: string, parameters: readonly string[]): string {
  const directory = mkdtempSync(join(parent, 'mount-'));
  execFileSync('mount', [...parameters, directory]);
  onTestFinished(() => void execFileSync('umount', [directory]));
  return directory;
}

/** True when the command runs and succeeds. */
export function canRun(command: string, parameters: readonly string[]): boolean {
  return spawnSync(command, parameters, { stdio: 'ignore' }).status === 0;
}

/** True when this user may mount (root on Linux, as in CI). */
export function canMountTmpfs(parent: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const probe = join(parent, 'mount-probe');
  mkdirSync(probe);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=65536', 'tmpfs', probe]).status === 0;
  if (mounted) execFileSync('umount', [probe]);
  return mounted;
}

/** A named pipe: whoever opens it for reading waits until somebody opens it for writing. Holds a pool thread on demand. */
export function makePipe(path: string): string {
  execFileSync('mkfifo', [path]);
  return path;
}

/** The error that `action` throws or rejects with. */
export async function failureOf(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error('the action was expected to fail');
}
