// The string-to-string fields of a header (Java: RemotingCommand.extFields). Kept as one flat list of names and values in wire
// order: a request has about fifteen fields and each is read once, so building a map would cost more than it saves. A list also
// has no prototype for a field named `__proto__` to reach.

export class ExtFields {
  /** name, value, name, value, … A name may occur twice: the last one counts, as in Java's map. */
  readonly #flat: string[];

  /** Takes over `flat`: the caller must not change it afterwards. */
  constructor(flat: string[] = []) {
    this.#flat = flat;
  }

  /** From name-value pairs; a value that is undefined is left out, as Java leaves out null. */
  static from(pairs: Readonly<Record<string, FieldValue | undefined>>): ExtFields {
    const flat: string[] = [];
    for (const name of Object.keys(pairs)) {
      const value = pairs[name];
      if (value !== undefined) flat.push(name, String(value));
    }
    return new ExtFields(flat);
  }

  /** The names and values as one list, for decoders. Borrowed: not to be changed. */
  get flat(): readonly string[] {
    return this.#flat;
  }

  get(name: string): string | undefined {
    const flat = this.#flat;
    for (let index = flat.length - 2; index >= 0; index -= 2) if (flat[index] === name) return flat[index + 1];
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** In wire order, each name once. */
  toMap(): Map<string, string> {
    const map = new Map<string, string>();
    const flat = this.#flat;
    for (let index = 0; index + 1 < flat.length; index += 2) map.set(flat[index] as string, flat[index + 1] as string);
    return map;
  }

  toJSON(): Record<string, string> {
    return Object.fromEntries(this.toMap());
  }
}

/** What a header field of ours may be; written as Java's toString writes it. */
export type FieldValue = string | number | bigint | boolean;

/** Header fields on their way out, in the order in which they are written. */
export type OutgoingFields = Readonly<Record<string, FieldValue | undefined>>;

export const noExtFields: ExtFields = new ExtFields();
