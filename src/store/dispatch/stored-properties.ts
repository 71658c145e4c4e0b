// The properties of a record as they lie in the log: finds the values that the views are made of and takes their hashes from the
// bytes. A recovery does this for every record, and a string for each would cost more than all the rest.
//
// The separators and the names are ASCII, and in UTF-8, intact or not, a byte below 0x80 stands only for itself: so the bytes of
// one value are exactly the characters of that value in the string, and may be decoded on their own.

import { javaStringHash } from '../../base/java-string-hash.ts';
import { NAME_VALUE_SEPARATOR, PropertyName, PROPERTY_SEPARATOR } from '../../model/message-properties.ts';

const SEPARATOR = PROPERTY_SEPARATOR.charCodeAt(0);
const headOf = (name: string): Buffer => Buffer.from(name + NAME_VALUE_SEPARATOR, 'latin1');
const UNIQUE_KEY_HEAD = headOf(PropertyName.UNIQUE_KEY);
const KEYS_HEAD = headOf(PropertyName.KEYS);
const TAGS_HEAD = headOf(PropertyName.TAGS);
const NOTHING = Buffer.alloc(0);

/** One mutable object serves a whole scan: borrowed, valid while the bytes are. Ranges are empty (0 to 0) without a value. */
export class StoredProperties {
  buffer: Buffer = NOTHING;
  uniqueKeyStart = 0;
  uniqueKeyEnd = 0;
  keysStart = 0;
  keysEnd = 0;
  tagsStart = 0;
  tagsEnd = 0;
  #position = 0;
  #end = 0;

  /** All of them, as one string. */
  get text(): string {
    return this.buffer.toString('utf8', this.#position, this.#end);
  }

  /** Of a name that stands there twice the last one counts; an entry without a value does not count. */
  find(buffer: Buffer, position: number, lengthBytes: number): void {
    const limit = position + lengthBytes;
    this.buffer = buffer;
    this.#position = position;
    this.#end = limit;
    this.uniqueKeyStart = this.uniqueKeyEnd = 0;
    this.keysStart = this.keysEnd = 0;
    this.tagsStart = this.tagsEnd = 0;
    for (let at = position; at < limit;) {
      let end = at;
      while (end < limit && buffer[end] !== SEPARATOR) end++;
      if (begins(buffer, at, end, UNIQUE_KEY_HEAD)) {
        this.uniqueKeyStart = at + UNIQUE_KEY_HEAD.length;
        this.uniqueKeyEnd = end;
      } else if (begins(buffer, at, end, KEYS_HEAD)) {
        this.keysStart = at + KEYS_HEAD.length;
        this.keysEnd = end;
      } else if (begins(buffer, at, end, TAGS_HEAD)) {
        this.tagsStart = at + TAGS_HEAD.length;
        this.tagsEnd = end;
      }
      at = end + 1;
    }
  }

  /** Java's hash of the text of a range, behind a prefix whose hash is `seed`. */
  hashOf(start: number, end: number, seed = 0): number {
    const { buffer } = this;
    let hash = seed;
    for (let at = start; at < end; at++) {
      const byte = buffer[at] as number;
      if (byte >= 0x80) return javaStringHash(buffer.toString('utf8', start, end), seed);
      hash = (Math.imul(31, hash) + byte) | 0;
    }
    return hash;
  }
}

/** An entry with this name and a value. */
function begins(buffer: Buffer, position: number, end: number, head: Buffer): boolean {
  if (end - position <= head.length) return false;
  for (let index = 0; index < head.length; index++) if (buffer[position + index] !== head[index]) return false;
  return true;
}
