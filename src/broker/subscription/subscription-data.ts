// What a consumer wants of a topic, and the filter that follows from it (Java: SubscriptionData, FilterAPI,
// ExpressionMessageFilter). Only tag expressions are filtered by the broker; SQL92 is refused while the feature is off.

import { javaStringHash } from '../../base/java-string-hash.ts';
import { ownCopy } from '../../base/own-copy.ts';
import type { MessageFilter } from '../../store/store-types.ts';

export const SUBSCRIBE_ALL = '*';

export interface SubscriptionData {
  readonly topic: string;
  readonly expression: string;
  readonly expressionType: string;
  /** The version that the client gave it; a pull that names a newer one is refused. */
  readonly version: number;
  /** undefined when every message matches. */
  readonly filter: TagFilter | undefined;
}

export const isTagType = (expressionType: string): boolean => expressionType === '' || expressionType === 'TAG';

/** Passes messages whose tag has one of the hashes. Hashes collide: clients compare the tag itself again. */
export class TagFilter implements MessageFilter {
  readonly #codes: ReadonlySet<number>;

  constructor(codes: Iterable<number>) {
    this.#codes = new Set(codes);
  }

  get codeCount(): number {
    return this.#codes.size;
  }

  matchesTagsCode(tagsCode: number): boolean {
    return this.#codes.has(tagsCode);
  }
}

/** Memory that it takes, roughly. */
export function sizeBytesOf({ topic, expression, filter }: SubscriptionData): number {
  return 256 + topic.length + expression.length + 32 * (filter?.codeCount ?? 0);
}

/** Tags of 'a || b'; undefined for an expression that consists of nothing but bars. */
export function tagsOf(expression: string): string[] | undefined {
  const parts = expression.split('||');
  while (parts.at(-1) === '') parts.pop();
  if (parts.length === 0) return undefined;
  return parts.map((part) => part.trim()).filter((tag) => tag.length > 0);
}

/** A longer expression is taken apart each time: remembering it would cost a peer's bandwidth in memory. */
const REMEMBERED_LENGTH_MAX = 512;

/** Expressions that pulls carry themselves, with their filters. Clients repeat the same few, so they are remembered. */
export class TagFilters {
  readonly #rememberedMax: number;
  readonly #filters = new Map<string, TagFilter>();

  constructor(rememberedMax = 1_000) {
    this.#rememberedMax = rememberedMax;
  }

  /** 'illegal' when the expression has no tag in it; undefined when every message matches. */
  of(expression: string): TagFilter | undefined | 'illegal' {
    if (expression === '' || expression === SUBSCRIBE_ALL) return undefined;
    const known = this.#filters.get(expression);
    if (known !== undefined) return known;
    const tags = tagsOf(expression);
    if (tags === undefined) return 'illegal';
    const filter = new TagFilter(tags.map((tag) => javaStringHash(tag)));
    if (expression.length > REMEMBERED_LENGTH_MAX) return filter;
    if (this.#filters.size >= this.#rememberedMax) this.#filters.clear();
    this.#filters.set(ownCopy(expression), filter);
    return filter;
  }
}
