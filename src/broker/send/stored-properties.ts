// The properties as they are stored: the producer's, then the broker's own (Java: SendMessageProcessor, buildMsgContext). A
// producer that sends one of the broker's own is overruled.

import { formatProperties, parseProperties, PROPERTY_SEPARATOR, PropertyName } from '../../model/message-properties.ts';
import type { ScannedProperties } from './properties-scan.ts';

export class StoredProperties {
  readonly #own: readonly (readonly [string, string])[];
  readonly #ownText: string;

  constructor(settings: { readonly clusterName: string; readonly regionId: string; readonly isTraceOn: boolean }) {
    this.#own = [
      [PropertyName.MSG_REGION, settings.regionId],
      [PropertyName.TRACE_ON, String(settings.isTraceOn)],
      [PropertyName.CLUSTER, settings.clusterName],
    ];
    this.#ownText = formatProperties(this.#own);
  }

  /** `madeUniqueKey` is for a message that came without one. `scanned` is of `properties`. */
  of(properties: string, scanned: ScannedProperties, madeUniqueKey: string | undefined): string {
    if (!scanned.isPlain) return this.#rewrite(properties, madeUniqueKey);
    const separator = properties.length === 0 || properties.endsWith(PROPERTY_SEPARATOR) ? '' : PROPERTY_SEPARATOR;
    const made = madeUniqueKey === undefined ? '' : formatProperties([[PropertyName.UNIQUE_KEY, madeUniqueKey]]);
    return properties + separator + made + this.#ownText;
  }

  #rewrite(properties: string, madeUniqueKey: string | undefined): string {
    const map = parseProperties(properties);
    map.delete(PropertyName.POP_CHECK_POINT);
    if (madeUniqueKey !== undefined) map.set(PropertyName.UNIQUE_KEY, madeUniqueKey);
    for (const [name, value] of this.#own) map.set(name, value);
    return formatProperties(map);
  }
}
