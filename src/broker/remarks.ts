// Sentences that Apache answers with in several places. Clients show them to people, and tools search them, so they are its words.

const FAQ = 'https://rocketmq.apache.org/docs/bestPractice/06FAQ';

/** The hint that Apache appends to many refusals. */
export const SEE_FAQ = `\nSee ${FAQ} for further details.`;

export const groupNotExist = (group: string): string => `subscription group not exist, ${group} ${SEE_FAQ}`;

export const brokerForbidsSending = (brokerHost: string): string =>
  `the broker[${brokerHost}] sending message is forbidden`;
