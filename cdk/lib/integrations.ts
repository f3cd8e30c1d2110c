import type { Construct, IDependable } from 'constructs';
import { OPERATIONS, type OperationId } from './generated/operations.gen.ts';
import {
  constructId,
  type FunctionOptions,
  forEachOperation,
  OPERATION_IDS,
  OperationFunction,
  type OperationIntegration,
  type OverrideIntegration,
} from './operation.ts';
import type { Platform } from './platform.ts';

/** How operations are spread over functions. */
export type Pattern =
  /** One function for each operation: its own role, concurrency, alarm and deployment. */
  | 'isolated'
  /** One function, `router`, for all of them: fewer cold starts where there are few requests. */
  | 'shared';

/** Operations that something else serves than this project's functions. */
export type Overrides = { readonly [Id in OperationId]?: OverrideIntegration };

/** What serves each operation. */
export type Integrations<O extends Overrides = Overrides> = {
  readonly [Id in OperationId]: Id extends keyof O ? NonNullable<O[Id]> : OperationIntegration;
};

/** Nothing that is no operation. */
type OnlyOperations<T> = { readonly [Name in Exclude<keyof T, OperationId>]: never };

/** What all functions have unless an operation says otherwise. */
export interface DefaultOptions extends FunctionOptions {
  /** Where functions run. Needed unless every operation is overridden. */
  readonly platform?: Platform;
  /** What must be done before any function changes: the migration. */
  readonly after?: readonly IDependable[];
}

/** Nothing is overridden. */
// biome-ignore lint/complexity/noBannedTypes: an object type without a member is what is meant.
export type None = {};

/** Builds what serves each operation, step by step. */
export class IntegrationsBuilder<O extends Overrides> {
  readonly #scope: Construct;
  readonly #pattern: Pattern;
  readonly #defaults: DefaultOptions;
  readonly #options: { readonly [Id in OperationId]?: FunctionOptions };
  readonly #overrides: O;

  private constructor(
    scope: Construct,
    pattern: Pattern,
    defaults: DefaultOptions,
    options: { readonly [Id in OperationId]?: FunctionOptions },
    overrides: O,
  ) {
    this.#scope = scope;
    this.#pattern = pattern;
    this.#defaults = defaults;
    this.#options = options;
    this.#overrides = overrides;
  }

  /** Functions in `scope`, with nothing said about them. */
  static in(scope: Construct, pattern: Pattern): IntegrationsBuilder<None> {
    return new IntegrationsBuilder<None>(scope, pattern, {}, {}, {});
  }

  /** Adds to what all functions have. */
  withDefaultOptions(options: DefaultOptions): IntegrationsBuilder<O> {
    const defaults = { ...this.#defaults, ...options };
    return new IntegrationsBuilder(this.#scope, this.#pattern, defaults, this.#options, this.#overrides);
  }

  /** Adds to what single functions have; what an operation has of its own goes before the defaults. */
  withOperationOptions(
    options: {
      readonly [Id in Exclude<OperationId, keyof O>]?: FunctionOptions;
    },
  ): IntegrationsBuilder<O> {
    const given: { readonly [Id in OperationId]?: FunctionOptions } = options;
    const merged = forEachOperation((id) => ({ ...this.#options[id], ...given[id] }));
    return new IntegrationsBuilder(this.#scope, this.#pattern, this.#defaults, merged, this.#overrides);
  }

  /** Has operations served by something else. Whatever comes with its `integration` keeps its type. */
  withOverrides<T extends Overrides>(overrides: T & OnlyOperations<T>): IntegrationsBuilder<Omit<O, keyof T> & T> {
    const merged: Omit<O, keyof T> & T = { ...this.#overrides, ...overrides };
    return new IntegrationsBuilder(this.#scope, this.#pattern, this.#defaults, this.#options, merged);
  }

  /** Makes the functions. */
  build(): Integrations<O> {
    const overrides: Overrides = this.#overrides;
    const serve = this.#pattern === 'isolated' ? this.#isolated() : this.#shared();
    return forEachOperation((id) => overrides[id] ?? serve(id)) as Integrations<O>;
  }

  #isolated(): (id: OperationId) => OperationIntegration {
    return (id) => {
      const { functionName, databaseRole, routes } = OPERATIONS[id];
      return new OperationFunction(this.#scope, constructId(functionName), {
        description: routes.map(({ method, path }) => `${method} ${path}`).join(', '),
        ...this.#common(),
        ...this.#options[id],
        binary: functionName,
        subject: id,
        roles: databaseRole === 'none' ? [] : [databaseRole],
      });
    };
  }

  #shared(): (id: OperationId) => OperationIntegration {
    const particular = OPERATION_IDS.filter((id) => Object.keys(this.#options[id] ?? {}).length > 0);
    if (particular.length > 0) {
      throw new Error(`pattern shared has one function for all operations: no options for ${particular.join(', ')}`);
    }
    let router: OperationFunction | undefined;
    return () => {
      router ??= new OperationFunction(this.#scope, 'Router', {
        ...this.#common(),
        binary: 'router',
        description: 'Every operation',
        subject: 'An operation',
        // One connection of each: what only reads cannot write, whatever is wrong with its SQL.
        roles: ['reader', 'writer'],
      });
      return router;
    };
  }

  #common() {
    const { platform, after, ...defaults } = this.#defaults;
    if (!platform) throw new Error('functions need a platform: give withDefaultOptions one');
    return { ...defaults, platform, after: after ?? [] };
  }
}
