// Answers heartbeats (code 34; Java: ClientManageProcessor.heartBeat, heartBeatV2): clients say who they are, what they consume
// and what they produce. The group and its retry topic come into being here.

import type { Clock } from '../../base/clock.ts';
import { retryTopicOf } from '../../model/names.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { ClientExpiry } from '../client/client-expiry.ts';
import type { ClientOfGroup } from '../client/consumer-group.ts';
import type { ConsumerTable } from '../client/consumer-table.ts';
import { readHeartbeat } from '../client/heartbeat-data.ts';
import type { ConsumerData, HeartbeatData } from '../client/heartbeat-data.ts';
import type { ProducerTable } from '../client/producer-table.ts';
import type { SubscriptionGroups } from '../subscription/subscription-groups.ts';
import { TopicSysFlag } from '../topic/broker-topics.ts';
import type { BrokerTopics } from '../topic/broker-topics.ts';

export interface HeartbeatContext {
  readonly settings: BrokerSettings;
  readonly clock: Clock;
  readonly topics: BrokerTopics;
  readonly groups: SubscriptionGroups;
  readonly consumers: ConsumerTable;
  readonly producers: ProducerTable;
  readonly clientExpiry: ClientExpiry;
}

export class HeartbeatProcessor {
  readonly #context: HeartbeatContext;

  constructor(context: HeartbeatContext) {
    this.#context = context;
  }

  process(request: RemotingCommand, connection: Connection): RemotingResponse {
    const { settings, clock, producers, clientExpiry } = this.#context;
    const heartbeat = readHeartbeat(request.body, settings.heartbeatEntriesMax);
    const client: ClientOfGroup = {
      connection,
      clientId: heartbeat.clientId,
      language: request.language,
      version: request.version,
      lastHeartbeatMs: clock.monotonicMs(),
    };
    let isSubscriptionWanted = heartbeat.fingerprint === 0;
    for (const consumer of heartbeat.consumers) {
      if (this.#consumerSeen(client, consumer, heartbeat)) isSubscriptionWanted = true;
    }
    for (const group of heartbeat.producerGroups) producers.seen(group, client);
    clientExpiry.clientSeen();
    return {
      code: ResponseCode.SUCCESS,
      extFields: { IS_SUPPORT_HEART_BEAT_V2: true, IS_SUB_CHANGE: isSubscriptionWanted },
    };
  }

  /**
   * True when the client should send its subscriptions in full next time: the group's last heartbeat had another fingerprint, or
   * (beyond Apache, where such a client gets no messages until it restarts) this one left out subscriptions that a restarted
   * broker does not have.
   */
  #consumerSeen(client: ClientOfGroup, consumer: ConsumerData, heartbeat: HeartbeatData): boolean {
    const { consumers, groups } = this.#context;
    const config = groups.findOrCreate(consumer.groupName);
    if (config === undefined) return false;
    this.#createRetryTopic(client, consumer, config.retryQueueNums);
    const before = consumers.find(consumer.groupName)?.fingerprint;
    const isWithoutSubscriptions = heartbeat.fingerprint !== 0 && heartbeat.isWithoutSubscriptions;
    const isNotifying = config.notifyConsumerIdsChangedEnable;
    const group = consumers.seen(client, consumer, { isWithoutSubscriptions, isNotifying });
    if (group === undefined) return false;
    group.fingerprint = heartbeat.fingerprint;
    const isOtherFingerprint = before !== undefined && before !== heartbeat.fingerprint;
    return isOtherFingerprint || (isWithoutSubscriptions && !group.hasSubscriptions);
  }

  #createRetryTopic(client: ClientOfGroup, consumer: ConsumerData, queueCount: number): void {
    const { topics } = this.#context;
    topics.findOrCreateForGroup({
      topic: retryTopicOf(consumer.groupName),
      queueCount,
      topicSysFlag: consumer.unitMode ? TopicSysFlag.UNIT_SUBSCRIPTION : 0,
      order: consumer.subscriptions.some((subscription) => topics.isOrdered(subscription.topic)),
      client: client.clientId,
    });
  }
}
