// A store on a simulated machine, in the few steps that most stories are told in.

import { expect } from 'vitest';
import { createMessage } from '../../../src/store/create-message.ts';
import type { MessageStore } from '../../../src/store/message-store.ts';
import { defaultStoreConfig, type StoreConfig } from '../../../src/store/store-config.ts';
import type { PutMessageResult, PutStored } from '../../../src/store/store-types.ts';
import { CRASHED, type Crashed, type SimulatedMachine } from './simulated-machine.ts';

/** Small files, so that a few messages fill several. */
export const config: StoreConfig = {
  ...defaultStoreConfig,
  commitLogSegmentSizeBytes: 16 * 1024,
  consumeQueueSegmentSizeBytes: 160,
  indexHashSlotCount: 16,
  indexEntryCountMax: 100,
  messageSizeBytesMax: 4 * 1024,
};
export const QUEUES = '/store/consumequeue';
export const TAIL = '/store/commitlog/00000000000000000000';

/** The value, where the machine is not meant to stop. */
export function present<Value>(value: Value | Crashed): Value {
  if (value === CRASHED) throw new Error('the machine stopped');
  return value;
}

export const opened = async (machine: SimulatedMachine, changes: Partial<StoreConfig> = {}): Promise<MessageStore> =>
  present(await machine.run(machine.open({ ...config, ...changes })));

export async function tryToPut(
  machine: SimulatedMachine,
  store: MessageStore,
  body: string,
  topic = 'orders',
): Promise<PutMessageResult> {
  const message = createMessage({ topic, body, keys: [`key-${body.replace(/\W/g, '')}`] });
  return present(await machine.run(Promise.resolve(store.put(message))));
}

export async function put(
  machine: SimulatedMachine,
  store: MessageStore,
  body: string,
  topic = 'orders',
): Promise<PutStored> {
  const result = await tryToPut(machine, store, body, topic);
  expect(result).toMatchObject({ status: 'PUT_OK' });
  return result as PutStored;
}

export async function putMany(
  machine: SimulatedMachine,
  store: MessageStore,
  count: number,
  topic = 'orders',
): Promise<void> {
  for (let index = 0; index < count; index++) await put(machine, store, `${index}`.padEnd(1_000, '.'), topic);
}

/** What is in queue 0 of the topic. */
export async function bodies(machine: SimulatedMachine, store: MessageStore, topic = 'orders'): Promise<string[]> {
  const read = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { body } of store.iterate(topic, 0)) found.push(Buffer.from(body).toString().replace(/\.+$/, ''));
    return found;
  };
  return present(await machine.run(read()));
}

export const close = async (machine: SimulatedMachine, store: MessageStore): Promise<void> =>
  present(await machine.run(store.close()));

export const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));
