// Shows that the crashable file system really bites: what was not synced is lost for some seeds and kept for others, what was
// synced is always there, and the same seed does the same thing twice.

import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { CrashSignal, CrashableFileSystem, type CrashableOptions } from '../../support/crashable-file-system.ts';

const SEEDS = Array.from({ length: 200 }, (_, index) => index + 1);
const PAGE = 4_096;

/** How often each answer came over all seeds. */
async function tally(run: (seed: number) => string | Promise<string>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const seed of SEEDS) {
    const answer = await run(seed);
    counts[answer] = (counts[answer] ?? 0) + 1;
  }
  return counts;
}

async function withSegment(seed: number, options: Partial<CrashableOptions> = {}) {
  const fileSystem = new CrashableFileSystem({ seed, ...options });
  fileSystem.makeDirectorySync('/data/log');
  const region = await fileSystem.openRegion('/data/log/0', { mode: 'create', sizeBytes: 8 * PAGE });
  await fileSystem.syncDirectory('/data/log');
  await region.sync(0, region.sizeBytes);
  return { fileSystem, region };
}

describe('power loss', () => {
  it('keeps every synced byte, for every seed', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed);
      region.buffer.fill('a');
      await region.sync(PAGE, 2 * PAGE);
      const after = fileSystem.crash().readFileSync('/data/log/0');
      return String(after?.subarray(PAGE, 3 * PAGE).equals(Buffer.alloc(2 * PAGE, 'a')));
    });
    expect(counts).toEqual({ true: SEEDS.length });
  });

  it('loses unsynced pages for some seeds, keeps them for others, and mixes them for others', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed);
      region.buffer.fill('a');
      const after = fileSystem.crash().readFileSync('/data/log/0') ?? Buffer.alloc(0);
      const kept = Array.from({ length: 8 }, (_, page) => after[page * PAGE] === 0x61).filter(Boolean).length;
      return kept === 0 ? 'none' : kept === 8 ? 'all' : 'some';
    });
    expect(Object.keys(counts).sort()).toEqual(['all', 'none', 'some']);
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(10);
  });

  it('never invents a page: each is the synced content or one that was written', async () => {
    for (const seed of SEEDS) {
      const { fileSystem, region } = await withSegment(seed);
      for (const letter of 'abc') {
        region.buffer.fill(letter);
        fileSystem.writeback();
      }
      region.buffer.fill('d');
      const after = fileSystem.crash().readFileSync('/data/log/0') ?? Buffer.alloc(0);
      for (let page = 0; page < 8; page++) {
        const bytes = after.subarray(page * PAGE, (page + 1) * PAGE);
        expect(bytes.every((byte) => byte === bytes[0])).toBe(true);
        expect([0, ...Buffer.from('abcd')]).toContain(bytes[0]);
      }
    }
  });

  it('may leave a page as it was at an earlier moment, but not from before the last sync', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed);
      region.buffer.fill('a');
      fileSystem.writeback();
      region.buffer.fill('b');
      await region.sync(0, PAGE);
      region.buffer.fill('c');
      fileSystem.writeback();
      region.buffer.fill('d');
      return String.fromCharCode(fileSystem.crash().readFileSync('/data/log/0')?.[0] ?? 0);
    });
    expect(Object.keys(counts).sort()).toEqual(['b', 'c', 'd']);
  });

  it('covers with a sync what was written before the call and promises nothing about the rest', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed);
      region.buffer.fill('a', 0, PAGE);
      const synced = region.sync(0, PAGE);
      region.buffer.fill('b', 0, PAGE);
      await synced;
      return String.fromCharCode(fileSystem.crash().readFileSync('/data/log/0')?.[0] ?? 0);
    });
    expect(Object.keys(counts).sort()).toEqual(['a', 'b']);
  });

  it('keeps the newer of two overlapping syncs, also when the older one ends last', async () => {
    for (const seed of SEEDS) {
      const { fileSystem, region } = await withSegment(seed, { pausesMax: 8 });
      region.buffer.fill('a', 0, PAGE);
      const older = region.sync(0, PAGE);
      region.buffer.fill(0, 0, PAGE);
      const newer = region.sync(0, PAGE);
      await Promise.all([older, newer]);
      expect(fileSystem.crash().readFileSync('/data/log/0')?.[0]).toBe(0);
    }
  });

  it('may or may not have done what a sync in flight would do', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed);
      fileSystem.hold('region.sync');
      region.buffer.fill('a', 0, PAGE);
      void region.sync(0, PAGE);
      return String(fileSystem.crash().readFileSync('/data/log/0')?.[0]);
    });
    expect(Object.keys(counts).sort()).toEqual(['0', '97']);
  });

  it('may lose a synced file whose directory was not synced, and never one whose directory was', async () => {
    const run = (syncsDirectory: boolean) =>
      tally(async (seed) => {
        const fileSystem = new CrashableFileSystem({ seed });
        fileSystem.makeDirectorySync('/data');
        const region = await fileSystem.openRegion('/data/file', { mode: 'create', sizeBytes: PAGE });
        await region.sync(0, PAGE);
        if (syncsDirectory) await fileSystem.syncDirectory('/data');
        return String(fileSystem.crash().statusSync('/data/file')?.sizeBytes);
      });
    expect(Object.keys(await run(false)).sort()).toEqual(['4096', 'undefined']);
    expect(await run(true)).toEqual({ 4096: SEEDS.length });
  });

  it('may leave a fresh file that was never synced without its size', async () => {
    const counts = await tally(async (seed) => {
      const fileSystem = new CrashableFileSystem({ seed });
      fileSystem.makeDirectorySync('/data');
      await fileSystem.openRegion('/data/file', { mode: 'create', sizeBytes: PAGE });
      await fileSystem.syncDirectory('/data');
      return String(fileSystem.crash().statusSync('/data/file')?.sizeBytes);
    });
    expect(Object.keys(counts).sort()).toEqual(['0', '4096']);
  });

  it('does or undoes unsynced renames and removals, each on its own', async () => {
    const counts = await tally((seed) => {
      const fileSystem = new CrashableFileSystem({ seed });
      fileSystem.makeDirectorySync('/data');
      fileSystem.replaceFileSync('/data/a', Buffer.from('a'));
      fileSystem.replaceFileSync('/data/b', Buffer.from('b'));
      fileSystem.renameSync('/data/a', '/data/c');
      fileSystem.removeSync('/data/b');
      return fileSystem.crash().listSync('/data').join();
    });
    expect(Object.keys(counts).sort()).toEqual(['a', 'a,b', 'b,c', 'c']);
  });

  it('leaves the old or the new bytes of a file that was being replaced, and the new ones once that resolved', async () => {
    const contentAfter = async (seed: number, waits: boolean): Promise<string> => {
      const fileSystem = new CrashableFileSystem({ seed });
      fileSystem.makeDirectorySync('/data');
      await fileSystem.replaceFile('/data/file', Buffer.from('old'));
      const replaced = fileSystem.replaceFile('/data/file', Buffer.from('new'));
      if (waits) await replaced;
      return String(fileSystem.crash().readFileSync('/data/file'));
    };
    expect(Object.keys(await tally((seed) => contentAfter(seed, false))).sort()).toEqual(['new', 'old']);
    expect(await tally((seed) => contentAfter(seed, true))).toEqual({ new: SEEDS.length });
  });

  it('keeps everything that syncAll covered, in all files and directories', async () => {
    const counts = await tally(async (seed) => {
      const fileSystem = new CrashableFileSystem({ seed });
      fileSystem.makeDirectorySync('/data/a/b');
      const write = { fileSizeBytes: 3 * PAGE, position: PAGE, bytes: Buffer.from('unit') };
      await fileSystem.writeFiles([
        { path: '/data/one', ...write },
        { path: '/data/a/b/two', ...write },
      ]);
      await fileSystem.syncAll('/data');
      const after = fileSystem.crash();
      const texts = ['/data/one', '/data/a/b/two'].map((path) => after.readFileAtSync(path, PAGE, 4).toString());
      return `${texts.join()} ${after.statusSync('/data/one')?.sizeBytes}`;
    });
    expect(counts).toEqual({ 'unit,unit 12288': SEEDS.length });
  });

  it('loses unsynced writeFiles for some seeds', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem } = await withSegment(seed);
      await fileSystem.writeFiles([{ path: '/data/log/0', fileSizeBytes: 0, position: 0, bytes: Buffer.from('x') }]);
      return String(fileSystem.crash().readFileSync('/data/log/0')?.[0]);
    });
    expect(Object.keys(counts).sort()).toEqual(['0', '120']);
  });

  it('keeps zeroRange once it resolved', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed);
      region.buffer.fill('a');
      await region.sync(0, region.sizeBytes);
      await region.zeroRange(100, PAGE);
      const after = fileSystem.crash().readFileSync('/data/log/0');
      return String(after?.subarray(100, 100 + PAGE).every((byte) => byte === 0) && after[99] === 0x61);
    });
    expect(counts).toEqual({ true: SEEDS.length });
  });

  it('tears inside 4 KiB when pages are smaller', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed, { pageSizeBytes: 512 });
      region.buffer.fill('a', 0, PAGE);
      const after = fileSystem.crash().readFileSync('/data/log/0') ?? Buffer.alloc(0);
      return after[0] === after[512] ? 'same' : 'torn';
    });
    expect(counts['torn']).toBeGreaterThan(10);
  });
});

