// The consumer groups of this broker and what each may not do with a topic (Java: SubscriptionGroupManager's tables).

import { groupNameProblem } from '../../model/names.ts';
import type { SubscriptionGroupConfig } from '../../model/subscription-group-config.ts';
import { ConfigTable, type TableContext } from './config-table.ts';
import type { StateRow } from './state-writer.ts';

/** Group → topic → bits; kept as Apache's file has it. */
export type ForbiddenTable = Readonly<Record<string, Readonly<Record<string, number>>>>;

export const FORBIDDEN_KEY = 'f/table';

export class SubscriptionGroupTable extends ConfigTable<SubscriptionGroupConfig> {
  readonly #context: TableContext;
  readonly #forbiddenRow: StateRow;
  #forbidden: ForbiddenTable = {};

  constructor(context: TableContext) {
    super({
      ...context,
      keyPrefix: 'g/',
      versionKey: 'v/groups',
      nameOf: (config) => config.groupName,
      nameProblem: groupNameProblem,
    });
    this.#context = context;
    this.#forbiddenRow = {
      key: FORBIDDEN_KEY,
      isMarked: false,
      encode: () => Buffer.from(JSON.stringify(this.#forbidden)),
    };
  }

  get forbiddenTable(): ForbiddenTable {
    return this.#forbidden;
  }

  restoreForbidden(table: ForbiddenTable): void {
    this.#forbidden = table;
  }

  replaceForbidden(table: ForbiddenTable): void {
    this.#forbidden = table;
    this.#context.writer.mark(this.#forbiddenRow);
  }
}
