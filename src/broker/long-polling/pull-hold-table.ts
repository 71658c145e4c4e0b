// Pulls that found nothing and wait for a message (Java: PullRequestHoldService): by topic and queue, woken when a message that
// passes their filter arrives, or when their time is over, whichever is first. Each is answered once; one whose connection is
// gone is forgotten. Bounded: who asks for more is refused.

import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { RemotingCommand } from '../../remoting/protocol/remoting-command.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import type { MessageArrival, MessageFilter } from '../../store/store-types.ts';
import { DeadlineBuckets } from './deadline-buckets.ts';

const DEADLINE_GRANULE_MS = 250;
/** Of the headers of all held pulls: a pull's own is as large as its client makes it. */
const HELD_BYTES_MAX = 256 * 1024 * 1024;
/** What a held pull takes beside the texts of its header. */
const PULL_OVERHEAD_BYTES = 512;
/** Pulls that are answered in one turn of the loop: others have requests too. */
const WAKES_PER_TURN = 256;

export interface PullToHold {
  readonly request: RemotingCommand;
  readonly connection: Connection;
  readonly topic: string;
  readonly queueId: number;
  /** The message it waits for: this one or a later one. */
  readonly queueOffset: number;
  readonly filter: MessageFilter | undefined;
}

interface HeldPull extends PullToHold {
  bucket: number;
  readonly sizeBytes: number;
}

export class PullHoldTable {
  readonly #clock: Clock;
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #wake: (pull: PullToHold) => void;
  readonly #deadlines: DeadlineBuckets<HeldPull>;
  readonly #topics = new Map<string, Map<number, Set<HeldPull>>>();
  readonly #byConnection = new Map<Connection, Set<HeldPull>>();
  #count = 0;
  #bytes = 0;
  #awake: HeldPull[] = [];
  #isWakingPlanned = false;

  /** `wake` answers a pull, with or without messages; it is called from the loop, never from within a put. */
  constructor(options: {
    readonly clock: Clock;
    readonly countMax: number;
    readonly bytesMax?: number;
    readonly wake: (pull: PullToHold) => void;
  }) {
    this.#clock = options.clock;
    this.#countMax = options.countMax;
    this.#bytesMax = options.bytesMax ?? HELD_BYTES_MAX;
    this.#wake = options.wake;
    this.#deadlines = new DeadlineBuckets({
      clock: options.clock,
      granuleMs: DEADLINE_GRANULE_MS,
      onDue: (pull) => {
        this.#remove(pull);
        this.#plan(pull);
      },
    });
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.#countMax || this.#bytes >= this.#bytesMax;
  }

  hold(pull: PullToHold, forMs: number): void {
    assert(!this.isFull, 'a pull is held although the table is full');
    const held: HeldPull = { ...pull, bucket: 0, sizeBytes: sizeBytesOf(pull.request) };
    held.bucket = this.#deadlines.add(held, forMs);
    let queues = this.#topics.get(pull.topic);
    if (queues === undefined) this.#topics.set(pull.topic, (queues = new Map<number, Set<HeldPull>>()));
    const pulls = queues.get(pull.queueId);
    if (pulls === undefined) queues.set(pull.queueId, new Set([held]));
    else pulls.add(held);
    const ofConnection = this.#byConnection.get(pull.connection);
    if (ofConnection === undefined) this.#byConnection.set(pull.connection, new Set([held]));
    else ofConnection.add(held);
    this.#count++;
    this.#bytes += held.sizeBytes;
  }

  /** To be called for each message that readers may see. Costs a comparison while nothing is held. */
  arrived(arrival: MessageArrival): void {
    if (this.#count === 0) return;
    const pulls = this.#topics.get(arrival.topic)?.get(arrival.queueId);
    if (pulls === undefined) return;
    for (const pull of pulls) {
      if (arrival.queueOffset < pull.queueOffset) continue;
      if (pull.filter?.matchesTagsCode?.(arrival.tagsCode) === false) continue;
      this.#deadlines.remove(pull, pull.bucket);
      this.#remove(pull);
      this.#plan(pull);
    }
  }

  connectionClosed(connection: Connection): void {
    for (const pull of this.#byConnection.get(connection) ?? []) {
      this.#deadlines.remove(pull, pull.bucket);
      this.#remove(pull);
    }
  }

  /** Forgets all that is held: their connections are about to be closed. */
  stop(): void {
    this.#deadlines.clear();
    this.#topics.clear();
    this.#byConnection.clear();
    this.#awake = [];
    this.#count = 0;
    this.#bytes = 0;
  }

  #remove(pull: HeldPull): void {
    const queues = this.#topics.get(pull.topic);
    const pulls = queues?.get(pull.queueId);
    const ofConnection = this.#byConnection.get(pull.connection);
    assert(
      queues !== undefined && pulls !== undefined && ofConnection !== undefined,
      'a pull is removed that is not held',
    );
    pulls.delete(pull);
    if (pulls.size === 0) queues.delete(pull.queueId);
    if (queues.size === 0) this.#topics.delete(pull.topic);
    ofConnection.delete(pull);
    if (ofConnection.size === 0) this.#byConnection.delete(pull.connection);
    this.#count--;
    this.#bytes -= pull.sizeBytes;
  }

  /** At the end of this turn of the loop: messages that arrive together are answered together. */
  #plan(pull: HeldPull): void {
    this.#awake.push(pull);
    if (this.#isWakingPlanned) return;
    this.#isWakingPlanned = true;
    this.#clock.defer(() => this.#wakeSome());
  }

  #wakeSome(): void {
    const awake = this.#awake.splice(0, WAKES_PER_TURN);
    this.#isWakingPlanned = this.#awake.length > 0;
    if (this.#isWakingPlanned) this.#clock.defer(() => this.#wakeSome());
    for (const one of awake) if (one.connection.isOpen) this.#wake(one);
  }
}

function sizeBytesOf({ extFields, remark }: RemotingCommand): number {
  let sizeBytes = PULL_OVERHEAD_BYTES + (remark?.length ?? 0);
  for (const text of extFields.flat) sizeBytes += text.length;
  return sizeBytes;
}