describe('a killed process', () => {
  it('loses nothing that was written, and a later power loss may still take it', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed);
      region.buffer.fill('a');
      const next = fileSystem.kill();
      expect(next.readFileSync('/data/log/0')?.equals(Buffer.alloc(8 * PAGE, 'a'))).toBe(true);
      return String(next.crash().readFileSync('/data/log/0')?.[0]);
    });
    expect(Object.keys(counts).sort()).toEqual(['0', '97']);
  });

  it('leaves a batch of writes partly done, in order', async () => {
    const counts = await tally((seed) => {
      const fileSystem = new CrashableFileSystem({ seed });
      fileSystem.makeDirectorySync('/data');
      const write = { fileSizeBytes: 4, position: 0, bytes: Buffer.from('abcd') };
      void fileSystem.writeFiles(['/data/1', '/data/2'].map((path) => ({ path, ...write })));
      const next = fileSystem.kill();
      const texts = ['/data/1', '/data/2'].map(
        (path) => next.readFileSync(path)?.toString().replaceAll('\0', '-') ?? '',
      );
      if (texts[1] !== '') expect(texts[0]).toBe('abcd');
      return texts.join();
    });
    expect(counts[',']).toBeGreaterThan(0);
    expect(counts['abcd,abcd']).toBeGreaterThan(0);
    expect(Object.keys(counts).length).toBeGreaterThan(5);
  });

  it('gives its locks back', () => {
    const fileSystem = new CrashableFileSystem({ seed: 1 });
    fileSystem.makeDirectorySync('/data');
    fileSystem.lockFile('/data/lock', 'pid 1');
    expect(() => fileSystem.lockFile('/data/lock', 'pid 2')).toThrow(/pid 1/);
    fileSystem.kill().lockFile('/data/lock', 'pid 3');
  });

  it('may leave a segment that was being created shorter than asked for', async () => {
    const counts = await tally((seed) => {
      const fileSystem = new CrashableFileSystem({ seed });
      fileSystem.makeDirectorySync('/data');
      void fileSystem.openRegion('/data/0', { mode: 'create', sizeBytes: 2 * PAGE });
      return String(fileSystem.kill().statusSync('/data/0')?.sizeBytes);
    });
    expect(Object.keys(counts).sort()).toEqual(['0', '4096', '8192', 'undefined']);
  });
});

