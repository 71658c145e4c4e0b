// Holds a store that was opened after a crash against everything that the outside world knew before it.

import type { StoredMessage } from '../../../src/model/message.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import {
  OFFSET_DURABLE_AFTER_MS,
  queueName,
  type Aftermath,
  type Attempt,
  type Claim,
  type History,
} from './history.ts';
import { difference, hasKey, keyOf, numberOf } from './random-messages.ts';

export interface QueueId {
  readonly topic: string;
  readonly queueId: number;
}

export interface Verification {
  readonly store: MessageStore;
  readonly history: History;
  readonly aftermath: Aftermath;
  readonly queues: readonly QueueId[];
  readonly segmentSizeBytes: number;
}

/** How many keys are looked up in the index, the newest first and then every n-th. */
const KEYS_LOOKED_UP = 12;

type FoundQueues = ReadonlyMap<string, readonly StoredMessage[]>;

/** Adds what is wrong to the history's violations, and what was found to its claims. */
export async function verifyStore(verification: Verification): Promise<void> {
  const { store, history, aftermath } = verification;
  const { endPhysicalOffset, minPhysicalOffset } = store.stats();
  if (endPhysicalOffset < aftermath.requiredEnd) {
    history.violated(`the log ends at ${endPhysicalOffset}, acknowledged up to ${aftermath.requiredEnd}`);
  }
  if (minPhysicalOffset > aftermath.minOffset) {
    history.violated(`the log begins at ${minPhysicalOffset}, it began at ${aftermath.minOffset}`);
  }
  history.forgetFrom(endPhysicalOffset);
  const log = await walkLog(verification);
  const found = await walkQueues(verification);
  for (const queue of [...history.deletions.keys()]) resolveDeletion(history, queue, found.get(queue) ?? []);
  history.deletions.clear();
  checkClaims(verification, found, minPhysicalOffset);
  checkUnqueued(history, log, minPhysicalOffset);
  checkLogAgainstQueues(history, log, found);
  await checkIndex(verification, log);
  checkOffsets(verification);
  for (const messages of found.values()) for (const message of messages) history.claim(message.properties, message);
}

/** Every record from the beginning to the end; each must be one that was sent. */
async function walkLog({ store, history, segmentSizeBytes }: Verification): Promise<StoredMessage[]> {
  const { minPhysicalOffset, endPhysicalOffset } = store.stats();
  const records: StoredMessage[] = [];
  for (let offset = minPhysicalOffset; offset < endPhysicalOffset;) {
    const message = await store.messageAt(offset);
    if (message === undefined) {
      // A segment's end; nothing else may interrupt the log.
      offset = (Math.floor(offset / segmentSizeBytes) + 1) * segmentSizeBytes;
      if (offset > endPhysicalOffset) history.violated(`no record begins below the log's end at ${endPhysicalOffset}`);
      continue;
    }
    checkMessage(history, message);
    records.push(message);
    offset += message.sizeBytes;
  }
  return records;
}

function checkMessage(history: History, message: StoredMessage): Attempt | undefined {
  const attempt = history.attempts.get(numberOf(message.properties));
  if (attempt === undefined) {
    history.violated(`nobody sent the record at ${message.physicalOffset}`);
    return undefined;
  }
  if (attempt.wasRefused) history.violated(`message ${attempt.number} was refused and is there`);
  const problem = difference(attempt.message, message);
  if (problem !== undefined) history.violated(`message ${attempt.number} at ${message.physicalOffset}: ${problem}`);
  return attempt;
}

async function walkQueues({ store, history, queues }: Verification): Promise<FoundQueues> {
  const found = new Map<string, StoredMessage[]>();
  for (const { topic, queueId } of queues) {
    const name = queueName(topic, queueId);
    const messages: StoredMessage[] = [];
    let expected = store.minOffset(topic, queueId);
    const maxOffset = store.maxOffset(topic, queueId);
    for await (const message of store.iterate(topic, queueId)) {
      if (message.queueOffset !== expected) {
        history.violated(
          `${name} has ${message.queueOffset} (record ${message.physicalOffset}) where ${expected} is expected`,
        );
      }
      if (message.topic !== topic || message.queueId !== queueId) {
        history.violated(`${name} offset ${expected} is a message of ${queueName(message.topic, message.queueId)}`);
      }
      expected = message.queueOffset + 1;
      checkMessage(history, message);
      messages.push(message);
    }
    if (expected !== maxOffset) history.violated(`${name} can be read up to ${expected}, its maximum is ${maxOffset}`);
    found.set(name, messages);
  }
  return found;
}

