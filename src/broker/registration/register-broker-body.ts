// The body of a registration (code 103; Java: RegisterBrokerBody): topics of this broker, and the version of their table. Plain
// JSON, as Apache's brokers send it by default.

import type { DataVersion } from '../../model/data-version.ts';
import { Perm } from '../../model/topic-config.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import { encodeJavaJson } from '../../remoting/protocol/java-json.ts';
import type { JavaJsonObject } from '../../remoting/protocol/java-json.ts';

/** `brokerPerm`: a broker that may not be read from or written to says so of each of its topics. */
export function encodeRegisterBrokerBody(
  topics: Iterable<TopicConfig>,
  dataVersion: DataVersion,
  brokerPerm: number,
): Buffer {
  const all = Perm.READ | Perm.WRITE;
  const permMask = (brokerPerm & all) === all ? -1 : brokerPerm;
  const topicConfigTable = Object.fromEntries(
    [...topics].map((topic) => [topic.topicName, topicJson(topic, permMask)]),
  );
  return encodeJavaJson({
    filterServerList: [],
    topicConfigSerializeWrapper: {
      dataVersion: versionJson(dataVersion),
      mappingDataVersion: versionJson({ ...dataVersion, counter: 0 }),
      topicConfigTable,
      topicQueueMappingDetailMap: {},
      topicQueueMappingInfoMap: {},
    },
  });
}

/** Members in Java's order. */
function topicJson(topic: TopicConfig, permMask: number): JavaJsonObject {
  return {
    attributes: { ...topic.attributes },
    order: topic.order,
    perm: topic.perm & permMask,
    readQueueNums: topic.readQueueNums,
    topicFilterType: topic.topicFilterType,
    topicName: topic.topicName,
    topicSysFlag: topic.topicSysFlag,
    writeQueueNums: topic.writeQueueNums,
  };
}

const versionJson = ({ counter, stateVersion, timestamp }: DataVersion): JavaJsonObject => ({
  counter,
  stateVersion,
  timestamp,
});
