import { describe, expect, it } from 'vitest';
import { hostAddress } from '../../../src/model/host-address.ts';
import type { CommitLog } from '../../../src/store/commit-log/commit-log.ts';
import {
  cutLog,
  dispatchLog,
  dispatchRequestAt,
  findLogEnd,
  readOpenFacts,
  recoverCommitLog,
} from '../../../src/store/commit-log/commit-log-recovery.ts';
import { decideOpen } from '../../../src/store/commit-log/open-decision.ts';
import type { DispatchRequest } from '../../../src/store/dispatch/dispatch-request.ts';
import { segmentName } from '../../../src/store/mapped-file/segment-names.ts';
import { CorruptionError } from '../../../src/store/store-errors.ts';
import { CrashableFileSystem, CrashSignal } from '../../support/crashable-file-system.ts';
import {
  append,
  fill,
  LOG_DIRECTORY,
  message,
  newFileSystem,
  newLog,
  openLog,
  QUARANTINE_DIRECTORY,
  SEGMENT_SIZE_BYTES,
  snapshot,
  STORE_TIME_MS,
} from './commit-log-fixture.ts';

const pathOf = (offset: number): string =>
  `${LOG_DIRECTORY}/${segmentName(Math.floor(offset / SEGMENT_SIZE_BYTES) * SEGMENT_SIZE_BYTES)}`;

/** A new machine with the given segments, all on disk. `change` may damage them before. */
function machineWith(
  files: ReadonlyMap<string, Buffer>,
  change: (files: Map<string, Buffer>) => void = () => undefined,
): CrashableFileSystem {
  const copies = new Map([...files].map(([path, bytes]) => [path, Buffer.from(bytes)]));
  change(copies);
  const fileSystem = newFileSystem();
  fileSystem.makeDirectorySync(LOG_DIRECTORY);
  for (const [path, bytes] of copies) fileSystem.replaceFileSync(path, bytes);
  return fileSystem;
}

interface Written {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly offsets: readonly number[];
  readonly endOffset: number;
}

async function written(write: (log: CommitLog) => Promise<number[]>): Promise<Written> {
  const fileSystem = newFileSystem();
  const log = await newLog(fileSystem);
  const offsets = await write(log);
  const { endOffset } = log;
  await log.close();
  return { files: fileSystem.files(), offsets, endOffset };
}

interface Recovered {
  readonly endOffset: number;
  readonly requests: DispatchRequest[];
  readonly quarantined: readonly string[];
  readonly log: CommitLog;
}

