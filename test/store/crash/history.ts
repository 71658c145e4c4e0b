// What the outside world knows of a store: what it asked for, what it was told, what it saw. A crash takes none of this away, so
// whatever is in here is what the next store is held to. Queues of a topic that was deleted begin a new generation.

import type { MessageToPut } from '../../../src/model/message.ts';
import { hasQueueEntry } from '../../../src/model/sys-flag.ts';
import type { CrashKind } from './simulated-machine.ts';
import { numberOf } from './random-messages.ts';

export interface Attempt {
  readonly number: number;
  readonly message: MessageToPut;
  readonly queue: string;
  readonly generation: number;
  readonly hasQueueEntry: boolean;
  wasRefused: boolean;
}

/** Somebody was told, or saw, that this message is at this offset of its queue. */
export interface Claim {
  readonly attempt: Attempt;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly endOffset: number;
}

/** A topic's deletion whose end nobody saw yet: the queue may be of the generation before it or after. */
interface Deletion {
  readonly queue: string;
  readonly generation: number;
}

interface Commit {
  readonly offset: number;
  readonly atMs: number;
}

export interface ExpectedOffset {
  /** `topic/queueId/group` */
  readonly key: string;
  readonly required: number | undefined;
  readonly possible: readonly number[];
}

/** What a crash leaves of the promises. */
export interface Aftermath {
  /** Claims that end at or below must hold. */
  readonly requiredEnd: number;
  /** What a power cut leaves of that. */
  readonly flushedEnd: number;
  /** Segments below were deleted. */
  readonly minOffset: number;
  readonly crashedAtMs: number;
}

export const queueName = (topic: string, queueId: number): string => `${topic}/${queueId}`;
export const OFFSET_DURABLE_AFTER_MS = 100;

export class History {
  readonly attempts = new Map<number, Attempt>();
  /** Claims of the present generation by queue, then queue offset. */
  readonly claims = new Map<string, Map<number, Claim>>();
  /** Messages that are in no queue, by physical offset. */
  readonly unqueued = new Map<number, Attempt & { readonly endOffset: number }>();
  readonly violations: string[] = [];
  readonly generations = new Map<string, number>();
  /** Deletions under way, with what was claimed of the generation before. */
  readonly deletions = new Map<string, Deletion & { readonly claims: Map<number, Claim> }>();
  readonly commits = new Map<string, Commit[]>();
  /** The machine once stopped in the middle of a topic's deletion. */
  wasDeletionCut = false;
  readonly #optionalCommits = new Map<string, Commit[]>();
  #nextNumber = 1;

  takeNumber(): number {
    return this.#nextNumber++;
  }

  violated(what: string): void {
    this.violations.push(what);
  }

  attempted(number: number, message: MessageToPut): Attempt {
    const queue = queueName(message.topic, message.queueId);
    const attempt: Attempt = {
      number,
      message,
      queue,
      generation: this.generations.get(queue) ?? 0,
      hasQueueEntry: hasQueueEntry(message.sysFlag),
      wasRefused: false,
    };
    this.attempts.set(number, attempt);
    return attempt;
  }

  /** Somebody was told or saw where a message is. */
  claim(properties: string, place: { queueOffset: number; physicalOffset: number; sizeBytes: number }): void {
    const attempt = this.attempts.get(numberOf(properties));
    const { queueOffset, physicalOffset, sizeBytes } = place;
    if (attempt === undefined) return this.violated(`a message at ${physicalOffset} that nobody sent`);
    const endOffset = physicalOffset + sizeBytes;
    if (!attempt.hasQueueEntry) {
      this.unqueued.set(physicalOffset, { ...attempt, endOffset });
      return;
    }
    const claims = this.#claimsOf(attempt);
    if (claims === undefined) return;
    const known = claims.get(queueOffset);
    if (known === undefined) claims.set(queueOffset, { attempt, queueOffset, physicalOffset, endOffset });
    else if (known.attempt.number !== attempt.number) {
      this.violated(
        `${attempt.queue} offset ${queueOffset} was message ${known.attempt.number} and is now ${attempt.number}`,
      );
    }
  }

