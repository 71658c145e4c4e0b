// Texts that outlive the request they came in. V8 makes a long slice of a string a view that keeps the whole string alive: a
// topic name cut out of a header would keep up to 256 KiB for as long as the topic exists.

/** The same text in memory of its own. Lone surrogates, which UTF-8 does not have, become U+FFFD. */
export function ownCopy(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