describe('a dead file system', () => {
  it('throws from every synchronous call and settles no promise', async () => {
    const { fileSystem, region } = await withSegment(1);
    const inFlight = region.sync(0, PAGE);
    fileSystem.crash();
    expect(() => fileSystem.listSync('/data')).toThrow(CrashSignal);
    expect(() => fileSystem.removeSync('/data/log/0')).toThrow(CrashSignal);
    expect(() => region.pin()).toThrow(CrashSignal);
    const settled = await Promise.race([
      Promise.allSettled([inFlight, fileSystem.syncAll('/data'), fileSystem.readFileAt('/data/log/0', 0, 1)]),
      new Promise((resolve) => setImmediate(() => resolve('nothing'))),
    ]);
    expect(settled).toBe('nothing');
  });

  it('stops exactly at the wanted operation, also inside a replacement, and keeps what it left', async () => {
    const replace = (fileSystem: CrashableFileSystem): void =>
      fileSystem.replaceFileSync('/data/file', Buffer.from('new'));
    const counts = await tally(async (seed) => {
      const fileSystem = new CrashableFileSystem({ seed });
      fileSystem.makeDirectorySync('/data');
      fileSystem.replaceFileSync('/data/file', Buffer.from('old'));
      const at = fileSystem.operationCount + 1 + (seed % 7);
      fileSystem.crashAt(at);
      expect(() => replace(fileSystem)).toThrow(CrashSignal);
      await fileSystem.crashed;
      expect(fileSystem.operationCount).toBe(at);
      const after = fileSystem.crash();
      expect(after).toBe(fileSystem.kill());
      return `${seed % 7} ${String(after.readFileSync('/data/file'))}`;
    });
    expect(Object.keys(counts).sort()).toEqual([
      '0 old',
      '1 old',
      '2 old',
      '3 old',
      '4 old',
      '5 old',
      '6 new',
      '6 old',
    ]);
  });

  it('goes on when the crash point lies behind the end', () => {
    const fileSystem = new CrashableFileSystem({ seed: 1 });
    fileSystem.crashAt(1_000);
    fileSystem.makeDirectorySync('/data');
    expect(fileSystem.isDead).toBe(false);
  });
});

