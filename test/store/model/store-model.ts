// What a store is, in fifty lines: per queue a list of messages that begins somewhere, and an offset per group. Segments matter only
// in what retention takes: everything below the log's beginning, which the model is told.

export interface ModelMessage {
  readonly body: string;
  readonly physicalOffset: number;
}

interface ModelQueue {
  messages: ModelMessage[];
  /** Queue offset of the first one. */
  minOffset: number;
}

export class StoreModel {
  readonly #queues = new Map<string, ModelQueue>();
  readonly #offsets = new Map<string, number>();

  /** Returns the queue offset of the first one. */
  put(queue: string, messages: readonly ModelMessage[]): number {
    let found = this.#queues.get(queue);
    if (found === undefined) this.#queues.set(queue, (found = { messages: [], minOffset: 0 }));
    const queueOffset = found.minOffset + found.messages.length;
    found.messages.push(...messages);
    return queueOffset;
  }

  minOffset(queue: string): number {
    return this.#queues.get(queue)?.minOffset ?? 0;
  }

  maxOffset(queue: string): number {
    const found = this.#queues.get(queue);
    return found === undefined ? 0 : found.minOffset + found.messages.length;
  }

  /** The bodies from an offset on. */
  read(queue: string, fromOffset: number): string[] {
    const found = this.#queues.get(queue);
    return (found?.messages ?? []).slice(Math.max(0, fromOffset - this.minOffset(queue))).map(({ body }) => body);
  }

  expire(minPhysicalOffset: number): void {
    for (const queue of this.#queues.values()) {
      const kept = queue.messages.filter(({ physicalOffset }) => physicalOffset >= minPhysicalOffset);
      queue.minOffset += queue.messages.length - kept.length;
      queue.messages = kept;
    }
  }

  deleteTopic(topic: string): void {
    for (const name of [...this.#queues.keys()]) if (name.startsWith(`${topic}/`)) this.#queues.delete(name);
    for (const key of [...this.#offsets.keys()]) if (key.startsWith(`${topic}/`)) this.#offsets.delete(key);
  }

  commit(queue: string, group: string, offset: number): void {
    this.#offsets.set(`${queue}/${group}`, offset);
  }

  fetch(queue: string, group: string): number | undefined {
    return this.#offsets.get(`${queue}/${group}`);
  }
}