async function recover(
  fileSystem: CrashableFileSystem,
  options: { from?: number; durableOffset?: number; action?: 'walk' | 'scan'; checkCrc?: boolean } = {},
): Promise<Recovered> {
  const log = await openLog(fileSystem);
  const requests: DispatchRequest[] = [];
  const { endOffset, cut } = await recoverCommitLog({
    commitLog: log,
    action: options.action ?? 'scan',
    from: options.from ?? 0,
    durableOffset: options.durableOffset,
    checkCrc: options.checkCrc ?? true,
    quarantineDirectory: QUARANTINE_DIRECTORY,
    onRecord: (buffer, place) => void requests.push(dispatchRequestAt(buffer, place, place.shape.propertiesLength)),
  });
  log.setEnd(endOffset);
  return { endOffset, requests, quarantined: cut?.quarantined ?? [], log };
}

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('recovery of the commit log', () => {
  it('finds the end, and dispatches what every record says', async () => {
    const { files, offsets, endOffset } = await written((log) => fill(log, 60));
    const recovered = await recover(machineWith(files));
    expect(recovered.endOffset).toBe(endOffset);
    expect(recovered.requests).toHaveLength(60);
    expect(recovered.requests[42]).toEqual({
      topic: 'Orders',
      queueId: 1,
      queueOffset: 42,
      physicalOffset: offsets[42],
      sizeBytes: (offsets[43] as number) - (offsets[42] as number),
      tagsCode: message().properties.length,
      storeTimestampMs: STORE_TIME_MS + 42,
      sysFlag: 0,
      properties: message().properties,
    });
    expect(recovered.log.flushedOffset).toBe(endOffset);
    expect(await append(recovered.log)).toBe(endOffset);
    await recovered.log.close();
  });

  it('accepts what Apache writes: leftovers behind a blank record, IPv6 hosts, every transaction type, many topics', async () => {
    const { files, endOffset } = await written(async (log) => {
      const offsets = [];
      for (let index = 0; index < 90; index++) {
        const toPut = message({
          topic: index % 3 === 0 ? `%RETRY%${'g'.repeat(125)}` : `T-${index}`,
          sysFlag: (index % 4) << 2,
          bornHost: hostAddress(index % 2 === 0 ? '::1' : '10.1.1.1', 1),
          storeHost: hostAddress(index % 5 === 0 ? 'fe80::2' : '10.1.1.1', 2),
          properties: index % 7 === 0 ? '' : 'A\u0001ü\u0002__CRC32#\u00011234567890\u0002',
          body: Buffer.alloc(index * 10),
        });
        offsets.push(await append(log, toPut));
      }
      return offsets;
    });
    const recovered = await recover(
      machineWith(files, (copies) => {
        const first = copies.get(pathOf(0)) as Buffer;
        const blank = first.lastIndexOf(Buffer.from('cbd43194', 'hex'));
        first.fill(0xab, blank + 4);
      }),
    );
    expect(recovered.endOffset).toBe(endOffset);
    expect(recovered.requests).toHaveLength(90);
    await recovered.log.close();
  });

  it('cuts the last record wherever its bytes end, in its properties at the sectors of a disk', async () => {
    const properties = `KEYS\u0001${'k'.repeat(2_000)}\u0002`;
    const { files, offsets, endOffset } = await written(async (log) => [
      ...(await fill(log, 3, 40)),
      await append(log, message({ properties })),
    ]);
    const last = offsets.at(-1) as number;
    const propertiesOffset = endOffset - properties.length;
    for (let cutOffset = last; cutOffset < endOffset; cutOffset++) {
      if (cutOffset > propertiesOffset && cutOffset % 512 !== 0) continue;
      const fileSystem = machineWith(files, (copies) => copies.get(pathOf(0))?.fill(0, cutOffset));
      const recovered = await recover(fileSystem, { from: offsets[1] as number, durableOffset: last });
      expect(recovered.endOffset, `bytes from ${cutOffset} on are missing`).toBe(last);
      expect(recovered.requests).toHaveLength(2);
      expect(
        fileSystem
          .files()
          .get(pathOf(0))
          ?.subarray(last)
          .every((byte) => byte === 0),
      ).toBe(true);
      await recovered.log.close();
    }
  });

  it('cuts the last record wherever its bytes begin', async () => {
    const { files, offsets, endOffset } = await written((log) => fill(log, 4, 40));
    const last = offsets.at(-1) as number;
    for (let length = 1; length <= endOffset - last - 1; length++) {
      const fileSystem = machineWith(files, (copies) => copies.get(pathOf(0))?.fill(0, last, last + length));
      const recovered = await recover(fileSystem, { from: 0, durableOffset: last });
      const isWhole = fileSystem
        .files()
        .get(pathOf(0))
        ?.equals(files.get(pathOf(0)) as Buffer);
      // The first byte of a small size is zero anyway.
      if (isWhole !== true) expect(recovered.endOffset).toBe(last);
      await recovered.log.close();
    }
  });

  it('refuses a bad record below the durable offset, names it, and changes nothing', async () => {
    const { files, offsets, endOffset } = await written((log) => fill(log, 60));
    const victim = offsets[33] as number;
    const positions = {
      size: 2,
      magic: 4,
      physicalOffset: 35,
      storeTime: 56,
      body: 100,
      topic: 589,
      propertiesLength: 596,
    };
    for (const [part, position] of Object.entries(positions)) {
      const fileSystem = machineWith(files);
      fileSystem.flipBit(pathOf(victim), (victim % SEGMENT_SIZE_BYTES) + position, 7);
      const before = snapshot(fileSystem);
      for (const durableOffset of [endOffset, victim + 1]) {
        const error = await failureOf(recover(fileSystem, { durableOffset }));
        expect(error, part).toBeInstanceOf(CorruptionError);
        expect((error as CorruptionError).message).toContain(pathOf(victim));
        expect((error as CorruptionError).details).toMatchObject({
          path: pathOf(victim),
          position: victim % SEGMENT_SIZE_BYTES,
          physicalOffset: victim,
        });
      }
      expect(snapshot(fileSystem)).toEqual(before);
    }
  });

  it('takes the same record for a torn tail when it is not known to be durable', async () => {
    const { files, offsets } = await written((log) => fill(log, 60));
    const victim = offsets[33] as number;
    const fileSystem = machineWith(files);
    fileSystem.flipBit(pathOf(victim), (victim % SEGMENT_SIZE_BYTES) + 100);
    const recovered = await recover(fileSystem, { durableOffset: victim });
    expect(recovered.endOffset).toBe(victim);
    expect(recovered.requests).toHaveLength(33);
    await recovered.log.close();
  });

  it('moves later segments with data into the quarantine, and keeps an empty spare', async () => {
    const { files, offsets } = await written(async (log) => {
      const filled = await fill(log, 75);
      await log.whenRoom();
      return filled;
    });
    expect(files.size).toBe(4);
    const victim = offsets[5] as number;
    const fileSystem = machineWith(files);
    fileSystem.flipBit(pathOf(victim), victim + 4);
    const recovered = await recover(fileSystem);
    expect(recovered.endOffset).toBe(victim);
    const names = [...fileSystem.files().keys()].sort();
    expect(names).toEqual([pathOf(0), ...recovered.quarantined].sort());
    expect(recovered.quarantined).toHaveLength(3);
    expect(fileSystem.files().get(`${QUARANTINE_DIRECTORY}/${segmentName(SEGMENT_SIZE_BYTES)}`)).toEqual(
      files.get(pathOf(SEGMENT_SIZE_BYTES)),
    );
    await recovered.log.close();

    const tidy = machineWith(files);
    const last = offsets.at(-1) as number;
    tidy.flipBit(pathOf(last), (last % SEGMENT_SIZE_BYTES) + 4);
    const second = await recover(tidy);
    expect(second.endOffset).toBe(last);
    expect(second.quarantined).toEqual([]);
    expect(tidy.files().size).toBe(4);
    await second.log.close();
  });

  it('never overwrites what is in the quarantine already', async () => {
    const { files, offsets } = await written((log) => fill(log, 60));
    const fileSystem = machineWith(files);
    fileSystem.makeDirectorySync(QUARANTINE_DIRECTORY);
    const kept = `${QUARANTINE_DIRECTORY}/${segmentName(SEGMENT_SIZE_BYTES)}`;
    fileSystem.replaceFileSync(kept, Buffer.from('from last time'));
    fileSystem.flipBit(pathOf(0), (offsets[5] as number) + 4);
    const recovered = await recover(fileSystem);
    expect(fileSystem.files().get(kept)?.toString()).toBe('from last time');
    expect(recovered.quarantined).toContain(`${kept}.1`);
    await recovered.log.close();
  });

  it('gives the same bytes when it is repeated, and when it was killed or lost power at any moment before', async () => {
    const { files, offsets } = await written((log) => fill(log, 60));
    const victim = offsets[5] as number;
    const damaged = (): CrashableFileSystem => {
      const fileSystem = machineWith(files);
      fileSystem.flipBit(pathOf(victim), victim + 4);
      return fileSystem;
    };
    const undisturbed = damaged();
    const first = await recover(undisturbed);
    await first.log.close();
    const expected = snapshot(undisturbed).filter((line) => line.startsWith(LOG_DIRECTORY));
    const again = await recover(undisturbed);
    await again.log.close();
    expect(snapshot(undisturbed).filter((line) => line.startsWith(LOG_DIRECTORY))).toEqual(expected);

    for (const how of ['power', 'kill'] as const) {
      const setUp = damaged().operationCount;
      for (let at = setUp + 1; at < setUp + 200; at++) {
        const fileSystem = damaged();
        fileSystem.crashAt(at, how);
        const outcome = await Promise.race([
          recover(fileSystem).then(
            () => 'done',
            (error: unknown) => {
              if (error instanceof CrashSignal) return 'crashed';
              throw error;
            },
          ),
          fileSystem.crashed.then(() => 'crashed'),
        ]);
        if (outcome === 'done') break;
        const next = fileSystem.crash();
        const recovered = await recover(next);
        expect(recovered.endOffset, `${how} at operation ${at}`).toBe(victim);
        await recovered.log.close();
        expect(snapshot(next).filter((line) => line.startsWith(LOG_DIRECTORY))).toEqual(expected);
        expect(at).toBeLessThan(setUp + 199);
      }
    }
  });

  it('syncs what it read before it calls it durable', async () => {
    const fileSystem = newFileSystem();
    const log = await newLog(fileSystem);
    await fill(log, 60);
    const killed = fileSystem.kill();
    const recovered = await recover(killed);
    const { endOffset } = recovered;
    expect(endOffset).toBe(log.endOffset);
    const afterPowerCut = killed.crash();
    const again = await recover(afterPowerCut, { durableOffset: endOffset });
    expect(again.endOffset).toBe(endOffset);
    await again.log.close();
  });

  it('takes properties that never reached the disk for a torn tail, but not zeros in a body', async () => {
    const long = `big\u0001${'x'.repeat(9_000)}\u0002`;
    const { files, offsets, endOffset } = await written(async (log) => [
      await append(log, message({ body: Buffer.alloc(6_000) })),
      await append(log, message({ properties: long })),
    ]);
    const whole = await recover(machineWith(files));
    expect(whole.endOffset).toBe(endOffset);
    await whole.log.close();
    for (const [from, to] of [
      [2 * 4_096, 3 * 4_096],
      [3 * 4_096, 4 * 4_096],
      [8_704, 8_704 + 512],
    ] as const) {
      const fileSystem = machineWith(files, (copies) => copies.get(pathOf(0))?.fill(0, from, to));
      const recovered = await recover(fileSystem);
      expect(recovered.endOffset).toBe(offsets[1]);
      await recovered.log.close();
    }
  });

  it('accepts a record whose last sector holds nothing but the empty length of its properties', async () => {
    // 4,096 lies between the topic and the length of the properties, which is zero.
    const { files, endOffset } = await written(async (log) => {
      const overhead = 88 + 1 + 'Orders'.length;
      return [
        await append(log, message({ body: Buffer.alloc(4_096 - overhead, 1), properties: '' })),
        await append(log),
      ];
    });
    const recovered = await recover(machineWith(files));
    expect(recovered.endOffset).toBe(endOffset);
    await recovered.log.close();
  });

  it('leaves the CRC alone below the durable offset when it is told to, and never above', async () => {
    const { files, offsets, endOffset } = await written((log) => fill(log, 10));
    const victim = offsets[5] as number;
    const fileSystem = machineWith(files);
    fileSystem.flipBit(pathOf(victim), victim + 100);
    const trusting = await recover(fileSystem, { durableOffset: endOffset, checkCrc: false });
    expect(trusting.endOffset).toBe(endOffset);
    await trusting.log.close();
    const careful = await recover(fileSystem, { durableOffset: victim, checkCrc: false });
    expect(careful.endOffset).toBe(victim);
    await careful.log.close();
  });

  it('after a clean stop of Apache takes good records behind a bad one for corruption', async () => {
    const { files, offsets } = await written((log) => fill(log, 60));
    const victims = [offsets[33] as number, offsets.findLast((offset) => offset < SEGMENT_SIZE_BYTES) as number];
    for (const victim of victims) {
      const fileSystem = machineWith(files);
      fileSystem.flipBit(pathOf(victim), (victim % SEGMENT_SIZE_BYTES) + 1);
      const before = snapshot(fileSystem);
      const error = await failureOf(recover(fileSystem, { action: 'walk' }));
      expect(error).toBeInstanceOf(CorruptionError);
      expect((error as CorruptionError).details).toMatchObject({ physicalOffset: victim });
      expect(snapshot(fileSystem)).toEqual(before);
    }
  });

  it('after a clean stop of Apache ends the log before older records that a cut of Apache left', async () => {
    const { files, offsets, endOffset } = await written(async (log) => {
      const filled = await fill(log, 3);
      filled.push(await append(log, message({ body: Buffer.alloc(50) }), 3, STORE_TIME_MS + 10_000));
      return filled;
    });
    // What Apache had there before it cut: an older record that begins a few bytes behind the new end.
    const old = await written(async (log) => {
      const filled = await fill(log, 3);
      filled.push(await append(log, message({ body: Buffer.alloc(90) }), 3, STORE_TIME_MS + 3));
      filled.push(await append(log, message({ body: Buffer.alloc(90) }), 4, STORE_TIME_MS + 4));
      return filled;
    });
    const fileSystem = machineWith(files, (copies) => {
      (old.files.get(pathOf(0)) as Buffer).copy(copies.get(pathOf(0)) as Buffer, endOffset, endOffset);
    });
    const recovered = await recover(fileSystem, { action: 'walk', from: offsets[0] as number });
    expect(recovered.endOffset).toBe(endOffset);
    expect(
      fileSystem
        .files()
        .get(pathOf(0))
        ?.subarray(endOffset)
        .every((byte) => byte === 0),
    ).toBe(true);
    await recovered.log.close();
  });

  it('begins at the segment when nothing good begins where it was told to', async () => {
    const { files, offsets, endOffset } = await written((log) => fill(log, 10));
    const recovered = await recover(machineWith(files), { from: (offsets[4] as number) + 3 });
    expect(recovered.endOffset).toBe(endOffset);
    await recovered.log.close();
  });

  it('dispatches from a segment start to a given end, with pauses that are awaited', async () => {
    const { files, offsets } = await written((log) => fill(log, 60));
    const log = await openLog(machineWith(files));
    const seen: number[] = [];
    const result = await dispatchLog({
      commitLog: log,
      from: SEGMENT_SIZE_BYTES,
      to: offsets[50] as number,
      onRecord: async (_buffer, { physicalOffset }) => {
        await Promise.resolve();
        seen.push(physicalOffset);
      },
    });
    expect(seen).toEqual(offsets.filter((offset) => offset >= SEGMENT_SIZE_BYTES && offset < (offsets[50] as number)));
    expect(result.recordCount).toBe(seen.length);
    await log.close();
  });

  it('opens an empty log, and a log whose last segment is full', async () => {
    const empty = await recover(newFileSystem());
    expect(empty.endOffset).toBe(0);
    expect(await append(empty.log)).toBe(0);
    await empty.log.close();
    const { files, offsets } = await written((log) => fill(log, 40));
    const onlyFirst = machineWith(files, (copies) => {
      copies.delete(pathOf(SEGMENT_SIZE_BYTES));
      copies.delete(pathOf(2 * SEGMENT_SIZE_BYTES));
    });
    const recovered = await recover(onlyFirst);
    expect(recovered.endOffset).toBe(SEGMENT_SIZE_BYTES);
    expect(recovered.requests).toHaveLength(offsets.filter((offset) => offset < SEGMENT_SIZE_BYTES).length);
    expect(await append(recovered.log)).toBe(SEGMENT_SIZE_BYTES);
    await recovered.log.close();
  });

  it('says that segments are missing when the log ends before what was durable', async () => {
    const { files, endOffset } = await written((log) => fill(log, 60));
    const fileSystem = machineWith(files, (copies) => {
      for (const path of [...copies.keys()]) if (path !== pathOf(0)) copies.delete(path);
    });
    expect(await failureOf(recover(fileSystem, { durableOffset: endOffset }))).toBeInstanceOf(CorruptionError);
  });

  it('passes a failed sync on, and does not call the log recovered', async () => {
    const { files } = await written((log) => fill(log, 10));
    const fileSystem = machineWith(files);
    fileSystem.failNth('region.sync', 1, 'EIO');
    expect(await failureOf(recover(fileSystem))).toMatchObject({ code: 'ERR_FS_IO' });
  });
});