describe('determinism', () => {
  it('does the same thing twice for the same seed, and other things for other seeds', async () => {
    const run = async (seed: number): Promise<string> => {
      const { fileSystem, region } = await withSegment(seed);
      for (let round = 0; round < 20; round++) {
        region.buffer.fill(round + 1, round * 1_000, (round + 1) * 1_000);
        void region.sync(round * 1_000, 1_000);
        await fileSystem.writeFiles([
          { path: `/data/log/q${round % 3}`, fileSizeBytes: 100, position: round, bytes: Buffer.from([round]) },
        ]);
      }
      const trace = JSON.stringify(fileSystem.trace);
      const files = [...fileSystem.crash().files()].map(([path, bytes]) => `${path}=${bytes.toString('hex')}`);
      return trace + files.join();
    };
    const images = new Set<string>();
    for (const seed of SEEDS.slice(0, 20)) {
      const image = await run(seed);
      expect(await run(seed)).toBe(image);
      images.add(image);
    }
    expect(images.size).toBeGreaterThan(5);
  });

  it("goes on only as a given clock's deferred tasks run", async () => {
    const clock = new ManualClock();
    const fileSystem = new CrashableFileSystem({ seed: 1, defer: (task) => clock.defer(task) });
    fileSystem.makeDirectorySync('/data');
    let done = false;
    const replaced = fileSystem.replaceFile('/data/file', Buffer.from('x')).then(() => (done = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    clock.runDeferred();
    await replaced;
    expect(fileSystem.readFileSync('/data/file')?.toString()).toBe('x');
  });
});

describe('injected faults', () => {
  it('fails the n-th call of a kind and no other', async () => {
    const { fileSystem, region } = await withSegment(1);
    fileSystem.failNth('region.sync', 2, 'EIO');
    await region.sync(0, PAGE);
    await expect(region.sync(0, PAGE)).rejects.toMatchObject({ code: 'ERR_FS_IO', details: { errno: 'EIO' } });
    await region.sync(0, PAGE);
  });

  it('marks the pages of a failed sync as clean: the next sync succeeds and they are lost all the same', async () => {
    const counts = await tally(async (seed) => {
      const { fileSystem, region } = await withSegment(seed);
      region.buffer.fill('a', 0, PAGE);
      fileSystem.failNth('region.sync', 1, 'EIO');
      await expect(region.sync(0, PAGE)).rejects.toThrow(/EIO/);
      await region.sync(0, PAGE);
      return String(fileSystem.crash().readFileSync('/data/log/0')?.[0]);
    });
    expect(Object.keys(counts).sort()).toEqual(['0', '97']);
  });

  it('runs out of space at its capacity, says the numbers, and takes writes again when there is room', async () => {
    const fileSystem = new CrashableFileSystem({ seed: 1, capacityBytes: 4 * PAGE });
    fileSystem.makeDirectorySync('/data');
    await fileSystem.openRegion('/data/0', { mode: 'create', sizeBytes: 3 * PAGE });
    const create = (): Promise<unknown> => fileSystem.openRegion('/data/1', { mode: 'create', sizeBytes: 2 * PAGE });
    await expect(create()).rejects.toMatchObject({
      code: 'ERR_FS_NO_SPACE',
      details: { path: '/data/1', neededBytes: 2 * PAGE, availableBytes: PAGE },
    });
    expect(fileSystem.statusSync('/data/1')).toBeUndefined();
    expect(() => fileSystem.replaceFileSync('/data/2', Buffer.alloc(2 * PAGE))).toThrow(/disk is full/);
    expect(fileSystem.listSync('/data')).toEqual(['0']);
    await expect(
      fileSystem.writeFiles([
        { path: '/data/3', fileSizeBytes: 100 * PAGE, position: 50 * PAGE, bytes: Buffer.from('fits') },
        { path: '/data/4', fileSizeBytes: 100 * PAGE, position: 0, bytes: Buffer.from('does not') },
      ]),
    ).rejects.toMatchObject({ code: 'ERR_FS_NO_SPACE', details: { index: 1, path: '/data/4' } });
    expect(fileSystem.spaceOf('/data')).toEqual({ totalBytes: 4 * PAGE, availableBytes: 0 });
    fileSystem.setCapacity(10 * PAGE);
    await create();
  });

  it('flips bits and cuts files, on disk too', () => {
    const fileSystem = new CrashableFileSystem({ seed: 1 });
    fileSystem.makeDirectorySync('/data');
    fileSystem.replaceFileSync('/data/file', Buffer.from('abc'));
    fileSystem.flipBit('/data/file', 1);
    fileSystem.truncate('/data/file', 2);
    expect(fileSystem.readFileSync('/data/file')?.toString()).toBe('ac');
    expect(fileSystem.crash().readFileSync('/data/file')?.toString()).toBe('ac');
  });

  it('says that an evicted file is not resident until it is populated', async () => {
    const { fileSystem, region } = await withSegment(1);
    expect(region.isResident(0, PAGE)).toBe(true);
    fileSystem.evict('/data/log/0');
    expect(region.isResident(0, PAGE)).toBe(false);
    await region.populate(0, PAGE);
    expect(region.isResident(0, PAGE)).toBe(true);
  });
});

describe('time', () => {
  it('moves the modification time with writes, also mapped ones at their sync, and as a test wants it', async () => {
    let nowMs = 1_000;
    const { fileSystem, region } = await withSegment(1, { nowMs: () => nowMs });
    const modifiedMs = (): number | undefined => fileSystem.statusSync('/data/log/0')?.modifiedMs;
    expect(modifiedMs()).toBe(1_000);
    nowMs = 2_000;
    await region.sync(0, PAGE);
    expect(modifiedMs()).toBe(1_000);
    region.buffer[0] = 1;
    await region.sync(0, PAGE);
    expect(modifiedMs()).toBe(2_000);
    fileSystem.setModifiedMs('/data/log/0', 5);
    expect(fileSystem.crash().statusSync('/data/log/0')?.modifiedMs).toBe(5);
  });
});
