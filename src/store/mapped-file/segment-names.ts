// Segments are named by the physical offset of their first byte, as 20 decimal digits (Java: UtilAll.offset2FileName).

const NAME_LENGTH = 20;

export function segmentName(startOffset: number): string {
  return String(startOffset).padStart(NAME_LENGTH, '0');
}

/** undefined when the name is not a segment's. */
export function startOffsetOf(name: string): number | undefined {
  if (!/^\d{20}$/.test(name)) return undefined;
  const offset = Number(name);
  return Number.isSafeInteger(offset) ? offset : undefined;
}
