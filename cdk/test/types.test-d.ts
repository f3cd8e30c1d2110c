/** Tests of types: `tsc` checks this file, and it is never run. */

import { Duration, Size } from 'aws-cdk-lib';
import type { HttpIntegration, IAuthorizer } from 'aws-cdk-lib/aws-apigateway';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { type IVpc, SubnetType } from 'aws-cdk-lib/aws-ec2';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Alias, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { expectTypeOf } from 'vitest';
import { CatalogApi, type CatalogApiProps } from '../lib/catalog-api.ts';
import { OPERATIONS, type OperationId } from '../lib/generated/operations.gen.ts';
import type { Integrations, None } from '../lib/integrations.ts';
import type { OperationIntegration, OverrideIntegration } from '../lib/operation.ts';
import { DEFAULTS, type Settings } from '../lib/settings.ts';

declare const scope: Construct;
declare const integration: HttpIntegration;
declare const table: Table;
declare const vpc: IVpc;
declare const grantee: Role;
declare const settings: Omit<CatalogApiProps, 'integrations'>;

// Operations are a union of literals, from the register.
expectTypeOf<OperationId>().toEqualTypeOf<keyof typeof OPERATIONS>();
expectTypeOf<'getProduct'>().toExtend<OperationId>();
expectTypeOf<string>().not.toExtend<OperationId>();
expectTypeOf(OPERATIONS.getProduct.functionName).toEqualTypeOf<'get-product'>();
expectTypeOf(OPERATIONS.createProduct.databaseRole).toEqualTypeOf<'writer'>();

// An operation that is not overridden has a function.
const plain = CatalogApi.defaultIntegrations(scope).build();
expectTypeOf(plain).toEqualTypeOf<Integrations<None>>();
expectTypeOf(plain.getProduct).toEqualTypeOf<OperationIntegration>();
expectTypeOf(plain.getProduct.handler).toEqualTypeOf<LambdaFunction>();
expectTypeOf(plain.getProduct.alias).toEqualTypeOf<Alias>();

// A misspelt operation does not compile, wherever it is used.
// @ts-expect-error: there is no operation getProdcut
plain.getProdcut;
// @ts-expect-error: there is no operation getProdcut
CatalogApi.defaultIntegrations(scope).withOperationOptions({ getProdcut: { memorySize: 512 } });
// @ts-expect-error: there is no operation getProdcut
CatalogApi.defaultIntegrations(scope).withOverrides({ getProdcut: { integration } });
// @ts-expect-error: there is no operation getProdcut, next to an existing one
CatalogApi.defaultIntegrations(scope).withOverrides({ getProduct: { integration }, getProdcut: { integration } });

// Options are typed, and those of an operation may be partial.
CatalogApi.defaultIntegrations(scope)
  .withDefaultOptions({ memorySize: 256, logLevel: 'DEBUG' })
  .withOperationOptions({ searchProducts: { memorySize: 1024, timeout: Duration.seconds(20) } });
// @ts-expect-error: the option does not exist
CatalogApi.defaultIntegrations(scope).withDefaultOptions({ memory: 256 });
// @ts-expect-error: the value is not valid
CatalogApi.defaultIntegrations(scope).withOperationOptions({ getProduct: { logLevel: 'LOUD' } });

// An overridden operation has no function; other members of the override keep their types.
const overridden = CatalogApi.defaultIntegrations(scope)
  .withOverrides({ getHealth: { integration } })
  .withOverrides({ getProduct: { integration, table } })
  .build();
expectTypeOf(overridden.getProduct.integration).toEqualTypeOf<HttpIntegration>();
expectTypeOf(overridden.getProduct.table).toEqualTypeOf<Table>();
expectTypeOf(overridden.listProducts.handler).toEqualTypeOf<LambdaFunction>();
// @ts-expect-error: an overridden operation has no handler
overridden.getProduct.handler;
// @ts-expect-error: neither has the one that was overridden earlier
overridden.getHealth.handler;
// @ts-expect-error: the override has no such member
overridden.getHealth.table;
// @ts-expect-error: an override must have an integration
CatalogApi.defaultIntegrations(scope).withOverrides({ getProduct: { table } });
const withoutProduct = CatalogApi.defaultIntegrations(scope).withOverrides({ getProduct: { integration } });
// @ts-expect-error: an overridden operation has no function and so no options
withoutProduct.withOperationOptions({ getProduct: { memorySize: 512 } });

// The API has the types of its integrations.
const api = new CatalogApi(scope, 'Api', { ...settings, integrations: overridden });
expectTypeOf(api.integrations.getProduct.table).toEqualTypeOf<Table>();
expectTypeOf(api.integrations.listProducts.handler).toEqualTypeOf<LambdaFunction>();
// @ts-expect-error: an overridden operation has no handler
api.integrations.getProduct.handler;

// Both patterns have the same types.
const shared = CatalogApi.defaultIntegrations(scope, 'shared').build();
expectTypeOf(shared).toEqualTypeOf<Integrations<None>>();
// @ts-expect-error: there is no such pattern
CatalogApi.defaultIntegrations(scope, 'scattered');

// Permissions are for existing operations.
api.grantInvokeAccess(grantee);
api.grantInvokeAccess(grantee, { operations: ['getProduct', 'listProducts'] });
// @ts-expect-error: there is no operation getProdcut
api.grantInvokeAccess(grantee, { operations: ['getProdcut'] });

