import { describe, expect, it } from 'vitest';
import { GroupGathering } from '../../../src/store/commit-log/group-gathering.ts';

/** Groups that are synced without waiting until the next one is waited for. */
function restRounds(gathering: GroupGathering): number {
  for (let rounds = 0; ; rounds++) {
    gathering.synced(8, 0);
    if (!gathering.isComplete(1)) return rounds;
  }
}

describe('GroupGathering', () => {
  it('waits for nobody before it has seen a sync', () => {
    expect(new GroupGathering().isComplete(1)).toBe(true);
  });

  it('waits for as many as were in flight when the last sync ended', () => {
    const gathering = new GroupGathering();
    gathering.synced(8, 7);
    expect(gathering.isComplete(14)).toBe(false);
    expect(gathering.isComplete(15)).toBe(true);
    gathering.synced(15, 0);
    expect(gathering.isComplete(15)).toBe(true);
    gathering.synced(1, 0);
    expect(gathering.isComplete(1)).toBe(true);
  });

  it('does not make a large group wait', () => {
    const gathering = new GroupGathering();
    gathering.synced(200, 56);
    expect(gathering.isComplete(63)).toBe(false);
    expect(gathering.isComplete(64)).toBe(true);
  });

  it('waits less and less often when those it waits for do not come, and never gives up for good', () => {
    const gathering = new GroupGathering();
    const rests: number[] = [];
    for (let miss = 0; miss < 13; miss++) {
      gathering.missed();
      rests.push(restRounds(gathering));
    }
    expect(rests.slice(0, 4)).toEqual([0, 1, 3, 7]);
    expect(rests.slice(-2)).toEqual([1_023, 1_023]);
  });

  it('waits again after groups that came together', () => {
    const gathering = new GroupGathering();
    for (let miss = 0; miss < 8; miss++) gathering.missed();
    expect(restRounds(gathering)).toBe(127);
    for (let group = 0; group < 10; group++) {
      gathering.synced(8, 0);
      expect(gathering.isComplete(8)).toBe(true);
    }
    gathering.missed();
    expect(restRounds(gathering)).toBe(0);
  });
});
