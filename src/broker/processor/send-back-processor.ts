// Answers code 36: a consumer gives a message back, to be tried again later or, after the last try, to be put aside in the
// dead-letter topic (Java: AbstractSendMessageProcessor.consumerSendMsgBack).

import { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import type { Prng } from '../../base/prng.ts';
import { createMessageId } from '../../model/message-id.ts';
import type { MessageToPut, StoredMessage } from '../../model/message.ts';
import { formatProperties, parseProperties, PropertyName } from '../../model/message-properties.ts';
import { dlqTopicOf, retryTopicOf } from '../../model/names.ts';
import type { SubscriptionGroupConfig } from '../../model/subscription-group-config.ts';
import { Perm } from '../../model/topic-config.ts';
import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import type { RequestHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import type { PutMessageResult } from '../../store/store-types.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { BrokerStore } from '../broker-store.ts';
import { brokerForbidsSending, groupNotExist } from '../remarks.ts';
import type { HostsOfConnections } from '../send/connection-hosts.ts';
import { delayed } from '../send/delay-transform.ts';
import { busy, isStored } from '../send/put-refusal.ts';
import { WaitingSends } from '../send/waiting-sends.ts';
import type { SubscriptionGroups } from '../subscription/subscription-groups.ts';
import { TopicSysFlag } from '../topic/broker-topics.ts';
import type { BrokerTopics } from '../topic/broker-topics.ts';

/** Messages that are in memory at one time between being read and being written again: each may have 4 MiB. */
const COPIES_MAX = 8;

const VERSION_WITH_MAX_RECONSUME_TIMES = 121;
/** The level of a message's first retry. */
const FIRST_RETRY_LEVEL = 3;

type Header = RequestHeader<typeof RequestCode.CONSUMER_SEND_MSG_BACK>;

export interface SendBackContext {
  readonly settings: BrokerSettings;
  readonly store: BrokerStore;
  readonly topics: BrokerTopics;
  readonly groups: SubscriptionGroups;
  readonly hosts: HostsOfConnections;
  readonly prng: Prng;
  readonly brokerHost: () => string;
}

export class SendBackProcessor {
  readonly #context: SendBackContext;
  readonly #copies = new ConcurrencyLimit(COPIES_MAX);
  readonly #waiting: WaitingSends;

  constructor(context: SendBackContext) {
    const { waitingSendsMax, waitingSendBytesMax } = context.settings;
    this.#context = context;
    this.#waiting = new WaitingSends({ countMax: waitingSendsMax, bytesMax: waitingSendBytesMax });
  }

  async process(request: RemotingCommand, connection: Connection): Promise<RemotingResponse> {
    const header = decodeHeader(RequestCode.CONSUMER_SEND_MSG_BACK, request);
    const { settings, groups, brokerHost } = this.#context;
    const group = groups.findOrCreate(header.group);
    if (group === undefined) {
      return { code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, remark: groupNotExist(header.group) };
    }
    if ((settings.brokerPerm & Perm.WRITE) === 0) {
      return { code: ResponseCode.NO_PERMISSION, remark: brokerForbidsSending(brokerHost()) };
    }
    if (group.retryQueueNums <= 0) return { code: ResponseCode.SUCCESS };
    const refusal = this.#prepareRetryTopic(header, group.retryQueueNums, connection);
    if (refusal !== undefined) return refusal;

    const begun = await this.#copies.run(() => this.#begin(request, connection, header, group));
    if ('code' in begun) return begun;
    const result = await begun.outcome;
    return isStored(result) ? { code: ResponseCode.SUCCESS } : systemError(`${result.status}: ${result.reason}`);
  }

  /** Reads the message and puts it where it belongs now. The outcome comes in an object, not to be waited for here. */
  async #begin(
    request: RemotingCommand,
    connection: Connection,
    header: Header,
    group: SubscriptionGroupConfig,
  ): Promise<RemotingResponse | { readonly outcome: PutMessageResult | Promise<PutMessageResult> }> {
    const { store } = this.#context;
    const problem = this.#waiting.problem;
    if (problem !== undefined) return busy(problem);
    const original = await store.messageAt(header.offset);
    if (original === undefined) return systemError(`look message by offset failed, ${header.offset}`);
    const timesAsked = request.version >= VERSION_WITH_MAX_RECONSUME_TIMES ? header.maxReconsumeTimes : undefined;
    const timesMax = timesAsked ?? group.retryMaxTimes;
    const isDead = original.reconsumeTimes >= timesMax || header.delayLevel < 0;
    const message = isDead
      ? this.#deadLetter(header, original, connection)
      : this.#retry(header, original, group.retryQueueNums, connection);
    if ('code' in message) return message;
    const outcome = store.put(message);
    return { outcome: outcome instanceof Promise ? this.#waiting.track(original.body.length, outcome) : outcome };
  }

  #prepareRetryTopic(header: Header, queueCount: number, connection: Connection): RemotingResponse | undefined {
    const topic = retryTopicOf(header.group);
    const config = this.#context.topics.findOrCreateForGroup({
      topic,
      queueCount,
      topicSysFlag: header.unitMode === true ? TopicSysFlag.UNIT_SUBSCRIPTION : 0,
      client: connection.remoteAddress,
    });
    if (config === undefined) return systemError(`topic[${topic}] not exist`);
    if ((config.perm & Perm.WRITE) !== 0) return undefined;
    return { code: ResponseCode.NO_PERMISSION, remark: `the topic[${topic}] sending message is forbidden` };
  }

  #retry(header: Header, original: StoredMessage, queueCount: number, connection: Connection): MessageToPut {
    const { store, prng } = this.#context;
    const level = header.delayLevel === 0 ? FIRST_RETRY_LEVEL + original.reconsumeTimes : header.delayLevel;
    const destination = {
      topic: retryTopicOf(header.group),
      queueId: prng.below(queueCount),
      properties: formatProperties(propertiesOfRetry(original)),
    };
    return this.#again(original, delayed(destination, level, store.delayLevels.maxLevel), connection);
  }

  #deadLetter(header: Header, original: StoredMessage, connection: Connection): MessageToPut | RemotingResponse {
    const topic = dlqTopicOf(header.group);
    const client = connection.remoteAddress;
    const config = this.#context.topics.findOrCreateForGroup({ topic, queueCount: 1, topicSysFlag: 0, client });
    if (config === undefined) return systemError(`topic[${topic}] not exist`);
    const properties = propertiesOfRetry(original).set(PropertyName.DELAY, '0');
    return this.#again(original, { topic, queueId: 0, properties: formatProperties(properties) }, connection);
  }

  #again(
    original: StoredMessage,
    destination: { readonly topic: string; readonly queueId: number; readonly properties: string },
    connection: Connection,
  ): MessageToPut {
    return {
      ...destination,
      flag: original.flag,
      sysFlag: original.sysFlag,
      bornTimestampMs: original.bornTimestampMs,
      bornHost: original.bornHost,
      storeHost: this.#context.hosts.of(connection).storeHost,
      reconsumeTimes: original.reconsumeTimes + 1,
      preparedTransactionOffset: 0,
      body: original.body,
    };
  }
}

/** Where the message came from at first stays with it through all its tries. */
function propertiesOfRetry(original: StoredMessage): Map<string, string> {
  const properties = parseProperties(original.properties);
  if (!properties.has(PropertyName.RETRY_TOPIC)) properties.set(PropertyName.RETRY_TOPIC, original.topic);
  if (!properties.has(PropertyName.ORIGIN_MESSAGE_ID)) {
    properties.set(PropertyName.ORIGIN_MESSAGE_ID, createMessageId(original.storeHost, original.physicalOffset));
  }
  // The consumer goes on when this is answered: under SYNC_FLUSH the answer must wait for the disk.
  properties.delete(PropertyName.WAIT);
  return properties;
}

const systemError = (remark: string): RemotingResponse => ({ code: ResponseCode.SYSTEM_ERROR, remark });
