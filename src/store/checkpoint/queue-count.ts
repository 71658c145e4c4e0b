// How many consume queues had files at the last checkpoint. A queue's directory that vanished as a whole leaves no trace of its own, and
// a queue that seems new would give out offsets a second time; fewer directories than this number give it away.

import type { FileSystem } from '../file-system.ts';

export class QueueCount {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  #recorded: number;

  private constructor(fileSystem: FileSystem, path: string, recorded: number) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#recorded = recorded;
  }

  /** A file that is missing or unreadable counts as 0: nothing is known. */
  static open(fileSystem: FileSystem, path: string): QueueCount {
    const recorded = Number(fileSystem.readFileSync(path)?.toString('latin1').trim() ?? '0');
    return new QueueCount(fileSystem, path, Number.isSafeInteger(recorded) && recorded > 0 ? recorded : 0);
  }

  get recorded(): number {
    return this.#recorded;
  }

  /** Call when the files of that many queues are on disk. Durable when it resolves; costs nothing when the number is the same. */
  async record(count: number): Promise<void> {
    if (count === this.#recorded) return;
    await this.#fileSystem.replaceFile(this.#path, Buffer.from(`${count}\n`));
    this.#recorded = count;
  }
}
