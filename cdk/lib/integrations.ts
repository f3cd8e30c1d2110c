import { Duration, Fn } from 'aws-cdk-lib';
import type { MethodOptions } from 'aws-cdk-lib/aws-apigateway';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct, IDependable } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { OPERATIONS, type OperationId } from './generated/operations.gen.ts';
import {
  constructId,
  type FunctionOptions,
  OperationFunction,
  type OperationIntegration,
  type OverrideIntegration,
  type Role,
} from './operation.ts';
import { forEachOperation, OPERATION_IDS, OWN, type OwnOfOperations, type OwnSettings } from './operations.ts';
import type { Platform } from './platform.ts';

/** How operations are assigned to functions. */
export type Pattern =
  /** One function for each operation: its own role, concurrency, alarm and deployment. */
  | 'isolated'
  /** One function, `router`, for all operations: fewer cold starts if there are few requests. */
  | 'shared';

/** Operations with an integration other than this project's functions. */
export type Overrides = { readonly [Id in OperationId]?: OverrideIntegration };

/** The integration of each operation. */
export type Integrations<O extends Overrides = Overrides> = {
  readonly [Id in OperationId]: Id extends keyof O ? NonNullable<O[Id]> : OperationIntegration;
};

/** The integration of each operation, of any type. */
export type AnyIntegrations = { readonly [Id in OperationId]: OverrideIntegration };

/** Rejects keys that are not operations, and method options that do not exist. */
export type OnlyOperations<T> = { readonly [Name in Exclude<keyof T, OperationId>]: never } & {
  readonly [Id in keyof T]: T[Id] extends { readonly options: infer P }
    ? { readonly options: P & { readonly [Name in Exclude<keyof P, keyof MethodOptions>]: never } }
    : unknown;
};

/** Options of all functions, which an operation's own options override. */
export interface DefaultOptions extends FunctionOptions {
  /** The shared resources of functions. Required unless every operation is overridden. */
  readonly platform?: Platform;
  /** The migration, which runs before any function changes. */
  readonly after?: readonly IDependable[];
}

/** No overrides. */
// biome-ignore lint/complexity/noBannedTypes: the type is meant to be an object without members.
export type None = {};

/** The options collected so far. */
interface CollectedOptions {
  readonly pattern: Pattern;
  readonly own: OwnOfOperations;
  readonly defaults: DefaultOptions;
  readonly roles: { readonly [Name in Role]?: FunctionOptions };
  readonly options: { readonly [Id in OperationId]?: FunctionOptions };
}

/**
 * Builds the integration of each operation. The options of a function are, in increasing order of precedence: those of
 * all functions, those of its database role, those that its operation declares, and its own options here.
 */
export class IntegrationsBuilder<O extends Overrides> {
  readonly #scope: Construct;
  readonly #collected: CollectedOptions;
  readonly #overrides: O;

  private constructor(scope: Construct, collected: CollectedOptions, overrides: O) {
    this.#scope = scope;
    this.#collected = collected;
    this.#overrides = overrides;
  }

  /** Starts with functions in `scope` that have only the options that operations declare. */
  static in(scope: Construct, pattern: Pattern, own = OWN): IntegrationsBuilder<None> {
    return new IntegrationsBuilder<None>(scope, { pattern, own, defaults: {}, roles: {}, options: {} }, {});
  }

  /** Adds options for all functions. */
  withDefaultOptions(options: DefaultOptions): IntegrationsBuilder<O> {
    return this.#with({ defaults: overlay(this.#collected.defaults, options) });
  }

  /** Adds options for the functions of each database role. */
  withRoleOptions(options: { readonly [Name in Role]?: FunctionOptions }): IntegrationsBuilder<O> {
    const { reader, writer, none } = this.#collected.roles;
    const roles = {
      reader: overlay(reader, options.reader),
      writer: overlay(writer, options.writer),
      none: overlay(none, options.none),
    };
    return this.#with({ roles });
  }

  /** Adds options for single functions. */
  withOperationOptions(
    options: {
      readonly [Id in Exclude<OperationId, keyof O>]?: FunctionOptions;
    },
  ): IntegrationsBuilder<O> {
    const given: { readonly [Id in OperationId]?: FunctionOptions } = options;
    return this.#with({ options: forEachOperation((id) => overlay(this.#collected.options[id], given[id])) });
  }

