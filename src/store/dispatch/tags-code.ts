// The tags code of a consume queue unit: Java's hash of the tag, or, in the schedule topic, the time at which the message is due
// (Java: CommitLog.checkMessageAndReturnSize).

import { javaStringHash } from '../../base/java-string-hash.ts';
import { ownCopy } from '../../base/own-copy.ts';
import { getProperty, PropertyName } from '../../model/message-properties.ts';
import { SCHEDULE_TOPIC } from '../../model/names.ts';
import type { DelayLevels } from './delay-levels.ts';
import type { StoredProperties } from './stored-properties.ts';

/** Hashes remembered before the memory is emptied; tags are few in practice, and a hash is cheap to make again. */
const REMEMBERED_TAGS_MAX = 10_000;
/** A longer one is hashed each time. */
const REMEMBERED_LENGTH_MAX = 128;

export class TagsCodes {
  readonly #delayLevels: DelayLevels;
  readonly #hashes = new Map<string, number>();

  constructor(delayLevels: DelayLevels) {
    this.#delayLevels = delayLevels;
  }

  /** 0 for a message without a tag. */
  of(topic: string, properties: string, storeTimestampMs: number): number {
    if (topic === SCHEDULE_TOPIC) {
      const level = Number(getProperty(properties, PropertyName.DELAY) ?? '0');
      if (Number.isInteger(level) && level > 0) return storeTimestampMs + this.#delayLevels.delayMsOf(level);
    }
    const tags = getProperty(properties, PropertyName.TAGS);
    return tags === undefined ? 0 : this.#hashOf(tags);
  }

  /** The same of a record, from its bytes. */
  ofStored(topic: string, properties: StoredProperties, storeTimestampMs: number): number {
    if (topic === SCHEDULE_TOPIC) return this.of(topic, properties.text, storeTimestampMs);
    return properties.tagsEnd === 0 ? 0 : properties.hashOf(properties.tagsStart, properties.tagsEnd);
  }

  #hashOf(tags: string): number {
    const known = this.#hashes.get(tags);
    if (known !== undefined) return known;
    const hash = javaStringHash(tags);
    if (tags.length > REMEMBERED_LENGTH_MAX) return hash;
    if (this.#hashes.size >= REMEMBERED_TAGS_MAX) this.#hashes.clear();
    this.#hashes.set(ownCopy(tags), hash);
    return hash;
  }
}
