// What the check of a store says: findings, each with a kind from a closed list, and who collects them. A violation is something
// that no way of stopping leaves behind; a note is worth knowing and wrong in nobody's eyes.

export type FindingKind =
  // The log.
  | 'segment-name'
  | 'segment-size'
  | 'segment-missing'
  | 'record-damaged'
  | 'blank-missing'
  | 'data-behind-end'
  | 'log-shorter-than-durable'
  | 'torn-tail'
  // Consume queues.
  | 'queue-name'
  | 'queue-file-name'
  | 'queue-file-size'
  | 'queue-file-missing'
  | 'queue-without-files'
  | 'record-without-unit'
  | 'unit-of-other-record'
  | 'unit-size'
  | 'unit-tags-code'
  | 'unit-without-record'
  | 'unit-beyond-log'
  | 'unit-below-log'
  | 'unit-repeated'
  | 'unit-order'
  | 'data-behind-units'
  | 'offset-used-twice'
  | 'offset-skipped'
  | 'topic-deleted'
  | 'topic-made-anew'
  | 'other-queue-type'
  // The index.
  | 'index-file-name'
  | 'index-file-size'
  | 'index-header'
  | 'index-slot'
  | 'index-entry'
  | 'index-entry-without-record'
  | 'index-entry-of-other-key'
  | 'index-entry-repeated'
  | 'key-missing-in-index'
  | 'tag-missing-in-index'
  | 'no-index'
  // Checkpoints and the abort file.
  | 'checkpoint-damaged'
  | 'checkpoint-beyond-log'
  | 'checkpoint-not-at-record'
  | 'durable-offset-damaged'
  | 'durable-offset-not-at-record'
  | 'log-longer-than-durable'
  | 'unclean-stop'
  // State tables.
  | 'state-damaged'
  | 'state-differs'
  | 'json-damaged'
  | 'json-newer'
  | 'consumer-offset-beyond-queue'
  | 'repaired-message';

export interface Finding {
  readonly severity: 'violation' | 'note';
  readonly kind: FindingKind;
  /** One sentence. */
  readonly message: string;
  /** The facts behind it: path, position, physicalOffset, topic, queueId, queueOffset, … */
  readonly details: Readonly<Record<string, string | number>>;
}

export type Details = Record<string, string | number>;

/** Counts findings and passes them on; keeps none. */
export class Findings {
  violationCount = 0;
  noteCount = 0;
  readonly countByKind = new Map<FindingKind, number>();
  /**
   * View entries of records at or above this offset are put right by the next open: without a clean stop that is no violation.
   * Infinity when everything must be right.
   */
  viewsTrustedUpTo = Number.POSITIVE_INFINITY;
  readonly #onFinding: (finding: Finding) => void;

  constructor(onFinding: (finding: Finding) => void) {
    this.#onFinding = onFinding;
  }

  violation(kind: FindingKind, message: string, details: Details = {}): void {
    this.violationCount++;
    this.#emit({ severity: 'violation', kind, message, details });
  }

  note(kind: FindingKind, message: string, details: Details = {}): void {
    this.noteCount++;
    this.#emit({ severity: 'note', kind, message, details });
  }

  /** The views must be right about a record there. */
  isTrusted(physicalOffset: number): boolean {
    return physicalOffset < this.viewsTrustedUpTo;
  }

  /** A violation of a view (queue or index) about the record at an offset. */
  view(kind: FindingKind, physicalOffset: number, message: string, details: Details = {}): void {
    if (this.isTrusted(physicalOffset)) this.violation(kind, message, details);
    else this.note(kind, `${message} The next open puts that right.`, details);
  }

  #emit(finding: Finding): void {
    this.countByKind.set(finding.kind, (this.countByKind.get(finding.kind) ?? 0) + 1);
    this.#onFinding(finding);
  }
}
