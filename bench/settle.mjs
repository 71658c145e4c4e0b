// Keeps one case out of the next one's figures: what it wrote is brought to the disk before the next one is timed. And says what
// the disk itself can do, because no store writes faster for long.

import { execFile } from 'node:child_process';
import { openSync, closeSync, fdatasyncSync, mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Pages that wait for the disk, of the whole machine, below which it counts as quiet. */
const QUIET_BYTES = 16 * 1024 * 1024;
const SETTLE_SECONDS_MAX = 20;
const POLL_MS = 50;
const PROBE_BYTES = 256 * 1024 * 1024;

/** Dirty and under write-back; undefined where the kernel does not say (macOS). */
function waitingBytes() {
  try {
    const text = readFileSync('/proc/meminfo', 'utf8');
    const kibibytes = (name) => Number(new RegExp(`^${name}: *(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
    return (kibibytes('Dirty') + kibibytes('Writeback')) * 1024;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Resolves with true when the disk is quiet, with false when it is not after {@link SETTLE_SECONDS_MAX}. */
export async function settle() {
  await new Promise((resolve, reject) => {
    const scope = process.platform === 'linux' ? ['-f', tmpdir()] : [];
    execFile('sync', scope, (error) => (error === null ? resolve() : reject(error)));
  });
  const deadlineMs = performance.now() + SETTLE_SECONDS_MAX * 1_000;
  for (let bytes = waitingBytes(); bytes !== undefined && bytes > QUIET_BYTES; bytes = waitingBytes()) {
    if (performance.now() > deadlineMs) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** Bytes a second that a plain sequential write with a sync at its end gets, where the stores are going to be. */
export async function diskBytesPerSecond() {
  const directory = mkdtempSync(join(tmpdir(), 'cometmq-bench-disk-'));
  const block = Buffer.alloc(1024 * 1024, 'x');
  await settle();
  try {
    const file = openSync(join(directory, 'probe'), 'w');
    const startMs = performance.now();
    for (let written = 0; written < PROBE_BYTES; written += block.length) writeSync(file, block);
    fdatasyncSync(file);
    const seconds = (performance.now() - startMs) / 1_000;
    closeSync(file);
    return PROBE_BYTES / seconds;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