  /** Replaces the integration of operations. Other members of an override keep their types. */
  withOverrides<T extends Overrides>(overrides: T & OnlyOperations<T>): IntegrationsBuilder<Omit<O, keyof T> & T> {
    const merged: Omit<O, keyof T> & T = { ...this.#overrides, ...overrides };
    return new IntegrationsBuilder(this.#scope, this.#collected, merged);
  }

  /** Creates the functions. */
  build(): Integrations<O> {
    const overrides: Overrides = this.#overrides;
    const { pattern, defaults, options } = this.#collected;
    const serve = pattern === 'isolated' ? this.#isolated() : this.#shared();
    return forEachOperation((id) => {
      const override = overrides[id];
      if (override) return override;
      const { integration, handler, alias, alarm } = serve(id);
      return { integration, handler, alias, alarm, options: options[id]?.methodOptions ?? defaults.methodOptions };
    }) as Integrations<O>;
  }

  #with(more: Partial<CollectedOptions>): IntegrationsBuilder<O> {
    return new IntegrationsBuilder(this.#scope, { ...this.#collected, ...more }, this.#overrides);
  }

  #isolated(): (id: OperationId) => OperationFunction {
    return (id) => {
      const { functionName, databaseRole, routes } = OPERATIONS[id];
      const { own, roles, options } = this.#collected;
      const operation = new OperationFunction(this.#scope, constructId(functionName), {
        description: routes.map(({ method, path }) => `${method} ${path}`).join(', '),
        ...overlay(this.#common(), overlay(roles[databaseRole], overlay(declared(own[id]), options[id]))),
        ...this.#ground(),
        binary: functionName,
        subject: id,
        roles: databaseRole === 'none' ? [] : [databaseRole],
      });
      acknowledgeRights(operation, own[id]);
      return operation;
    };
  }

  #shared(): (id: OperationId) => OperationFunction {
    const { own, roles, options } = this.#collected;
    const particular = OPERATION_IDS.filter((id) => {
      const { methodOptions: _, ...others } = options[id] ?? {};
      return Object.keys(others).length > 0;
    });
    if (particular.length > 0) {
      throw new Error(`pattern shared has one function for all operations: no options for ${particular.join(', ')}`);
    }
    let router: OperationFunction | undefined;
    return () => {
      if (router) return router;
      const common = overlay(this.#common(), roles.writer);
      const least = { memorySize: common.memorySize, timeoutSeconds: common.timeout?.toSeconds() };
      const all = together([...Object.values(own), least]);
      router = new OperationFunction(this.#scope, 'Router', {
        description: 'Every operation',
        ...overlay(common, declared(all)),
        ...this.#ground(),
        binary: 'router',
        subject: 'An operation',
        // One connection per role: operations that only read cannot write, whatever their SQL.
        roles: ['reader', 'writer'],
      });
      acknowledgeRights(router, all);
      return router;
    };
  }

  #common(): FunctionOptions {
    const { platform: _, after: __, ...common } = this.#collected.defaults;
    return common;
  }

  #ground() {
    const { platform, after = [] } = this.#collected.defaults;
    if (!platform) throw new Error('functions need a platform: give withDefaultOptions one');
    return { platform, after };
  }
}

/** Overrides options. Variables and statements are merged; another network replaces subnets and groups as well. */
function overlay<T extends FunctionOptions>(under: T | undefined, options: T | undefined): T {
  const { vpcSubnets: _, securityGroups: __, ...elsewhere } = under ?? {};
  const environment = { ...under?.environment, ...options?.environment };
  const initialPolicy = [...(under?.initialPolicy ?? []), ...(options?.initialPolicy ?? [])];
  return {
    ...(options?.vpc ? elsewhere : under),
    ...options,
    ...(Object.keys(environment).length > 0 ? { environment } : {}),
    ...(initialPolicy.length > 0 ? { initialPolicy } : {}),
  } as T;
}

/** The settings that an operation declares, as options. */
function declared(own: OwnSettings): FunctionOptions {
  const { memorySize, timeoutSeconds, reservedConcurrency, provisionedConcurrency, environment, rights = [] } = own;
  return {
    ...(memorySize ? { memorySize } : {}),
    ...(timeoutSeconds ? { timeout: Duration.seconds(timeoutSeconds) } : {}),
    ...(reservedConcurrency ? { reservedConcurrentExecutions: reservedConcurrency } : {}),
    ...(provisionedConcurrency ? { provisionedConcurrency } : {}),
    ...(environment ? { environment } : {}),
    initialPolicy: rights.map(
      ({ sid, actions, resources }) =>
        new PolicyStatement({ sid, actions: [...actions], resources: resources.map((arn) => Fn.sub(arn)) }),
    ),
  };
}

/**
 * The settings for one function that serves all operations: the maximum of each, and all permissions, without
 * concurrency.
 */
function together(own: readonly OwnSettings[]): OwnSettings {
  const most = (values: readonly (number | undefined)[]) => Math.max(0, ...values.map((value) => value ?? 0));
  return {
    memorySize: most(own.map(({ memorySize }) => memorySize)),
    timeoutSeconds: most(own.map(({ timeoutSeconds }) => timeoutSeconds)),
    environment: Object.assign({}, ...own.map(({ environment }) => environment)),
    // Two operations may declare permissions with the same name.
    rights: own.flatMap(({ rights = [] }) => rights).map((right, index) => ({ ...right, sid: `${right.sid}${index}` })),
  };
}

function acknowledgeRights({ handler }: OperationFunction, { rights = [] }: OwnSettings): void {
  for (const { actions, resources } of rights) {
    const findings = [
      ...actions.map((action) => `Action::${action}`),
      ...resources.map((arn) => `Resource::${arn.replaceAll(/\$\{([^}]+)\}/g, '<$1>')}`),
    ];
    for (const finding of findings.filter((finding) => finding.includes('*'))) {
      if (handler.role)
        acknowledge(handler.role, 'IAM5', 'Its operation declares this permission next to its code.', finding);
    }
  }
}
