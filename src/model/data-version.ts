// The version stamp of a configuration table (Java: DataVersion): name server and slaves compare it to see a change.

export interface DataVersion {
  readonly stateVersion: number;
  readonly timestamp: number;
  readonly counter: number;
}

export const initialDataVersion: DataVersion = { stateVersion: 0, timestamp: 0, counter: 0 };

/** The stamp after one more change at `nowMs`. */
export function nextDataVersion(version: DataVersion, nowMs: number): DataVersion {
  return { stateVersion: version.stateVersion, timestamp: nowMs, counter: version.counter + 1 };
}
