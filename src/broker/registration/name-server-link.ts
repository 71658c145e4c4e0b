// Keeps this broker known at one name server: the whole table at intervals, a new topic at once. A name server that can't be
// reached is asked again after a while, a little later each time, and never holds up another.

import type { Clock, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { registerBodyCrc32 } from '../../remoting/protocol/body/register-broker-body.ts';
import { createRequest } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import type { RemotingClient } from '../../remoting/transport/remoting-client.ts';
import type { BrokerIdentity } from './broker-identity.ts';

/** What a stop allows a name server that does not answer. */
const STOP_GRACE_MS = 3_000;

/** What is needed of a Remoting client. */
export type NameServerClient = Pick<RemotingClient, 'invoke'>;

export interface NameServerLinkOptions {
  readonly address: string;
  readonly identity: BrokerIdentity;
  readonly client: NameServerClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  readonly retryMs: number;
  readonly timeoutMs: number;
  /** Registration bodies that together have all topics as they are now. Each is made when it is asked for. */
  readonly wholeTable: () => Iterable<Buffer>;
}

export class NameServerLink {
  readonly #options: NameServerLinkOptions;
  #timer: Timer | undefined;
  #failures = 0;
  #isRegistered = false;
  #isStopped = false;
  /** Registrations go one after the other: an older table must not arrive after a newer one. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: NameServerLinkOptions) {
    this.#options = options;
  }

  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** Registers everything now, and from then on at intervals. Resolves after the first attempt, whatever came of it. */
  start(): Promise<void> {
    return this.#registerAll();
  }

  /** Tells about topics that are new or changed. Where the whole table has not arrived yet, that comes first anyway. */
  announce(body: Buffer): void {
    if (this.#isStopped || !this.#isRegistered) return;
    void this.#enqueue(async () => {
      await this.#register(body);
    });
  }

  /** A registration under way gets a moment to end; then the name server is told that the broker leaves. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#withinGrace(this.#queue);
    if (!this.#isRegistered) return;
    const { client, address, identity, logger } = this.#options;
    const { brokerName, brokerAddr, clusterName, brokerId } = identity;
    try {
      const request = createRequest(RequestCode.UNREGISTER_BROKER, { brokerName, brokerAddr, clusterName, brokerId });
      await client.invoke(address, request, STOP_GRACE_MS);
      logger.info('broker.unregistered', { nameServer: address });
    } catch (error) {
      logger.warn('broker.unregister.failed', { nameServer: address, error: describeError(error) });
    }
  }

  async #withinGrace(work: Promise<void>): Promise<void> {
    let timer: Timer | undefined;
    const grace = new Promise<void>((resolve) => (timer = this.#options.clock.schedule(STOP_GRACE_MS, resolve)));
    await Promise.race([work, grace]);
    timer?.cancel();
  }

  #registerAll(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    return this.#enqueue(async () => {
      for (const body of this.#options.wholeTable()) {
        if (!(await this.#register(body)) || this.#isStopped) break;
      }
      if (!this.#isStopped) this.#planNext();
    });
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(() => (this.#isStopped ? undefined : work()));
    return this.#queue;
  }

  #planNext(): void {
    const { clock, intervalMs, retryMs } = this.#options;
    const afterMs = this.#failures === 0 ? intervalMs : Math.min(intervalMs, retryMs * 2 ** (this.#failures - 1));
    this.#timer?.cancel();
    this.#timer = clock.schedule(afterMs, () => void this.#registerAll());
  }

  /** False when it failed: that is logged, and the whole table is sent again before anything else. */
  async #register(body: Buffer): Promise<boolean> {
    const { client, address, identity, timeoutMs, logger } = this.#options;
    try {
      const request = createRequest(
        RequestCode.REGISTER_BROKER,
        { ...identity, enableActingMaster: false, compressed: false, bodyCrc32: registerBodyCrc32(body) },
        body,
      );
      const response = await client.invoke(address, request, timeoutMs);
      if (response.code !== ResponseCode.SUCCESS) {
        this.#failed(`response code ${response.code}: ${response.remark ?? ''}`);
        return false;
      }
      if (!this.#isRegistered)
        logger.info('broker.registered', { nameServer: address, brokerAddr: identity.brokerAddr });
      this.#isRegistered = true;
      this.#failures = 0;
      return true;
    } catch (error) {
      this.#failed(describeError(error));
      return false;
    }
  }

  #failed(reason: string): void {
    const { address, logger } = this.#options;
    // The first failure is news; the ones that follow say nothing new.
    const fields = { nameServer: address, reason };
    if (this.#failures === 0) logger.warn('broker.register.failed', fields);
    else logger.debug('broker.register.failed', fields);
    this.#failures++;
    this.#isRegistered = false;
    if (!this.#isStopped) this.#planNext();
  }
}
