// Answers pulls (code 11; Java: PullMessageProcessor, DefaultPullMessageResultHandler): checks who asks for what, reads, and holds
// what finds nothing (long polling). Messages go to the socket as views of the mapped log.

import { AssertionFailure, unreachable } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { describeError } from '../../base/errors.ts';
import { PullSysFlag } from '../../model/sys-flag.ts';
import type { SubscriptionGroupConfig } from '../../model/subscription-group-config.ts';
import { Perm } from '../../model/topic-config.ts';
import type { TopicConfig } from '../../model/topic-config.ts';
import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import type { PullMessageRequestHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import { DEFERRED } from '../../remoting/transport/connection.ts';
import type { Connection, HandlerResult } from '../../remoting/transport/connection.ts';
import type { GetMessageResult, GetMessageStatus, MessageFilter } from '../../store/store-types.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { BrokerStore } from '../broker-store.ts';
import type { ConsumerTable } from '../client/consumer-table.ts';
import { PullHoldTable } from '../long-polling/pull-hold-table.ts';
import type { PullToHold } from '../long-polling/pull-hold-table.ts';
import { SEE_FAQ } from '../remarks.ts';
import type { BrokerStatistics } from '../statistics/broker-statistics.ts';
import { isTagType, TagFilters } from '../subscription/subscription-data.ts';
import type { SubscriptionGroups } from '../subscription/subscription-groups.ts';
import type { BrokerTopics } from '../topic/broker-topics.ts';

/** Why a pull is forbidden, as a number for clients (Java: ForbiddenType). */
const ForbiddenType = { BROKER: 1, GROUP: 2, TOPIC: 3, BROADCASTING: 4, SUBSCRIPTION: 5 } as const;

export interface PullContext {
  readonly settings: BrokerSettings;
  readonly store: BrokerStore;
  readonly topics: BrokerTopics;
  readonly groups: SubscriptionGroups;
  readonly consumers: ConsumerTable;
  readonly statistics: BrokerStatistics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly brokerHost: () => string;
}

/** What a pull may read. */
interface AdmittedPull {
  readonly topicConfig: TopicConfig;
  readonly groupConfig: SubscriptionGroupConfig;
  /** undefined: every message. */
  readonly filter: MessageFilter | undefined;
}

type Refused = RemotingResponse & { readonly remark: string };

export class PullMessageProcessor {
  readonly #context: PullContext;
  readonly #tagFilters = new TagFilters();
  readonly holds: PullHoldTable;

  constructor(context: PullContext) {
    this.#context = context;
    const { clock, settings } = context;
    this.holds = new PullHoldTable({ clock, countMax: settings.heldPullsMax, wake: (pull) => this.#wake(pull) });
  }

  process(request: RemotingCommand, connection: Connection): HandlerResult | Promise<HandlerResult> {
    return this.#pull(request, connection, true);
  }

  /** The second and last pass of a held pull: it is answered whatever there is. */
  #wake(pull: PullToHold): void {
    const { request, connection } = pull;
    let result: HandlerResult | Promise<HandlerResult>;
    try {
      result = this.#pull(request, connection, false);
    } catch (error) {
      this.#wakeFailed(pull, error);
      return;
    }
    if (result instanceof Promise) {
      result.then(
        (late) => this.#respond(pull, late),
        (error: unknown) => this.#wakeFailed(pull, error),
      );
    } else {
      this.#respond(pull, result);
    }
  }

  #respond(pull: PullToHold, result: HandlerResult): void {
    if (result !== undefined && result !== DEFERRED) pull.connection.respond(pull.request, result);
  }

  #wakeFailed(pull: PullToHold, error: unknown): void {
    if (error instanceof AssertionFailure) throw error;
    this.#context.logger.error('broker.pull.failed', { topic: pull.topic, queueId: pull.queueId, error });
    pull.connection.respond(pull.request, { code: ResponseCode.SYSTEM_ERROR, remark: describeError(error) });
  }

  #pull(request: RemotingCommand, connection: Connection, mayHold: boolean): HandlerResult | Promise<HandlerResult> {
    const header = decodeHeader(RequestCode.PULL_MESSAGE, request);
    const admitted = this.#admit(header, connection);
    if ('remark' in admitted) return admitted;
    if (mayHold) this.#commitOffset(header, admitted);
    const beganMs = this.#context.clock.monotonicMs();
    const result = this.#read(header, admitted.filter);
    if (!(result instanceof Promise))
      return this.#answer(request, connection, header, admitted, { result, beganMs, mayHold });
    return result.then((late) => {
      // Messages may have arrived since the read looked: holding now could miss them. The client asks again at once.
      return this.#answer(request, connection, header, admitted, { result: late, beganMs, mayHold: false });
    });
  }

  #read(
    header: PullMessageRequestHeader,
    filter: MessageFilter | undefined,
  ): GetMessageResult | Promise<GetMessageResult> {
    const { store, settings } = this.#context;
    const request = {
      topic: header.topic,
      queueId: header.queueId,
      queueOffset: header.queueOffset,
      messageCountMax: Math.max(1, Math.min(header.maxMsgNums, settings.pullMessageCountMax)),
      bytesMax: settings.pullBytesMax,
    };
    return store.get(filter === undefined ? request : { ...request, filter });
  }

  #commitOffset(header: PullMessageRequestHeader, { groupConfig, topicConfig }: AdmittedPull): void {
    const { sysFlag, queueId, commitOffset } = header;
    if ((sysFlag & PullSysFlag.COMMIT_OFFSET) === 0 || commitOffset < 0) return;
    // The tables' own texts: those of the request would keep the whole header in memory with the offset.
    const { consumerOffsets } = this.#context.store.state;
    consumerOffsets.commit(groupConfig.groupName, topicConfig.topicName, queueId, commitOffset);
  }

  #answer(
    request: RemotingCommand,
    connection: Connection,
    header: PullMessageRequestHeader,
    admitted: AdmittedPull,
    read: { readonly result: GetMessageResult; readonly beganMs: number; readonly mayHold: boolean },
  ): HandlerResult {
    const { statistics, clock } = this.#context;
    const { result } = read;
    const code = codeOf(result.status, header.queueOffset);
    statistics.got(result.messageCount, clock.monotonicMs() - read.beganMs);
    if (code === ResponseCode.PULL_NOT_FOUND && read.mayHold && (header.sysFlag & PullSysFlag.SUSPEND) !== 0) {
      result.release();
      return this.#hold(request, connection, header, admitted.filter);
    }
    const isFound = result.messageCount > 0;
    if (!isFound) result.release();
    return {
      code,
      // Apache makes a queue when it is first looked for, so it never has to say that there is none.
      remark: result.status === 'NO_MATCHED_LOGIC_QUEUE' ? 'NO_MESSAGE_IN_QUEUE' : result.status,
      extFields: {
        suggestWhichBrokerId: 0,
        nextBeginOffset: result.nextBeginOffset,
        minOffset: result.minOffset,
        maxOffset: result.maxOffset,
        topicSysFlag: admitted.topicConfig.topicSysFlag,
        groupSysFlag: admitted.groupConfig.groupSysFlag,
      },
      body: isFound ? result.views : undefined,
      release: isFound ? () => result.release() : undefined,
    };
  }

  #hold(
    request: RemotingCommand,
    connection: Connection,
    header: PullMessageRequestHeader,
    filter: MessageFilter | undefined,
  ): HandlerResult {
    const { settings } = this.#context;
    if (this.holds.isFull) {
      const remark = `[POLLING_FULL]${this.holds.count} pulls are held already, the limit is ${settings.heldPullsMax}`;
      return { code: ResponseCode.SYSTEM_BUSY, remark };
    }
    const { topic, queueId, queueOffset } = header;
    const wantedMs = settings.isLongPolling ? header.suspendTimeoutMillis : settings.shortPollingMs;
    const forMs = Math.max(0, Math.min(wantedMs, settings.holdMsMax));
    this.holds.hold({ request, connection, topic, queueId, queueOffset, filter }, forMs);
    return DEFERRED;
  }

  #admit(header: PullMessageRequestHeader, connection: Connection): AdmittedPull | Refused {
    const { settings, topics, groups, brokerHost } = this.#context;
    if ((settings.brokerPerm & Perm.READ) === 0) {
      return forbidden(ForbiddenType.BROKER, `the broker[${brokerHost()}] pulling message is forbidden`);
    }
    const group = header.consumerGroup;
    const groupConfig = groups.findOrCreate(group);
    if (groupConfig === undefined) {
      const remark = `subscription group [${group}] does not exist, ${SEE_FAQ}`;
      return { code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, remark };
    }
    if (!groupConfig.consumeEnable) {
      return forbidden(ForbiddenType.GROUP, `subscription group no permission, ${group}`);
    }
    const topicConfig = topics.find(header.topic);
    if (topicConfig === undefined) {
      const remark = `topic[${header.topic}] not exist, apply first please! ${SEE_FAQ}`;
      return { code: ResponseCode.TOPIC_NOT_EXIST, remark };
    }
    if ((topicConfig.perm & Perm.READ) === 0) {
      return forbidden(ForbiddenType.TOPIC, `the topic[${header.topic}] pulling message is forbidden`);
    }
    if (header.queueId < 0 || header.queueId >= topicConfig.readQueueNums) {
      const remark =
        `queueId[${header.queueId}] is illegal, topic:[${header.topic}] topicConfig.readQueueNums:` +
        `[${topicConfig.readQueueNums}] consumer:[/${connection.remoteAddress}:${connection.remotePort}]`;
      return { code: ResponseCode.INVALID_PARAMETER, remark };
    }
    const selection =
      (header.sysFlag & PullSysFlag.SUBSCRIPTION) !== 0
        ? this.#selectionOfRequest(header)
        : this.#selectionOfHeartbeat(header, groupConfig);
    return 'remark' in selection ? selection : { topicConfig, groupConfig, filter: selection.filter };
  }

  /** The pull brings its expression along (pull consumers, tools, proxies). */
  #selectionOfRequest(header: PullMessageRequestHeader): { filter: MessageFilter | undefined } | Refused {
    const { subscription = '', expressionType = '' } = header;
    const isTag = isTagType(expressionType);
    const filter = isTag ? this.#tagFilters.of(subscription) : undefined;
    if (filter === 'illegal' || (!isTag && subscription === '')) {
      return { code: ResponseCode.SUBSCRIPTION_PARSE_FAILED, remark: "parse the consumer's subscription failed" };
    }
    return isTag ? { filter } : notSupported(expressionType);
  }

  /** The expression is that of the group's heartbeats (push consumers). */
  #selectionOfHeartbeat(
    header: PullMessageRequestHeader,
    groupConfig: SubscriptionGroupConfig,
  ): { filter: MessageFilter | undefined } | Refused {
    const { consumers, groups } = this.#context;
    const { consumerGroup, topic } = header;
    const group = consumers.find(consumerGroup);
    if (group === undefined) {
      return { code: ResponseCode.SUBSCRIPTION_NOT_EXIST, remark: `the consumer's group info not exist${SEE_FAQ}` };
    }
    if (group.isBroadcasting && !groupConfig.consumeBroadcastEnable) {
      const remark = `the consumer group[${consumerGroup}] can not consume by broadcast way`;
      return forbidden(ForbiddenType.BROADCASTING, remark);
    }
    if (groups.isReadForbidden(consumerGroup, topic)) {
      const remark = `the consumer group[${consumerGroup}] is forbidden for topic[${topic}]`;
      return forbidden(ForbiddenType.SUBSCRIPTION, remark);
    }
    const subscription = group.subscriptionOf(topic);
    if (subscription === undefined) {
      return { code: ResponseCode.SUBSCRIPTION_NOT_EXIST, remark: `the consumer's subscription not exist${SEE_FAQ}` };
    }
    if (subscription.version < header.subVersion) {
      return { code: ResponseCode.SUBSCRIPTION_NOT_LATEST, remark: "the consumer's subscription not latest" };
    }
    return isTagType(subscription.expressionType)
      ? { filter: subscription.filter }
      : notSupported(subscription.expressionType);
  }
}

