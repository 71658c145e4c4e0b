// The body of REGISTER_BROKER (Java: RegisterBrokerBody): a broker's topics and their data version. Plain it is JSON; compressed
// it is a zlib stream of the following, integers big-endian:
//
// | size | field | notes |
// |------|-------|-------|
// | 4 + n | dataVersion | length, JSON |
// | 4 | topicCount | |
// | 4 + n | topic | length, `name read write perm filterType {attributes}`; once per topic; the sysFlag does not travel |
// | 4 + n | filterServerList | length, JSON array |
// | 4 | mappingCount | static topics; since 5.0 |
// | 4 + n | mapping | length, JSON; once per mapping |

import { inflateSync } from 'node:zlib';

import { crc32 } from '../../../base/crc32.ts';
import type { DataVersion } from '../../../model/data-version.ts';
import { topicConfig } from '../../../model/topic-config.ts';
import type { TopicConfig } from '../../../model/topic-config.ts';
import { BodyReader } from '../body-reader.ts';
import { parseJavaJson } from '../java-json-parser.ts';
import { invalidParameter } from '../remoting-errors.ts';
import { readDataVersion } from './data-version-body.ts';

export interface RegisterBrokerBody {
  readonly dataVersion: DataVersion;
  readonly topics: readonly TopicConfig[];
}

/** Inflated size: the limit of what a small frame may turn into. */
const INFLATED_SIZE_BYTES_MAX = 64 * 1024 * 1024;

/** The check value that travels in the header field bodyCrc32. */
export function registerBodyCrc32(body: Buffer): number {
  return crc32(body) & 0x7fff_ffff;
}

/** Throws RequestError INVALID_PARAMETER. An empty body is a broker without topics, as for Apache. */
export function decodeRegisterBrokerBody(bytes: Buffer, compressed: boolean): RegisterBrokerBody {
  if (bytes.length === 0) return { dataVersion: { stateVersion: 0, timestamp: 0, counter: 0 }, topics: [] };
  if (compressed) return decodeCompressed(bytes);
  const wrapper = new BodyReader(parseJavaJson(bytes)).object('topicConfigSerializeWrapper');
  const table = wrapper?.object('topicConfigTable');
  const topics: TopicConfig[] = [];
  for (const name of table?.names() ?? []) {
    const config = table?.object(name);
    if (config !== undefined) topics.push(readTopicConfig(name, config));
  }
  return { dataVersion: readDataVersion(wrapper?.object('dataVersion')), topics };
}

function readTopicConfig(name: string, config: BodyReader): TopicConfig {
  return topicConfig(config.string('topicName', name), {
    readQueueNums: config.int('readQueueNums', 16),
    writeQueueNums: config.int('writeQueueNums', 16),
    perm: config.int('perm', 6),
    topicFilterType: config.string('topicFilterType') === 'MULTI_TAG' ? 'MULTI_TAG' : 'SINGLE_TAG',
    topicSysFlag: config.int('topicSysFlag'),
    order: config.boolean('order'),
    attributes: readAttributes(config.object('attributes')),
  });
}

function readAttributes(attributes: BodyReader | undefined): Record<string, string> {
  if (attributes === undefined) return {};
  return Object.fromEntries([...attributes.names()].map((name) => [name, attributes.string(name)]));
}

function decodeCompressed(bytes: Buffer): RegisterBrokerBody {
  let inflated: Buffer;
  try {
    inflated = inflateSync(bytes, { maxOutputLength: INFLATED_SIZE_BYTES_MAX });
  } catch (cause) {
    throw invalidParameter('The compressed registration can not be inflated.', { cause });
  }
  const reader = new LengthReader(inflated);
  const dataVersion = readDataVersion(new BodyReader(parseJavaJson(reader.content())));
  const topics: TopicConfig[] = [];
  for (let count = reader.int32(); count > 0; count--) topics.push(parseTopicText(reader.content().toString('utf8')));
  // Filter servers are gone since 4.x, static topics are not served: what follows is not looked at.
  return { dataVersion, topics };
}

class LengthReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int32(): number {
    if (this.#position + 4 > this.#bytes.length) throw invalidParameter('The compressed registration ends too early.');
    const value = this.#bytes.readInt32BE(this.#position);
    this.#position += 4;
    return value;
  }

  content(): Buffer {
    const length = this.int32();
    const end = this.#position + length;
    if (length < 0 || end > this.#bytes.length) {
      throw invalidParameter('A length in the compressed registration is beyond its end.');
    }
    const content = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return content;
  }
}

function parseTopicText(text: string): TopicConfig {
  const match = /^(\S+) (-?\d{1,9}) (-?\d{1,9}) (\d{1,9}) (\S+)(?: (.*))?$/s.exec(text);
  if (match === null)
    throw invalidParameter('A topic in the compressed registration can not be read.', { topic: text });
  const [, name = '', read, write, perm, filterType, attributes] = match;
  return topicConfig(name, {
    readQueueNums: Number(read),
    writeQueueNums: Number(write),
    perm: Number(perm),
    topicFilterType: filterType === 'MULTI_TAG' ? 'MULTI_TAG' : 'SINGLE_TAG',
    attributes: attributes === undefined ? {} : readAttributes(new BodyReader(parseJavaJson(Buffer.from(attributes)))),
  });
}