/** A deletion that nobody saw the end of happened to a queue or it did not, but not by halves. */
function resolveDeletion(history: History, queue: string, messages: readonly StoredMessage[]): void {
  const deletion = history.deletions.get(queue);
  if (deletion === undefined) return;
  const isOld = (message: StoredMessage): boolean =>
    history.attempts.get(numberOf(message.properties))?.generation === deletion.generation;
  const oldCount = messages.filter(isOld).length;
  if (oldCount === 0) return;
  const newer = history.claims.get(queue)?.size ?? 0;
  if (oldCount < messages.length) history.violated(`${queue} has messages from before its deletion and from after it`);
  else if (newer > 0) history.violated(`${queue} was deleted and used again, and now has its old messages`);
  else history.deletionFailed(queue);
}

function checkClaims({ store, history, queues }: Verification, found: FoundQueues, minPhysicalOffset: number): void {
  for (const { topic, queueId } of queues) {
    const name = queueName(topic, queueId);
    const generation = history.generations.get(name) ?? 0;
    const byOffset = new Map<number, StoredMessage>();
    for (const message of found.get(name) ?? []) {
      byOffset.set(message.queueOffset, message);
      const attempt = history.attempts.get(numberOf(message.properties));
      if (attempt !== undefined && attempt.generation !== generation) {
        history.violated(`${name} was deleted, but its message ${attempt.number} is there again`);
      }
    }
    const maxOffset = store.maxOffset(topic, queueId);
    for (const claim of history.claims.get(name)?.values() ?? []) {
      checkClaim(history, claim, byOffset.get(claim.queueOffset), minPhysicalOffset);
      if (claim.queueOffset >= maxOffset) {
        history.violated(`${name} goes on at ${maxOffset}, but ${claim.queueOffset} was used already`);
      }
    }
  }
}

function checkClaim(history: History, claim: Claim, message: StoredMessage | undefined, minOffset: number): void {
  const { attempt, queueOffset, physicalOffset } = claim;
  if (message === undefined) {
    if (physicalOffset < minOffset) return;
    history.violated(
      `message ${attempt.number} (${attempt.queue} offset ${queueOffset}, record ${physicalOffset}) is lost`,
    );
  } else if (message.physicalOffset !== physicalOffset) {
    history.violated(`message ${attempt.number} moved from ${physicalOffset} to ${message.physicalOffset}`);
  }
}

function checkUnqueued(history: History, log: readonly StoredMessage[], minOffset: number): void {
  const numbers = new Map(log.map((message) => [message.physicalOffset, numberOf(message.properties)]));
  for (const [offset, { number }] of history.unqueued) {
    if (offset >= minOffset && numbers.get(offset) !== number) {
      history.violated(`message ${number} (in no queue, record ${offset}) is lost`);
    }
  }
}

/** Every record of the log has its unit, unless its topic was deleted. */
function checkLogAgainstQueues(history: History, log: readonly StoredMessage[], found: FoundQueues): void {
  const inQueues = new Set<number>();
  for (const messages of found.values()) for (const { physicalOffset } of messages) inQueues.add(physicalOffset);
  for (const { properties, physicalOffset } of log) {
    const attempt = history.attempts.get(numberOf(properties));
    if (attempt === undefined) continue;
    const isPresent = attempt.generation === (history.generations.get(attempt.queue) ?? 0);
    const isExpected = attempt.hasQueueEntry && isPresent;
    if (isExpected && !inQueues.has(physicalOffset)) {
      history.violated(
        `message ${attempt.number} (record ${physicalOffset}) is in the log, but not in ${attempt.queue}`,
      );
    }
    if (!attempt.hasQueueEntry && inQueues.has(physicalOffset)) {
      history.violated(`message ${attempt.number} is in a queue and must not be`);
    }
  }
}

async function checkIndex({ store, history }: Verification, log: readonly StoredMessage[]): Promise<void> {
  const step = Math.max(1, Math.floor(log.length / KEYS_LOOKED_UP));
  for (let index = log.length - 1; index >= 0; index -= step) {
    const message = log[index] as StoredMessage;
    if (!hasKey(message) || (message.sysFlag & 0xc) === 0xc) continue;
    const found = await store.query(message.topic, keyOf(numberOf(message.properties)), { countMax: 4 });
    if (!found.some(({ physicalOffset }) => physicalOffset === message.physicalOffset)) {
      history.violated(
        `message ${numberOf(message.properties)} (record ${message.physicalOffset}) is not in the index`,
      );
    }
  }
}

function checkOffsets({ store, history, aftermath }: Verification): void {
  const durableBeforeMs = aftermath.crashedAtMs - OFFSET_DURABLE_AFTER_MS;
  for (const { key, required, possible } of [...history.expectedOffsets(durableBeforeMs)]) {
    const [topic, queueId, group] = key.split('/') as [string, string, string];
    const offset = store.fetchOffset(group, topic, Number(queueId));
    if (required !== undefined && (offset === undefined || offset < required)) {
      history.violated(`${group} had committed ${required} in ${topic}/${queueId}, now it is ${offset ?? 'none'}`);
    }
    if (offset !== undefined && !possible.includes(offset)) {
      history.violated(`${group} has ${offset} in ${topic}/${queueId}, which nobody committed`);
    }
    history.settleOffset(key, offset);
  }
}
