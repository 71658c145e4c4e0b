// Topics as bytes, checked once: the hot path finds a topic's encoded name with one Map lookup. Bounded: when full it is
// emptied and fills again.

import { topicNameProblem } from '../../model/names.ts';

export interface TopicBytes {
  readonly topic: string;
  /** undefined when the name may not be used; see `problem`. */
  readonly bytes: Uint8Array;
  readonly problem: string | undefined;
}

const TOPICS_MAX = 65_536;

export class TopicTable {
  readonly #topics = new Map<string, TopicBytes>();
  #last: TopicBytes = { topic: '', bytes: new Uint8Array(0), problem: topicNameProblem('') };

  find(topic: string): TopicBytes {
    if (topic === this.#last.topic) return this.#last;
    const found = this.#topics.get(topic) ?? this.#add(topic);
    this.#last = found;
    return found;
  }

  #add(topic: string): TopicBytes {
    const entry = { topic, bytes: new TextEncoder().encode(topic), problem: topicNameProblem(topic) };
    // A refused name may be of any length and number; it must not push good ones out.
    if (entry.problem !== undefined) return entry;
    if (this.#topics.size >= TOPICS_MAX) this.#topics.clear();
    this.#topics.set(topic, entry);
    return entry;
  }
}
