// Bits of a message's sysFlag and of a pull request's sysFlag (Java: MessageSysFlag, PullSysFlag).

export const MessageSysFlag = {
  COMPRESSED: 0x1,
  MULTI_TAGS: 0x2,
  TRANSACTION_MASK: 0xc,
  TRANSACTION_NOT: 0x0,
  TRANSACTION_PREPARED: 0x4,
  TRANSACTION_COMMIT: 0x8,
  TRANSACTION_ROLLBACK: 0xc,
  BORN_HOST_V6: 0x10,
  STORE_HOST_V6: 0x20,
  NEED_UNWRAP: 0x40,
  INNER_BATCH: 0x80,
  COMPRESSION_TYPE_MASK: 0x700,
} as const;

export const PullSysFlag = {
  COMMIT_OFFSET: 0x1,
  SUSPEND: 0x2,
  SUBSCRIPTION: 0x4,
  CLASS_FILTER: 0x8,
  LITE_PULL: 0x10,
} as const;

/** Prepared and rolled-back transaction records get no place in a consume queue. */
export function hasQueueEntry(sysFlag: number): boolean {
  const type = sysFlag & MessageSysFlag.TRANSACTION_MASK;
  return type === MessageSysFlag.TRANSACTION_NOT || type === MessageSysFlag.TRANSACTION_COMMIT;
}
