// Answers sends: codes 10, 310 and 320, and one-way ones (Java: SendMessageProcessor). The hot path: a send to a topic that
// exists, of a store that has room, makes one message, one put and one answer, and no promise.

import type { Clock } from '../../base/clock.ts';
import type { Prng } from '../../base/prng.ts';
import type { MessageToPut } from '../../model/message.ts';
import { formatProperties, parseProperties, PropertyName } from '../../model/message-properties.ts';
import { dlqTopicOf, isRetryTopic } from '../../model/names.ts';
import { MessageSysFlag } from '../../model/sys-flag.ts';
import { Perm } from '../../model/topic-config.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import type { FieldValue } from '../../remoting/protocol/ext-fields.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { Connection, HandlerResult } from '../../remoting/transport/connection.ts';
import type { PutMessageResult } from '../../store/store-types.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { BrokerStore } from '../broker-store.ts';
import { brokerForbidsSending, groupNotExist, SEE_FAQ } from '../remarks.ts';
import { readBatchBody } from '../send/batch-body.ts';
import { messageId } from '../send/connection-hosts.ts';
import type { ConnectionHosts, HostsOfConnections } from '../send/connection-hosts.ts';
import { delayed } from '../send/delay-transform.ts';
import type { Destination } from '../send/delay-transform.ts';
import { scanProperties } from '../send/properties-scan.ts';
import type { ScannedProperties } from '../send/properties-scan.ts';
import { busy, codeOfStored, illegalMessage, isStored, refusalOf } from '../send/put-refusal.ts';
import type { Refusal } from '../send/put-refusal.ts';
import { decodeSendRequest } from '../send/send-request.ts';
import type { SendRequest } from '../send/send-request.ts';
import { StoredProperties } from '../send/stored-properties.ts';
import type { UniqueKeys } from '../send/unique-key.ts';
import { WaitingSends } from '../send/waiting-sends.ts';
import type { BrokerStatistics } from '../statistics/broker-statistics.ts';
import type { SubscriptionGroups } from '../subscription/subscription-groups.ts';
import { describeTopicConfig, TopicSysFlag } from '../topic/broker-topics.ts';
import type { BrokerTopics } from '../topic/broker-topics.ts';
import { isClosedToClients } from '../topic/system-topics.ts';
import { groupOfRetryTopic, topicRemark } from '../topic/topic-name-check.ts';

/** From this version on (V3_4_9) clients say how often a message may be tried again. */
const VERSION_WITH_MAX_RECONSUME_TIMES = 121;

export interface SendContext {
  readonly settings: BrokerSettings;
  readonly store: BrokerStore;
  readonly topics: BrokerTopics;
  readonly groups: SubscriptionGroups;
  readonly hosts: HostsOfConnections;
  readonly uniqueKeys: UniqueKeys;
  readonly statistics: BrokerStatistics;
  readonly clock: Clock;
  readonly prng: Prng;
  /** As clients know it, for remarks. */
  readonly brokerHost: () => string;
}

export class SendMessageProcessor {
  readonly #context: SendContext;
  readonly #properties: StoredProperties;
  readonly #waiting: WaitingSends;
  readonly #regionId: string;
  readonly #traceOn: string;

  constructor(context: SendContext) {
    const { settings } = context;
    this.#context = context;
    this.#properties = new StoredProperties(settings);
    this.#waiting = new WaitingSends({ countMax: settings.waitingSendsMax, bytesMax: settings.waitingSendBytesMax });
    this.#regionId = settings.regionId;
    this.#traceOn = String(settings.isTraceOn);
  }

  /** Sends that wait for the store now. */
  get waitingCount(): number {
    return this.#waiting.count;
  }

