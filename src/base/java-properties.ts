// Java's .properties text: what broker.conf and namesrv.conf are written in, and what configuration requests carry.

/** Keys and values in their order; the last of equal keys wins. Source: java.util.Properties.load. */
export function parseJavaProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const { key, value } = splitLine(line);
    if (key !== '') properties.set(key, value);
  }
  return properties;
}

/** The reverse, one `key=value` a line. */
export function formatJavaProperties(properties: Iterable<readonly [string, string | number | boolean]>): string {
  let text = '';
  for (const [key, value] of properties) text += `${escape(key, true)}=${escape(String(value), false)}\n`;
  return text;
}

/** Lines without comments and blank ones; a line that ends in an odd number of backslashes goes on in the next. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let open: string | undefined;
  for (const raw of text.split(/\r\n|\n|\r/)) {
    const line = raw.replace(/^[ \t\f]+/, '');
    if (open === undefined && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue;
    const whole: string = (open ?? '') + line;
    const trailing = /\\*$/.exec(whole)?.[0].length ?? 0;
    if (trailing % 2 === 1) {
      open = whole.slice(0, -1);
      continue;
    }
    lines.push(whole);
    open = undefined;
  }
  if (open !== undefined) lines.push(open);
  return lines;
}

function splitLine(line: string): { key: string; value: string } {
  let end = 0;
  while (end < line.length && !' \t\f=:'.includes(line[end] as string)) end += line[end] === '\\' ? 2 : 1;
  const rest = /^[ \t\f]*[=:]?[ \t\f]*/.exec(line.slice(end))?.[0].length ?? 0;
  return { key: unescape(line.slice(0, end)), value: unescape(line.slice(end + rest)).trimEnd() };
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescape(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_whole, code: string | undefined, char: string | undefined) =>
    code === undefined ? (ESCAPES[char ?? ''] ?? char ?? '') : String.fromCharCode(Number.parseInt(code, 16)),
  );
}

function escape(text: string, isKey: boolean): string {
  const escaped = text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t');
  return isKey ? escaped.replace(/[ =:#!]/g, '\\$&') : escaped;
}
