// Answers code 28: the figures behind mqadmin's clusterList and brokerStatus (Java: AdminBrokerProcessor.prepareRuntimeInfo).
// Keys, forms and units are Apache's. What this broker does not have (thread pools, a transient store pool, timers) has the value
// of an idle one, because the tools parse it.

import { statfs } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { SCHEDULE_TOPIC } from '../../model/names.ts';
import type { RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { BrokerSettings } from '../broker-settings.ts';
import type { BrokerStore } from '../broker-store.ts';
import { queueIdOfLevel } from '../send/delay-transform.ts';
import type { BrokerStatistics } from '../statistics/broker-statistics.ts';
import type { SampledCounter } from '../statistics/sampled-counter.ts';

export interface RuntimeInfoContext {
  readonly settings: BrokerSettings;
  readonly store: BrokerStore;
  readonly statistics: BrokerStatistics;
  readonly clock: Clock;
  readonly waitingSends: () => number;
  readonly heldPulls: () => number;
  /** Of the file system that a directory is on. Given by tests; default: the real one. */
  readonly diskSpace?: (directory: string) => Promise<DiskSpace>;
}

export interface DiskSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

const RATE_WINDOWS_MS = [10_000, 60_000, 600_000];
const JAVA_INT_MAX = 2_147_483_647;
const BROKER_VERSION = 513;
const BROKER_VERSION_NAME = 'V5_5_0';

export function runtimeInfoProcessor(context: RuntimeInfoContext): () => Promise<RemotingResponse> {
  const earliest = new EarliestMessage(context.store);
  return () => runtimeInfo(context, earliest);
}

/** When the first message of the log was stored. It is read once for all who ask, until retention removes it. */
class EarliestMessage {
  readonly #store: BrokerStore;
  #physicalOffset = -1;
  #timestampMs: Promise<number> | undefined;

  constructor(store: BrokerStore) {
    this.#store = store;
  }

  /** -1 when there is none, or it can't be read now. */
  timestampMs(): Promise<number> {
    const { minPhysicalOffset, endPhysicalOffset } = this.#store.stats();
    if (endPhysicalOffset <= minPhysicalOffset) return Promise.resolve(-1);
    if (this.#timestampMs === undefined || this.#physicalOffset !== minPhysicalOffset) {
      this.#physicalOffset = minPhysicalOffset;
      this.#timestampMs = this.#read(minPhysicalOffset);
    }
    return this.#timestampMs;
  }

  async #read(physicalOffset: number): Promise<number> {
    let timestampMs: number | undefined;
    try {
      timestampMs = (await this.#store.messageAt(physicalOffset))?.storeTimestampMs;
    } finally {
      // Not readable now (under SYNC_FLUSH, or a failure): the next one who asks tries again.
      if (timestampMs === undefined) this.#timestampMs = undefined;
    }
    return timestampMs ?? -1;
  }
}

async function runtimeInfo(context: RuntimeInfoContext, earliest: EarliestMessage): Promise<RemotingResponse> {
  const table = {
    ...(await storeFigures(context, earliest)),
    ...trafficFigures(context),
    ...delayFigures(context.store),
    ...poolFigures(context),
    brokerActive: 'true',
    brokerVersion: String(BROKER_VERSION),
    brokerVersionDesc: BROKER_VERSION_NAME,
    startAcceptSendRequestTimeStamp: '0',
    timerReadBehind: '0',
    timerOffsetBehind: '0',
    timerCongestNum: '0',
    timerEnqueueTps: '0.0',
    timerDequeueTps: '0.0',
  };
  return { code: ResponseCode.SUCCESS, body: Buffer.from(JSON.stringify({ table })) };
}

async function storeFigures(context: RuntimeInfoContext, earliest: EarliestMessage): Promise<Record<string, string>> {
  const { store, diskSpace = realDiskSpace } = context;
  const { minPhysicalOffset, endPhysicalOffset, flushedOffset } = store.stats();
  const { totalBytes, freeBytes } = await diskSpace(store.directory);
  const usedRatio = totalBytes === 0 ? '0.0' : ((totalBytes - freeBytes) / totalBytes).toFixed(2);
  return {
    commitLogMinOffset: String(minPhysicalOffset),
    commitLogMaxOffset: String(endPhysicalOffset),
    commitLogDiskRatio: usedRatio,
    [`commitLogDiskRatio_${store.directory}/commitlog`]: usedRatio,
    consumeQueueDiskRatio: usedRatio,
    commitLogDirCapacity: `Total : ${formatBytes(totalBytes)}, Free : ${formatBytes(freeBytes)}.`,
    earliestMessageTimeStamp: String(await earliest.timestampMs()),
    remainHowManyDataToFlush: formatBytes(Math.max(0, endPhysicalOffset - flushedOffset)),
    remainTransientStoreBufferNumbs: String(JAVA_INT_MAX),
    dispatchBehindBytes: '0',
    dispatchMaxBuffer: '0',
    pageCacheLockTimeMills: '0',
  };
}

function trafficFigures({ statistics, clock }: RuntimeInfoContext): Record<string, string> {
  const nowMs = clock.monotonicMs();
  const rates = (...counters: SampledCounter[]): string =>
    RATE_WINDOWS_MS.map((windowMs) =>
      counters.reduce((sum, counter) => sum + counter.ratePerSecond(windowMs, nowMs), 0).toString(),
    ).join(' ');
  const { putMessages, getsFound, getsMissed, transferredMessages, putBytes } = statistics;
  const puts = Math.max(1, putMessages.total);
  const putsOfDay = statistics.putsAtMidnight();
  const getsOfDay = statistics.getsAtMidnight();
  return {
    bootTimestamp: String(statistics.startedMs),
    runtime: formatRuntime(clock.nowMs() - statistics.startedMs),
    msgPutTotalYesterdayMorning: String(putsOfDay.yesterdayMorning),
    msgPutTotalTodayMorning: String(putsOfDay.todayMorning),
    msgPutTotalTodayNow: String(putMessages.total),
    msgGetTotalYesterdayMorning: String(getsOfDay.yesterdayMorning),
    msgGetTotalTodayMorning: String(getsOfDay.todayMorning),
    msgGetTotalTodayNow: String(transferredMessages.total),
    putTps: rates(putMessages),
    getFoundTps: rates(getsFound),
    getMissTps: rates(getsMissed),
    getTotalTps: rates(getsFound, getsMissed),
    getTransferredTps: rates(transferredMessages),
    putMessageTimesTotal: String(puts),
    putMessageFailedTimes: String(statistics.putsRefused),
    putMessageSizeTotal: String(putBytes),
    putMessageAverageSize: String(putBytes / puts),
    putMessageDistributeTime: statistics.describePutTimes(),
    putLatency99: statistics.putTimeQuantileMs(0.99).toFixed(2),
    putLatency999: statistics.putTimeQuantileMs(0.999).toFixed(2),
    putMessageEntireTimeMax: String(Math.floor(statistics.putTimeMaxMs)),
    getMessageEntireTimeMax: String(Math.floor(statistics.getTimeMaxMs)),
  };
}

/** How far each level that was ever used has been delivered, and how far it could be. */
function delayFigures(store: BrokerStore): Record<string, string> {
  const figures: Record<string, string> = {};
  for (const [level, offset] of store.state.delayOffsets.entries()) {
    const maxOffset = store.maxOffset(SCHEDULE_TOPIC, queueIdOfLevel(level));
    figures[`scheduleMessageOffset_${level}`] = `${offset},${maxOffset}`;
  }
  return figures;
}

function poolFigures({ settings, waitingSends, heldPulls }: RuntimeInfoContext): Record<string, string> {
  const figures: Record<string, string> = {
    EndTransactionQueueSize: '0',
    EndTransactionThreadPoolQueueCapacity: '100000',
  };
  const pools = [
    { name: 'send', size: waitingSends(), capacity: settings.waitingSendsMax },
    { name: 'pull', size: 0, capacity: settings.heldPullsMax },
    { name: 'litePull', size: 0, capacity: settings.heldPullsMax },
    { name: 'query', size: 0, capacity: 20_000 },
    { name: 'ack', size: 0, capacity: 100_000 },
  ];
  for (const { name, size, capacity } of pools) {
    figures[`${name}ThreadPoolQueueSize`] = String(size);
    figures[`${name}ThreadPoolQueueCapacity`] = String(capacity);
    figures[`${name}ThreadPoolQueueHeadWaitTimeMills`] = '0';
  }
  // A figure of our own; the tools pass over keys that they do not know.
  figures['heldPulls'] = String(heldPulls());
  return figures;
}

async function realDiskSpace(directory: string): Promise<DiskSpace> {
  const { bsize, blocks, bavail } = await statfs(directory);
  return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
}

/** '[ 0 days, 0 hours, 0 minutes, 13 seconds ]' */
function formatRuntime(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const part = (unitSeconds: number, count: number): number => Math.floor(seconds / unitSeconds) % count;
  const days = Math.floor(seconds / 86_400);
  return `[ ${days} days, ${part(3_600, 24)} hours, ${part(60, 60)} minutes, ${part(1, 60)} seconds ]`;
}

/** Java: MixAll.humanReadableByteCount with binary units. */
function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const exponent = Math.min(6, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** exponent).toFixed(1)} ${'KMGTPE'.charAt(exponent - 1)}iB`;
}
