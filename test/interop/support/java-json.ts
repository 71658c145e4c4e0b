/** Apache's JSON, as its files and tools have it: objects may have integers without quotes as keys. */

export function parseJavaJson(text: string): unknown {
  return JSON.parse(text.replaceAll(/([{,]\s*)(-?\d+)\s*:/g, '$1"$2":'));
}
