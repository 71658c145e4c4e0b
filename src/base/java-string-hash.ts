// Java's String.hashCode: 31-polynomial over UTF-16 units with 32-bit wrap. It is ABI on disk (tags, index keys) and on the
// wire (subscription code sets), so it must agree with Java bit for bit.

/** `seed` is the hash of a prefix: hash(prefix + text) === javaStringHash(text, javaStringHash(prefix)). */
export function javaStringHash(text: string, seed = 0): number {
  let hash = seed;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0;
  return hash;
}