// An app that lists operations one by one no longer compiles when there is a new one.
declare const one: OverrideIntegration & { readonly table: Table };
declare const all: { readonly [Id in OperationId]: OverrideIntegration };
const explicit = CatalogApi.explicitIntegrations({ ...all, getProduct: one });
expectTypeOf(explicit.getProduct.table).toEqualTypeOf<Table>();
new CatalogApi(scope, 'Explicit', { ...settings, integrations: explicit });
declare const allButOne: Omit<typeof all, 'getHealth'>;
// @ts-expect-error: getHealth is missing, like an operation that was added later
CatalogApi.explicitIntegrations(allButOne);
// @ts-expect-error: there is no operation getProdcut
CatalogApi.explicitIntegrations({ ...all, getProdcut: one });

// The API also accepts such a record directly.
const recorded = new CatalogApi(scope, 'Record', { ...settings, integrations: { ...all, getProduct: one } });
expectTypeOf(recorded.integrations.getProduct.table).toEqualTypeOf<Table>();
// @ts-expect-error: getHealth is missing
new CatalogApi(scope, 'Missing', { ...settings, integrations: allButOne });
// @ts-expect-error: there is no operation getProdcut
new CatalogApi(scope, 'Misspelt', { ...settings, integrations: { ...all, getProdcut: one } });
// @ts-expect-error: each entry must have an integration
new CatalogApi(scope, 'Empty', { ...settings, integrations: { ...all, getProduct: { table } } });

// An override accepts the options of methods only.
declare const authorizer: IAuthorizer;
const guarded = CatalogApi.defaultIntegrations(scope)
  .withOverrides({ getProduct: { integration, table, options: { authorizer, apiKeyRequired: true } } })
  .build();
expectTypeOf(guarded.getProduct.table).toEqualTypeOf<Table>();
new CatalogApi(scope, 'Guarded', { ...settings, integrations: guarded });
CatalogApi.defaultIntegrations(scope).withOverrides({
  // @ts-expect-error: there is no option authoriser
  getProduct: { integration, options: { authoriser: authorizer } },
});
CatalogApi.defaultIntegrations(scope).withOverrides({
  // @ts-expect-error: neither next to an existing one
  getProduct: { integration, options: { authorizer, apiKeyRequire: true } },
});
// @ts-expect-error: the value is not an authoriser
CatalogApi.defaultIntegrations(scope).withOverrides({ getProduct: { integration, options: { authorizer: 'mine' } } });

// A function has every option of the library's, except those for log groups.
CatalogApi.defaultIntegrations(scope).withDefaultOptions({
  vpc,
  vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
  layers: [],
  ephemeralStorageSize: Size.gibibytes(1),
  deadLetterQueueEnabled: true,
  provisionedConcurrency: 2,
  methodOptions: { authorizer },
});
// @ts-expect-error: the stack has the log groups
CatalogApi.defaultIntegrations(scope).withDefaultOptions({ logRetention: 7 });
// @ts-expect-error: there is no such role
CatalogApi.defaultIntegrations(scope).withRoleOptions({ owner: { memorySize: 512 } });

type Owners<Id extends string> = { readonly [Operation in Id]: string };
declare const owners: Owners<OperationId>;
// @ts-expect-error: a type with the current operations does not have another one
expectTypeOf(owners).toExtend<Owners<OperationId | 'exportProducts'>>();

// Settings that contradict each other do not compile.
const iam = { authMode: 'iam' } as const;
const asleep = { profile: 'scale-to-zero', minCapacity: 0 } as const;
const awake = { profile: 'proxy', minCapacity: 0.5 } as const;
expectTypeOf({ ...DEFAULTS, ...iam, ...asleep, stage: 'dev', alarmEmail: 'nobody' } as const).toExtend<Settings>();
expectTypeOf({ ...DEFAULTS, ...iam, ...awake, stage: 'prod', alarmEmail: 'nobody' } as const).toExtend<Settings>();
const TOLD = { ...DEFAULTS, alarmEmail: 'nobody' } as const;
// @ts-expect-error: a stage must set alarmEmail, even if to nobody
export const untold: Settings = { ...DEFAULTS, ...iam, ...asleep, stage: 'dev' };
// @ts-expect-error: neither an address nor nobody
export const misdirected: Settings = { ...DEFAULTS, ...iam, ...asleep, stage: 'dev', alarmEmail: 'somebody' };
// @ts-expect-error: production is not open
export const open: Settings = { ...TOLD, ...awake, stage: 'prod', authMode: 'none' };
// @ts-expect-error: production does not sleep
export const sleeping: Settings = { ...TOLD, ...iam, ...asleep, stage: 'prod' };
// @ts-expect-error: a proxy keeps the database awake
export const insomniac: Settings = { ...TOLD, ...iam, stage: 'dev', profile: 'proxy', minCapacity: 0 };
// @ts-expect-error: tokens require a user pool
export const poolless: Settings = { ...TOLD, ...asleep, stage: 'dev', authMode: 'cognito' };
// @ts-expect-error: a domain requires a certificate
export const bare: Settings = { ...TOLD, ...iam, ...asleep, stage: 'dev', domain: { domainName: 'a.example' } };
