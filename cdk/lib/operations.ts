/** The operations of the register, and what they have of their own, as `functions/<name>/Cargo.toml` declares it. */

import { OPERATIONS, type OperationId } from './generated/operations.gen.ts';

/** A right of a function, besides those that all functions have. */
export interface OwnRight {
  readonly sid: string;
  readonly actions: readonly string[];
  /** ARNs, with `${AWS::Partition}` and the like. */
  readonly resources: readonly string[];
}

/** What the function of one operation has of its own. */
export interface OwnSettings {
  /** MiB. */
  readonly memorySize?: number;
  readonly timeoutSeconds?: number;
  readonly reservedConcurrency?: number;
  readonly provisionedConcurrency?: number;
  /** Further variables. */
  readonly environment?: { readonly [name: string]: string };
  readonly rights?: readonly OwnRight[];
}

/** What each operation has of its own; nothing, for most of them. */
export type OwnOfOperations = { readonly [Id in OperationId]: OwnSettings };

/** Every `operationId`, in the order of the documentation. */
export const OPERATION_IDS = Object.keys(OPERATIONS) as OperationId[];

/** A value for each operation. */
export function forEachOperation<T>(value: (id: OperationId) => T): { [Id in OperationId]: T } {
  return Object.fromEntries(OPERATION_IDS.map((id) => [id, value(id)])) as { [Id in OperationId]: T };
}

export const OWN: OwnOfOperations = forEachOperation((id) => OPERATIONS[id].own satisfies OwnSettings);
