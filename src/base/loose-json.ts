// JSON as Java's fastjson writes it: integer keys of maps stand without quotes, `{0:123}`.

/** A string, taken whole so that nothing inside it is touched, or a bare integer key with what stands around it. */
const STRING_OR_BARE_KEY = /"(?:[^"\\]|\\.)*"|([{,]\s*)(-?\d+)(\s*:)/gs;

/** Parses JSON, also with bare integer keys. Throws a SyntaxError as JSON.parse does. */
export function parseLooseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return JSON.parse(quoteBareKeys(text)) as unknown; // strict JSON is the common case and must not pay for the loose one
  }
}

function quoteBareKeys(text: string): string {
  return text.replace(STRING_OR_BARE_KEY, (whole: string, before?: string, key?: string, after?: string) =>
    key === undefined ? whole : `${before ?? ''}"${key}"${after ?? ''}`,
  );
}