describe('the facts for opening', () => {
  it('are read from the log, the record and the checkpoint', async () => {
    const { files, offsets, endOffset } = await written((log) => fill(log, 75));
    const log = await openLog(machineWith(files));
    const secondSegment = offsets.findIndex((offset) => offset >= SEGMENT_SIZE_BYTES);
    const facts = await readOpenFacts({
      commitLog: log,
      hasAbortFile: false,
      durable: { offset: endOffset, clean: true },
      checkpoint: {
        logicsPhysicalOffset: offsets[40] as number,
        physicMsgTimestamp: STORE_TIME_MS + 3_000 + secondSegment,
        logicsMsgTimestamp: STORE_TIME_MS + 9_000,
      },
    });
    expect(facts).toEqual({
      hasAbortFile: false,
      durable: { offset: endOffset, clean: true },
      endsAtDurableOffset: true,
      logicsPhysicalOffset: offsets[40],
      minOffset: 0,
      lastSegmentOffset: 2 * SEGMENT_SIZE_BYTES,
      checkpointSegmentOffset: SEGMENT_SIZE_BYTES,
      timestampSegmentOffset: SEGMENT_SIZE_BYTES,
    });
    expect(decideOpen(facts)).toMatchObject({ row: 'A', from: endOffset });
    const checkpoint = { logicsPhysicalOffset: 0, physicMsgTimestamp: 0, logicsMsgTimestamp: 0 };
    const moved = await readOpenFacts({
      commitLog: log,
      hasAbortFile: false,
      durable: { offset: offsets[70] as number, clean: true },
      checkpoint,
    });
    expect(decideOpen(moved)).toMatchObject({ row: 'B.durable', action: 'walk' });
    expect(moved.timestampSegmentOffset).toBe(0);
    await log.close();
  });

  it('of an empty log say that it ends at offset 0', async () => {
    const log = await openLog(newFileSystem());
    const checkpoint = { logicsPhysicalOffset: 0, physicMsgTimestamp: 0, logicsMsgTimestamp: 0 };
    const facts = await readOpenFacts({
      commitLog: log,
      hasAbortFile: false,
      durable: { offset: 0, clean: true },
      checkpoint,
    });
    expect(decideOpen(facts)).toMatchObject({ row: 'A', from: 0 });
    const end = await findLogEnd({ commitLog: log, action: 'walk', from: 0, durableOffset: undefined, checkCrc: true });
    expect(end.endOffset).toBe(0);
    expect(
      await cutLog({
        commitLog: log,
        endOffset: 0,
        syncedOffset: 0,
        reason: '',
        quarantineDirectory: QUARANTINE_DIRECTORY,
      }),
    ).toBeUndefined();
    await log.close();
  });
});
