// Whether a client may name a topic or group so, in the words of Apache's refusals (Java: TopicValidator).

import {
  DLQ_TOPIC_PREFIX,
  isDlqTopic,
  isRetryTopic,
  RETRY_OR_DLQ_TOPIC_LENGTH_MAX,
  RETRY_TOPIC_PREFIX,
  TOPIC_LENGTH_MAX,
  topicNameProblem,
} from '../../model/names.ts';

const LEGAL_CHARACTERS = '^[%|a-zA-Z0-9_-]+$';

/** undefined when the name may be used. */
export function topicRemark(topic: string): string | undefined {
  if (topicNameProblem(topic) === undefined) return undefined;
  if (topic.trim().length === 0) return 'The specified topic is blank.';
  if (!new RegExp(LEGAL_CHARACTERS).test(topic)) {
    return `The specified topic: ${topic}, contains illegal characters, allowing only ${LEGAL_CHARACTERS}`;
  }
  return isRetryTopic(topic) || isDlqTopic(topic)
    ? `The specified topic is DLQ or Retry topic: ${topic}, and it's longer than topic max length: ${RETRY_OR_DLQ_TOPIC_LENGTH_MAX}`
    : `The specified topic: ${topic}, is longer than topic max length: ${TOPIC_LENGTH_MAX}`;
}

/** The group behind a retry or dead-letter topic; pop's second form has the origin topic behind a '+'. */
export function groupOfRetryTopic(topic: string): string {
  const prefix = isDlqTopic(topic) ? DLQ_TOPIC_PREFIX : RETRY_TOPIC_PREFIX;
  const rest = topic.slice(prefix.length);
  const plus = rest.indexOf('+');
  return plus < 0 ? rest : rest.slice(0, plus);
}