  process(request: RemotingCommand, connection: Connection): HandlerResult | Promise<HandlerResult> {
    const send = decodeSendRequest(request);
    const problem = this.#waiting.problem;
    if (problem !== undefined) return this.#refuse(busy(problem));
    const config = this.#topicFor(send, connection);
    if ('remark' in config) return this.#refuse(config);
    return send.batch
      ? this.#sendBatch(request, connection, send, config)
      : this.#sendOne(request, connection, send, config);
  }

  /** The topic, made when it is missing and may be; or why the send is refused (Java: msgCheck). */
  #topicFor(send: SendRequest, connection: Connection): TopicConfig | Refusal {
    const { settings, topics, brokerHost } = this.#context;
    if ((settings.brokerPerm & Perm.WRITE) === 0 && topics.isOrdered(send.topic)) {
      return { code: ResponseCode.NO_PERMISSION, remark: brokerForbidsSending(brokerHost()) };
    }
    const known = topics.find(send.topic);
    if (known === undefined) {
      const remark = topicRemark(send.topic);
      if (remark !== undefined) return { code: ResponseCode.INVALID_PARAMETER, remark };
    }
    if (isClosedToClients(send.topic)) {
      return { code: ResponseCode.NO_PERMISSION, remark: `Sending message to topic[${send.topic}] is forbidden.` };
    }
    const config = known ?? this.#createTopic(send, connection);
    if (config === undefined) {
      const remark = `topic[${send.topic}] not exist, apply first please!${SEE_FAQ}`;
      return { code: ResponseCode.TOPIC_NOT_EXIST, remark };
    }
    if (send.queueId >= Math.max(config.writeQueueNums, config.readQueueNums))
      return illegalQueue(send, config, connection);
    return config;
  }

  #createTopic(send: SendRequest, connection: Connection): TopicConfig | undefined {
    const { topics } = this.#context;
    const isRetry = isRetryTopic(send.topic);
    const unitFlag = isRetry ? TopicSysFlag.UNIT_SUBSCRIPTION : TopicSysFlag.UNIT;
    const topicSysFlag = send.unitMode ? unitFlag : 0;
    const client = addressOf(connection);
    const created = topics.createFromTemplate({
      topic: send.topic,
      templateTopic: send.defaultTopic,
      queueCountWanted: send.defaultTopicQueueNums,
      topicSysFlag,
      producer: client,
    });
    if (created !== undefined || !isRetry) return created;
    return topics.findOrCreateForGroup({ topic: send.topic, queueCount: 1, topicSysFlag, client });
  }

  #sendOne(
    request: RemotingCommand,
    connection: Connection,
    send: SendRequest,
    config: TopicConfig,
  ): HandlerResult | Promise<HandlerResult> {
    const scanned = scanProperties(send.properties);
    const level = scanned.delay === undefined ? 0 : wholeNumber(scanned.delay);
    const refusal = this.#refusalOfKind(send, scanned, level);
    if (refusal !== undefined) return this.#refuse(refusal);
    const queueId = send.queueId < 0 ? this.#randomQueue(config) : send.queueId;
    if (queueId === undefined) return this.#refuse(illegalQueue(send, config, connection));

    const { uniqueKeys, store } = this.#context;
    const madeUniqueKey = scanned.uniqueKey === undefined ? uniqueKeys.next() : undefined;
    const properties = this.#properties.of(send.properties, scanned, madeUniqueKey);
    let destination: Destination = { topic: config.topicName, queueId, properties };
    const deadLetter = isRetryTopic(send.topic) ? this.#deadLetterOf(request, connection, send, properties) : undefined;
    if (deadLetter !== undefined) {
      if ('remark' in deadLetter) return this.#refuse(deadLetter);
      destination = deadLetter;
    } else if (level > 0) {
      destination = delayed(destination, level, store.delayLevels.maxLevel);
    }
    const hosts = this.#context.hosts.of(connection);
    const message = messageOf(send, sysFlagOf(send, config), destination, hosts, request.body);
    const beganMs = this.#context.clock.monotonicMs();
    const transactionId = madeUniqueKey ?? scanned.uniqueKey;
    const result = store.put(message);
    if (!(result instanceof Promise)) return this.#answer(result, hosts, queueId, transactionId, beganMs);
    return this.#waiting
      .track(request.body.length, result)
      .then((late) => this.#answer(late, hosts, queueId, transactionId, beganMs));
  }

  /** Kinds of messages that can't be stored as plain ones (Java: HookUtils, rejectTransactionMessage, timerWheelEnable). */
  #refusalOfKind(send: SendRequest, scanned: ScannedProperties, level: number): Refusal | undefined {
    if (Number.isNaN(level)) {
      return {
        code: ResponseCode.MESSAGE_ILLEGAL,
        remark: 'The property DELAY must be a whole number, the delay level.',
      };
    }
    if (scanned.isTransactionPrepared && !(send.reconsumeTimes > 0 && level > 0)) {
      const remark = `the broker[${this.#context.brokerHost()}] sending transaction message is forbidden`;
      return { code: ResponseCode.NO_PERMISSION, remark };
    }
    if (scanned.hasInnerCount || (send.sysFlag & MessageSysFlag.INNER_BATCH) !== 0) {
      return illegalMessage(this.#context.settings.messageSizeBytesMax);
    }
    if (scanned.hasTimer && level <= 0) {
      return {
        code: ResponseCode.SYSTEM_ERROR,
        remark: 'accurate timer message is not enabled, timerWheelEnable is false',
      };
    }
    return undefined;
  }

  /**
   * A consumer that can't send a message back sends it to its retry topic itself; beyond the maximum it goes to the dead-letter
   * topic. undefined when it is not that far.
   */
  #deadLetterOf(
    request: RemotingCommand,
    connection: Connection,
    send: SendRequest,
    properties: string,
  ): Destination | Refusal | undefined {
    const { groups, topics } = this.#context;
    const group = groupOfRetryTopic(send.topic);
    const config = groups.findOrCreate(group);
    if (config === undefined) return { code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, remark: groupNotExist(group) };
    const timesAsked = request.version >= VERSION_WITH_MAX_RECONSUME_TIMES ? send.maxReconsumeTimes : undefined;
    if (send.reconsumeTimes <= (timesAsked ?? config.retryMaxTimes)) return undefined;
    const topic = dlqTopicOf(group);
    const client = addressOf(connection);
    if (topics.findOrCreateForGroup({ topic, queueCount: 1, topicSysFlag: 0, client }) === undefined) {
      return { code: ResponseCode.SYSTEM_ERROR, remark: `topic[${topic}] not exist` };
    }
    const map = parseProperties(properties);
    map.set(PropertyName.DELAY, '-1');
    return { topic, queueId: 0, properties: formatProperties(map) };
  }

  #sendBatch(
    request: RemotingCommand,
    connection: Connection,
    send: SendRequest,
    config: TopicConfig,
  ): HandlerResult | Promise<HandlerResult> {
    const { settings, store } = this.#context;
    if (isRetryTopic(send.topic)) {
      const remark = `batch request does not support retry group ${send.topic}`;
      return this.#refuse({ code: ResponseCode.MESSAGE_ILLEGAL, remark });
    }
    const queueId = send.queueId < 0 ? this.#randomQueue(config) : send.queueId;
    if (queueId === undefined) return this.#refuse(illegalQueue(send, config, connection));
    const hosts = this.#context.hosts.of(connection);
    const sysFlag = sysFlagOf(send, config);
    const common = messageOf(send, sysFlag, { topic: config.topicName, queueId, properties: '' }, hosts, request.body);
    const isTooLarge = request.body.length > settings.messageSizeBytesMax;
    const messages = isTooLarge ? undefined : readBatchBody(request.body, common, settings.batchMessageCountMax);
    const scanned = scanProperties(send.properties);
    // As Apache: a batch is neither part of a transaction nor delayed.
    const isKindIllegal =
      (sysFlag & (MessageSysFlag.INNER_BATCH | MessageSysFlag.TRANSACTION_MASK)) !== 0 ||
      (scanned.delay !== undefined && !(wholeNumber(scanned.delay) <= 0));
    if (messages === undefined || isKindIllegal) return this.#refuse(illegalMessage(settings.messageSizeBytesMax));
    const transactionId = scanned.uniqueKey;
    const beganMs = this.#context.clock.monotonicMs();
    const result = store.putBatch(messages);
    if (!(result instanceof Promise)) return this.#answer(result, hosts, queueId, transactionId, beganMs);
    return this.#waiting
      .track(request.body.length, result)
      .then((late) => this.#answer(late, hosts, queueId, transactionId, beganMs));
  }

  #answer(
    result: PutMessageResult,
    hosts: ConnectionHosts,
    queueId: number,
    transactionId: string | undefined,
    beganMs: number,
  ): RemotingResponse {
    const { statistics, clock, settings } = this.#context;
    if (!isStored(result)) {
      statistics.putsRefused++;
      return this.#refuse(refusalOf(result, settings.messageSizeBytesMax));
    }
    statistics.put(result.messageCount, result.sizeBytes, clock.monotonicMs() - beganMs);
    const prefix = hosts.messageIdPrefix;
    const { physicalOffsets } = result;
    return {
      code: codeOfStored(result.status),
      extFields: {
        msgId:
          physicalOffsets === undefined
            ? messageId(prefix, result.physicalOffset)
            : physicalOffsets.map((offset) => messageId(prefix, offset)).join(','),
        queueId,
        queueOffset: result.queueOffset,
        transactionId,
        MSG_REGION: this.#regionId,
        TRACE_ON: this.#traceOn,
      },
    };
  }

  /** Java clients read region and trace switch of refusals too. */
  #refuse(refusal: Refusal): RemotingResponse {
    const extFields: Record<string, FieldValue> = { MSG_REGION: this.#regionId, TRACE_ON: this.#traceOn };
    return { code: refusal.code, remark: refusal.remark, extFields };
  }

  #randomQueue(config: TopicConfig): number | undefined {
    return config.writeQueueNums > 0 ? this.#context.prng.below(config.writeQueueNums) : undefined;
  }
}

