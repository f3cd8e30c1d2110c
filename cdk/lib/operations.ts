/** The operations of the register, and the settings that `functions/<name>/Cargo.toml` declares for them. */

import { OPERATIONS, type OperationId } from './generated/operations.gen.ts';

/** A permission of a function, in addition to those that all functions have. */
export interface OwnRight {
  readonly sid: string;
  readonly actions: readonly string[];
  /** ARNs, which may contain `${AWS::Partition}` and other pseudo parameters. */
  readonly resources: readonly string[];
}

/** The settings of one operation's function. */
export interface OwnSettings {
  /** In MiB. */
  readonly memorySize?: number;
  readonly timeoutSeconds?: number;
  readonly reservedConcurrency?: number;
  readonly provisionedConcurrency?: number;
  /** Additional environment variables. */
  readonly environment?: { readonly [name: string]: string };
  readonly rights?: readonly OwnRight[];
}

/** The settings of each operation; empty for most of them. */
export type OwnOfOperations = { readonly [Id in OperationId]: OwnSettings };

/** Every `operationId`, in the order of the documentation. */
export const OPERATION_IDS = Object.keys(OPERATIONS) as OperationId[];

/** A value for each operation. */
export function forEachOperation<T>(value: (id: OperationId) => T): { [Id in OperationId]: T } {
  return Object.fromEntries(OPERATION_IDS.map((id) => [id, value(id)])) as { [Id in OperationId]: T };
}

export const OWN: OwnOfOperations = forEachOperation((id) => OPERATIONS[id].own satisfies OwnSettings);
