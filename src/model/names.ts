// Rules for topic and group names, and the names that the system gives itself (Java: TopicValidator, MixAll, Validators).

export const RETRY_TOPIC_PREFIX = '%RETRY%';
export const DLQ_TOPIC_PREFIX = '%DLQ%';
export const SCHEDULE_TOPIC = 'SCHEDULE_TOPIC_XXXX';
/** The template from which topics are made on first use. */
export const AUTO_CREATE_TOPIC = 'TBW102';

export const TOPIC_LENGTH_MAX = 127;
/** Retry and dead-letter topics carry a group name behind a prefix. */
export const RETRY_OR_DLQ_TOPIC_LENGTH_MAX = 255;
export const GROUP_LENGTH_MAX = 120;
export const QUEUE_ID_MAX = 65_535;

const NAME_PATTERN = /^[%|a-zA-Z0-9_-]+$/;

export const retryTopicOf = (group: string): string => RETRY_TOPIC_PREFIX + group;
export const dlqTopicOf = (group: string): string => DLQ_TOPIC_PREFIX + group;
export const isRetryTopic = (topic: string): boolean => topic.startsWith(RETRY_TOPIC_PREFIX);
export const isDlqTopic = (topic: string): boolean => topic.startsWith(DLQ_TOPIC_PREFIX);

/** undefined when the name may be used, else a sentence that says why not. */
export function topicNameProblem(topic: string): string | undefined {
  if (topic.length === 0) return 'The topic name is empty.';
  if (!NAME_PATTERN.test(topic)) {
    return `The topic name ${JSON.stringify(topic.slice(0, 64))} may only have letters, digits, %, |, - and _.`;
  }
  const limit = isRetryTopic(topic) || isDlqTopic(topic) ? RETRY_OR_DLQ_TOPIC_LENGTH_MAX : TOPIC_LENGTH_MAX;
  if (topic.length > limit) return `The topic name has ${topic.length} characters, the limit is ${limit}.`;
  return undefined;
}

/** undefined when the name may be used, else a sentence that says why not. */
export function groupNameProblem(group: string): string | undefined {
  if (group.length === 0) return 'The group name is empty.';
  if (!NAME_PATTERN.test(group)) {
    return `The group name ${JSON.stringify(group.slice(0, 64))} may only have letters, digits, %, |, - and _.`;
  }
  if (group.length > GROUP_LENGTH_MAX) {
    return `The group name has ${group.length} characters, the limit is ${GROUP_LENGTH_MAX}.`;
  }
  return undefined;
}
