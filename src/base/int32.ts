// Signed 32-bit big-endian integers at places that are known to be inside the bytes. Buffer's own methods check what they are
// given, at a cost that shows where every record of a log is read.

/** The caller has compared the bounds: beyond the end there is no error, only a wrong number. */
export function int32At(bytes: Uint8Array, position: number): number {
  return (
    ((bytes[position] as number) << 24) |
    ((bytes[position + 1] as number) << 16) |
    ((bytes[position + 2] as number) << 8) |
    (bytes[position + 3] as number)
  );
}

const TWO_32 = 0x1_0000_0000;

/** Eight bytes as an int64: NaN when it does not fit a safe integer. Bounds as with {@link int32At}. */
export function int64At(bytes: Uint8Array, position: number): number {
  const value = int32At(bytes, position) * TWO_32 + (int32At(bytes, position + 4) >>> 0);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}
