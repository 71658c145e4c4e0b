// The delay levels 1, 2, … and how long each waits (Java: ScheduleMessageService.parseDelayLevel).

import { StoreError } from '../store-errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export class DelayLevels {
  readonly #delaysMs: readonly number[];

  /** `text` as in messageDelayLevel: '1s 5s 10s … 2h'. */
  constructor(text: string) {
    this.#delaysMs = text
      .trim()
      .split(/\s+/)
      .map((level) => {
        const match = /^(\d+)([smhd])$/.exec(level);
        if (match === null) {
          throw new StoreError(
            'ERR_STORE_BAD_CONFIG',
            `messageDelayLevel has the level "${level}"; write a number and one of s, m, h, d, such as 30s.`,
            { level },
          );
        }
        return Number(match[1]) * (UNIT_MS[match[2] as string] as number);
      });
  }

  /** The highest level. */
  get maxLevel(): number {
    return this.#delaysMs.length;
  }

  /** Level 1 is the first; a level above the highest is the highest. */
  delayMsOf(level: number): number {
    return this.#delaysMs[Math.min(level, this.maxLevel) - 1] ?? 0;
  }
}
