// The keys under which a message is found, as hashes: its unique key, each of its KEYS and its tag, joined with the topic. They are
// taken straight from the properties string; the joined strings are never built.

import { javaStringHash } from '../../base/java-string-hash.ts';
import { NAME_VALUE_SEPARATOR, PropertyName, PROPERTY_SEPARATOR } from '../../model/message-properties.ts';
import type { StoredProperties } from '../dispatch/stored-properties.ts';

/** Java: MessageConst.INDEX_KEY_TYPE, INDEX_UNIQUE_TYPE, INDEX_TAG_TYPE. */
export type IndexType = 'K' | 'U' | 'T';

const UNIQUE_KEY_HEAD = PropertyName.UNIQUE_KEY + NAME_VALUE_SEPARATOR;
const KEYS_HEAD = PropertyName.KEYS + NAME_VALUE_SEPARATOR;
const TAGS_HEAD = PropertyName.TAGS + NAME_VALUE_SEPARATOR;
const TAG_PREFIX = 'T#';
const SPACE = 0x20;

/** Hash of `topic#key`, or of `topic#T#tag`. */
export function keyHashOf(topic: string, key: string, indexType: IndexType | undefined): number {
  const seed = javaStringHash(indexType === 'T' ? `#${TAG_PREFIX}` : '#', javaStringHash(topic));
  return positive(javaStringHash(key, seed));
}

/** The index has no sign bit: the absolute value, and 0 where Java's abs stays negative. */
function positive(hash: number): number {
  const absolute = Math.abs(hash);
  return absolute === 0x8000_0000 ? 0 : absolute;
}

/** Hashes of one message at a time; the buffer is reused. Stateless but for that. */
export class MessageKeyHashes {
  /** The first {@link count} are of the last message. */
  hashes = new Int32Array(16);
  count = 0;
  #topic = '';
  #topicSeed = javaStringHash('#');

  /** In Apache's order: unique key, keys, tag. */
  take(topic: string, properties: string): void {
    this.count = 0;
    let uniqueStart = 0;
    let uniqueEnd = 0;
    let keysStart = 0;
    let keysEnd = 0;
    let tagsStart = 0;
    let tagsEnd = 0;
    for (let at = 0; at < properties.length;) {
      const found = properties.indexOf(PROPERTY_SEPARATOR, at);
      const end = found < 0 ? properties.length : found;
      // Of a name that stands there twice the last one counts; an entry without a value does not count.
      const first = properties[at];
      if (first === 'U' && end > at + UNIQUE_KEY_HEAD.length && properties.startsWith(UNIQUE_KEY_HEAD, at)) {
        uniqueStart = at + UNIQUE_KEY_HEAD.length;
        uniqueEnd = end;
      } else if (first === 'K' && end > at + KEYS_HEAD.length && properties.startsWith(KEYS_HEAD, at)) {
        keysStart = at + KEYS_HEAD.length;
        keysEnd = end;
      } else if (first === 'T' && end > at + TAGS_HEAD.length && properties.startsWith(TAGS_HEAD, at)) {
        tagsStart = at + TAGS_HEAD.length;
        tagsEnd = end;
      }
      at = end + 1;
    }
    const seed = this.#seedOf(topic);
    if (uniqueEnd > 0) this.#add(hashRange(properties, uniqueStart, uniqueEnd, seed));
    if (keysEnd > 0) this.#addKeys(properties, keysStart, keysEnd, seed);
    if (tagsEnd > 0) this.#add(hashRange(properties, tagsStart, tagsEnd, javaStringHash(TAG_PREFIX, seed)));
  }

  /** The same of a record, from its bytes. */
  takeStored(topic: string, properties: StoredProperties): void {
    this.count = 0;
    const { buffer, uniqueKeyStart, uniqueKeyEnd, keysEnd, tagsStart, tagsEnd } = properties;
    const seed = this.#seedOf(topic);
    if (uniqueKeyEnd > 0) this.#add(properties.hashOf(uniqueKeyStart, uniqueKeyEnd, seed));
    let keyStart = properties.keysStart;
    for (let at = keyStart; at <= keysEnd; at++) {
      if (at < keysEnd && buffer[at] !== SPACE) continue;
      if (at > keyStart) this.#add(properties.hashOf(keyStart, at, seed));
      keyStart = at + 1;
    }
    if (tagsEnd > 0) this.#add(properties.hashOf(tagsStart, tagsEnd, javaStringHash(TAG_PREFIX, seed)));
  }

  #seedOf(topic: string): number {
    if (topic !== this.#topic) {
      this.#topic = topic;
      this.#topicSeed = javaStringHash('#', javaStringHash(topic));
    }
    return this.#topicSeed;
  }

  /** KEYS holds keys separated by spaces. */
  #addKeys(properties: string, start: number, end: number, seed: number): void {
    let keyStart = start;
    for (let at = start; at <= end; at++) {
      if (at < end && properties.charCodeAt(at) !== SPACE) continue;
      if (at > keyStart) this.#add(hashRange(properties, keyStart, at, seed));
      keyStart = at + 1;
    }
  }

  #add(hash: number): void {
    if (this.count === this.hashes.length) {
      const longer = new Int32Array(this.hashes.length * 2);
      longer.set(this.hashes);
      this.hashes = longer;
    }
    this.hashes[this.count++] = positive(hash);
  }
}

function hashRange(text: string, start: number, end: number, seed: number): number {
  let hash = seed;
  for (let index = start; index < end; index++) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0;
  return hash;
}
