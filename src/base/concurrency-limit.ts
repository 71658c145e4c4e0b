// Lets so many tasks run at a time; the others wait their turn, first come, first served.

export class ConcurrencyLimit {
  readonly #runningMax: number;
  #running = 0;
  #line: (() => void)[] = [];

  constructor(runningMax: number) {
    this.#runningMax = runningMax;
  }

  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#runningMax) await new Promise<void>((resolve) => this.#line.push(resolve));
    else this.#running++;
    try {
      return await task();
    } finally {
      // The place goes to the next in line, so that nobody who comes now overtakes it.
      const next = this.#line.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
