// A DataVersion as JSON: the body of QUERY_DATA_VERSION, and a part of others.

import type { DataVersion } from '../../../model/data-version.ts';
import type { BodyReader } from '../body-reader.ts';
import { encodeJavaJson } from '../java-json.ts';

export function readDataVersion(reader: BodyReader | undefined): DataVersion {
  return {
    stateVersion: reader?.long('stateVersion') ?? 0,
    timestamp: reader?.long('timestamp') ?? 0,
    counter: reader?.long('counter') ?? 0,
  };
}

export function encodeDataVersion({ counter, stateVersion, timestamp }: DataVersion): Buffer {
  return encodeJavaJson({ counter, stateVersion, timestamp });
}