function messageOf(
  send: SendRequest,
  sysFlag: number,
  destination: Destination,
  hosts: ConnectionHosts,
  body: Buffer,
): MessageToPut {
  return {
    topic: destination.topic,
    queueId: destination.queueId,
    flag: send.flag,
    sysFlag,
    bornTimestampMs: send.bornTimestamp,
    bornHost: hosts.bornHost,
    storeHost: hosts.storeHost,
    reconsumeTimes: send.reconsumeTimes,
    preparedTransactionOffset: 0,
    body,
    properties: destination.properties,
  };
}

function sysFlagOf(send: SendRequest, config: TopicConfig): number {
  return config.topicFilterType === 'MULTI_TAG' ? send.sysFlag | MessageSysFlag.MULTI_TAGS : send.sysFlag;
}

function illegalQueue(send: SendRequest, config: TopicConfig, connection: Connection): Refusal {
  const remark =
    `request queueId[${send.queueId}] is illegal, ${describeTopicConfig(config)} ` +
    `Producer: ${addressOf(connection)}`;
  return { code: ResponseCode.INVALID_PARAMETER, remark };
}

const addressOf = (connection: Connection): string => `${connection.remoteAddress}:${connection.remotePort}`;

/** As Java's Integer.parseInt; NaN for what is none. */
function wholeNumber(text: string): number {
  const value = /^[+-]?\d{1,20}$/.test(text) ? Number(text) : Number.NaN;
  return value >= -(2 ** 31) && value < 2 ** 31 ? value : Number.NaN;
}