/** Java: PullMessageProcessor.composeResponseHeader. */
function codeOf(status: GetMessageStatus, queueOffset: number): ResponseCode {
  switch (status) {
    case 'FOUND':
      return ResponseCode.SUCCESS;
    case 'MESSAGE_WAS_REMOVING':
    case 'NO_MATCHED_MESSAGE':
      return ResponseCode.PULL_RETRY_IMMEDIATELY;
    case 'NO_MATCHED_LOGIC_QUEUE':
    case 'NO_MESSAGE_IN_QUEUE':
      return queueOffset === 0 ? ResponseCode.PULL_NOT_FOUND : ResponseCode.PULL_OFFSET_MOVED;
    case 'OFFSET_FOUND_NULL':
    case 'OFFSET_OVERFLOW_ONE':
      return ResponseCode.PULL_NOT_FOUND;
    case 'OFFSET_OVERFLOW_BADLY':
    case 'OFFSET_TOO_SMALL':
      return ResponseCode.PULL_OFFSET_MOVED;
    default:
      return unreachable(status);
  }
}

function forbidden(forbiddenType: number, remark: string): Refused {
  return { code: ResponseCode.NO_PERMISSION, remark, extFields: { forbiddenType } };
}

const notSupported = (expressionType: string): Refused => ({
  code: ResponseCode.SYSTEM_ERROR,
  remark: `The broker does not support consumer to filter message by ${expressionType}`,
});