  /** undefined: the message's queue was deleted meanwhile. */
  #claimsOf({ queue, generation }: Attempt): Map<number, Claim> | undefined {
    if (generation !== (this.generations.get(queue) ?? 0)) {
      const deletion = this.deletions.get(queue);
      return deletion?.generation === generation ? deletion.claims : undefined;
    }
    let claims = this.claims.get(queue);
    if (claims === undefined) this.claims.set(queue, (claims = new Map<number, Claim>()));
    return claims;
  }

  /** A deletion begins: messages sent from now on are of the next generation. */
  deletionBegan(topic: string, queueIds: Iterable<number>): void {
    for (const queueId of queueIds) {
      const queue = queueName(topic, queueId);
      const generation = this.generations.get(queue) ?? 0;
      this.deletions.set(queue, { queue, generation, claims: this.claims.get(queue) ?? new Map<number, Claim>() });
      this.generations.set(queue, generation + 1);
      this.claims.delete(queue);
    }
    // Until the deletion has ended, what was committed may be there or not.
    for (const [key, commits] of this.commits) {
      if (!key.startsWith(`${topic}/`)) continue;
      this.#optionalCommits.set(key, commits);
      this.commits.delete(key);
    }
  }

  deletionEnded(topic: string): void {
    for (const key of [...this.#optionalCommits.keys()]) {
      if (key.startsWith(`${topic}/`)) this.#optionalCommits.delete(key);
    }
    for (const queue of [...this.deletions.keys()]) if (queue.startsWith(`${topic}/`)) this.deletions.delete(queue);
  }

  /** After a crash in the middle of a deletion it turned out that the queue is still what it was. */
  deletionFailed(queue: string): void {
    const deletion = this.deletions.get(queue);
    if (deletion === undefined) return;
    this.generations.set(queue, deletion.generation);
    this.claims.set(queue, deletion.claims);
    this.deletions.delete(queue);
  }

  committed(group: string, topic: string, queueId: number, commit: Commit): void {
    const key = `${topic}/${queueId}/${group}`;
    const commits = this.commits.get(key) ?? [];
    commits.push(commit);
    this.commits.set(key, commits);
  }

  /** Every key with what must be there at least (of what was committed before `durableBeforeMs`) and what may be there. */
  *expectedOffsets(durableBeforeMs: number): Iterable<ExpectedOffset> {
    for (const key of new Set([...this.commits.keys(), ...this.#optionalCommits.keys()])) {
      const commits = this.commits.get(key) ?? [];
      const required = commits.filter(({ atMs }) => atMs <= durableBeforeMs).at(-1)?.offset;
      const possible = [...commits, ...(this.#optionalCommits.get(key) ?? [])].map(({ offset }) => offset);
      yield { key, required, possible };
    }
  }

  /** What is there after a crash is what counts from now on. */
  settleOffset(key: string, offset: number | undefined): void {
    this.#optionalCommits.delete(key);
    if (offset === undefined) this.commits.delete(key);
    else this.commits.set(key, [{ offset, atMs: 0 }]);
  }

  aftermath(how: CrashKind, crashed: { flushedOffset: number; minOffset: number; atMs: number }): Aftermath {
    if (this.deletions.size > 0) this.wasDeletionCut = true;
    let requiredEnd = crashed.flushedOffset;
    if (how === 'kill') {
      for (const claims of this.#allClaims()) {
        for (const { endOffset } of claims.values()) requiredEnd = Math.max(requiredEnd, endOffset);
      }
      for (const { endOffset } of this.unqueued.values()) requiredEnd = Math.max(requiredEnd, endOffset);
    }
    return {
      requiredEnd,
      flushedEnd: crashed.flushedOffset,
      minOffset: crashed.minOffset,
      crashedAtMs: crashed.atMs,
    };
  }

  *#allClaims(): Iterable<Map<number, Claim>> {
    yield* this.claims.values();
    for (const { claims } of this.deletions.values()) yield claims;
  }

  /** Forgets claims of messages that a power cut was allowed to take. */
  forgetFrom(endOffset: number): void {
    for (const claims of this.#allClaims()) {
      for (const [offset, claim] of claims) if (claim.endOffset > endOffset) claims.delete(offset);
    }
    for (const [offset, attempt] of this.unqueued) if (attempt.endOffset > endOffset) this.unqueued.delete(offset);
  }
}
