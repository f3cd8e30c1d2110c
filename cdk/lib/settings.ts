/**
 * The settings of stages. Each has the name and the meaning of a parameter of `template.yaml`. Settings that the
 * template's rules refuse at deployment do not compile here, or are refused at synthesis.
 */

import { OPERATIONS } from './generated/operations.gen.ts';
import { OPERATION_IDS, OWN } from './operations.ts';

/** Who may call, apart from the open routes. */
export type Access =
  /** Signature Version 4: callers are IAM principals. */
  | { readonly authMode: 'iam' }
  /** Access tokens of a user pool with the scopes `<name>/read` and `<name>/write`. */
  | { readonly authMode: 'cognito'; readonly userPoolArn: string }
  /** Everyone. */
  | { readonly authMode: 'none' };

/** How functions reach the database, and its minimum capacity (in Aurora capacity units). */
export type Capacity =
  | { readonly profile: 'proxy'; readonly minCapacity: 0.5 | 1 | 2 | 4 | 8 }
  /** The database sleeps when idle, which RDS Proxy would prevent. */
  | { readonly profile: 'scale-to-zero'; readonly minCapacity: 0 };

/** The combinations that a stage may have: production is neither open nor asleep. */
export type Place =
  | ({ readonly stage: 'dev' | 'staging' } & Access & Capacity)
  | ({ readonly stage: 'prod' } & Exclude<Access, { authMode: 'none' }> & Extract<Capacity, { profile: 'proxy' }>);

/** A custom domain. */
export interface Domain {
  /** The name, such as `api.example.com`. */
  readonly domainName: string;
  /** ACM certificate of the domain, in the region of the stack. */
  readonly certificateArn: string;
  /** The Route 53 zone of the domain; undefined if DNS is managed elsewhere. */
  readonly hostedZoneId?: string;
}

/** How traffic moves to a new version. */
export type DeploymentPreference =
  | 'AllAtOnce'
  | 'Canary10Percent5Minutes'
  | 'Canary10Percent15Minutes'
  | 'Linear10PercentEvery1Minute';

export type LogLevel = 'TRACE' | 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';

/** The address for alarms and the budget's warnings; `nobody` has to be explicit, so that it cannot be forgotten. */
export type AlarmEmail = 'nobody' | `${string}@${string}`;

/** The options of any stage. */
export interface Options {
  /** Whether callers need an API key of the usage plan, in addition to what `authMode` requires. */
  readonly apiKeys: boolean;
  /** Origins whose pages may call the API; the first one may also read the gateway's own errors. */
  readonly corsAllowedOrigins: readonly string[];
  /** Headers that such pages may send, in addition to those of the API and of common clients. */
  readonly corsAllowedHeaders: readonly string[];
  /** CIDR blocks that may call the API; if empty, any address may. */
  readonly allowedIpRanges: readonly string[];
  /** Whether AWS WAF filters requests. */
  readonly waf: boolean;
  /** Requests in five minutes from one address, before AWS WAF blocks it. */
  readonly wafRateLimit: number;
  /**
   * Whether the gateway caches /docs and /openapi.json. It caches nothing else, since its cache ignores If-None-Match.
   */
  readonly stageCache: boolean;
  readonly domain?: Domain;
  /** Whether this stack sets the role with which API Gateway logs, of which there is one per account and region. */
  readonly manageGatewayAccount: boolean;
  /** Requests per second for each route that reads. */
  readonly rateLimit: number;
  /** Burst for each route that reads, in requests. */
  readonly burstLimit: number;
  /** Requests per second for each route that writes. */
  readonly writeRateLimit: number;
  /** Burst for each route that writes, in requests. */
  readonly writeBurstLimit: number;
  /** Requests per day for each API key. */
  readonly dailyQuota: number;
  /** Memory of each function, in MiB. */
  readonly memorySize: number;
  /** Timeout of each function in seconds, at most 28; the gateway's is 29. */
  readonly functionTimeout: number;
  /** Reserved concurrency of each function that reads; 0 reserves none. */
  readonly readerConcurrency: number;
  /** Reserved concurrency of each function that writes; 0 reserves none. */
  readonly writerConcurrency: number;
  /** Reserved concurrency of the function that serves the contract; 0 reserves none. */
  readonly documentConcurrency: number;
  readonly deploymentPreference: DeploymentPreference;
  readonly logLevel: LogLevel;
  /** How long all logs are kept. */
  readonly logRetentionDays: number;
  /** An additional destination of all logs: Kinesis, Firehose, a destination of CloudWatch Logs, or a function. */
  readonly logDestinationArn?: string;
  /** The role with which CloudWatch Logs writes to the destination; required for Kinesis and Firehose. */
  readonly logDestinationRoleArn?: string;
  /** Increase this when the cursor key or the cache's password has a new value, so that functions get it. */
  readonly secretsGeneration: number;
  /** Whether PUT, PATCH and DELETE without If-Match are refused (428). */
  readonly requireIfMatch: boolean;
  /** The address range of the VPC, a /16. */
  readonly vpcCidr: string;
  /** The names of the two zones of the subnets; if empty, the region's first two. */
  readonly availabilityZones: readonly string[];
  /** The version of Aurora PostgreSQL; 16.3 or newer can sleep. */
  readonly engineVersion: string;
  /** Maximum capacity, in Aurora capacity units. */
  readonly maxCapacity: number;
  /** `max_connections` of the database. */
  readonly maxConnections: number;
  /** Maximum share of `maxConnections` that RDS Proxy uses; the rest is for migrations and operators. */
  readonly proxyConnectionsPercent: number;
  /** Retention of automatic backups. */
  readonly backupRetentionDays: number;
  /** Whether functions may reach the database both ways, through RDS Proxy and directly: while `profile` changes. */
  readonly bothPaths: boolean;
  /**
   * Whether there is a cache (ElastiCache Serverless for Valkey). With `writes`, functions that write update it, but no
   * function reads it: the intermediate step between the other two, in both directions.
   */
  readonly cache: boolean | 'writes';
  /** The number of failures of one operation per minute that raise its alarm. */
  readonly failureThreshold: number;
  readonly alarmEmail: AlarmEmail;
  /**
   * The budget in US dollars per month for resources tagged with this stack's name; 0 for none. Requires `alarmEmail`.
   */
  readonly monthlyBudget: number;
}

/** All settings of a stage. */
export type Settings = Place & Options;

/** The names of the stages. */
export type StageName = Settings['stage'];

/** The defaults of a stage's options, except `alarmEmail`, which each stage has to set. */
export const DEFAULTS: Omit<Options, 'alarmEmail'> = {
  apiKeys: false,
  corsAllowedOrigins: [],
  corsAllowedHeaders: [],
  allowedIpRanges: [],
  waf: false,
  wafRateLimit: 60_000,
  stageCache: false,
  manageGatewayAccount: true,
  rateLimit: 100,
  burstLimit: 200,
  writeRateLimit: 50,
  writeBurstLimit: 100,
  dailyQuota: 100_000,
  memorySize: 256,
  functionTimeout: 10,
  readerConcurrency: 0,
  writerConcurrency: 0,
  documentConcurrency: 0,
  deploymentPreference: 'AllAtOnce',
  logLevel: 'INFO',
  logRetentionDays: 365,
  secretsGeneration: 1,
  requireIfMatch: false,
  vpcCidr: '10.20.0.0/16',
  availabilityZones: [],
  engineVersion: '17.7',
  maxCapacity: 2,
  maxConnections: 200,
  proxyConnectionsPercent: 80,
  backupRetentionDays: 7,
  bothPaths: false,
  cache: false,
  failureThreshold: 5,
  monthlyBudget: 0,
};

/** The stages; the same as in `samconfig.toml`. */
export const STAGES: { readonly [Name in StageName]: Settings & { readonly stage: Name } } = {
  /** For experiments: the database sleeps when idle, and the first request after that takes 15 s. */
  dev: {
    ...DEFAULTS,
    stage: 'dev',
    authMode: 'iam',
    profile: 'scale-to-zero',
    minCapacity: 0,
    maxCapacity: 2,
    logRetentionDays: 14,
    backupRetentionDays: 1,
    alarmEmail: 'nobody',
  },
  /**
   * The same as prod, except for sizes, concurrency, the duration of traffic shifts, retention, and the confirmation of
   * changes, so that faults show here first.
   */
  staging: {
    ...DEFAULTS,
    stage: 'staging',
    authMode: 'iam',
    profile: 'proxy',
    minCapacity: 0.5,
    maxCapacity: 4,
    maxConnections: 400,
    readerConcurrency: 10,
    writerConcurrency: 5,
    documentConcurrency: 2,
    waf: true,
    deploymentPreference: 'Canary10Percent5Minutes',
    requireIfMatch: true,
    logRetentionDays: 30,
    alarmEmail: 'nobody',
  },
  prod: {
    ...DEFAULTS,
    stage: 'prod',
    authMode: 'iam',
    profile: 'proxy',
    minCapacity: 0.5,
    maxCapacity: 16,
    // The reserved concurrency, with one connection each, stays below 80 % of this, with room for twice the operations.
    maxConnections: 800,
    readerConcurrency: 20,
    writerConcurrency: 10,
    documentConcurrency: 5,
    waf: true,
    deploymentPreference: 'Canary10Percent15Minutes',
    requireIfMatch: true,
    backupRetentionDays: 35,
    alarmEmail: 'nobody',
  },
};

/**
 * Returns `settings` after checks that types cannot express.
 *
 * @throws An error that lists every fault.
 */
export function checked<T extends Settings>(settings: T): T {
  const faults: string[] = [];
  const within = (name: keyof Options & keyof Settings, least: number, most: number) => {
    const value = settings[name];
    if (typeof value !== 'number' || !(value >= least && value <= most)) {
      faults.push(`${name} is ${value}, not ${least} to ${most}`);
    }
  };
  within('rateLimit', 1, Number.MAX_SAFE_INTEGER);
  within('burstLimit', 1, Number.MAX_SAFE_INTEGER);
  within('writeRateLimit', 1, Number.MAX_SAFE_INTEGER);
  within('writeBurstLimit', 1, Number.MAX_SAFE_INTEGER);
  within('dailyQuota', 1, Number.MAX_SAFE_INTEGER);
  within('memorySize', 128, 10_240);
  within('functionTimeout', 3, 28);
  within('readerConcurrency', 0, Number.MAX_SAFE_INTEGER);
  within('writerConcurrency', 0, Number.MAX_SAFE_INTEGER);
  within('documentConcurrency', 0, Number.MAX_SAFE_INTEGER);
  within('maxCapacity', Math.max(settings.minCapacity, 1), 256);
  within('maxConnections', 50, Number.MAX_SAFE_INTEGER);
  within('proxyConnectionsPercent', 1, 100);
  within('backupRetentionDays', 1, 35);
  within('secretsGeneration', 1, Number.MAX_SAFE_INTEGER);
  within('failureThreshold', 1, Number.MAX_SAFE_INTEGER);
  within('wafRateLimit', 100, 2_000_000_000);
  within('monthlyBudget', 0, Number.MAX_SAFE_INTEGER);
  const noHeader = settings.corsAllowedHeaders.find((name) => !/^[A-Za-z0-9-]+$/.test(name));
  if (noHeader !== undefined)
    faults.push(`corsAllowedHeaders has ${JSON.stringify(noHeader)}, not the name of a header`);
  if (settings.authMode === 'cognito' && settings.userPoolArn === '') faults.push('authMode cognito needs userPoolArn');
  if (settings.domain?.certificateArn === '') faults.push('a domain needs certificateArn');
  const { alarmEmail = '' }: { alarmEmail?: string } = settings;
  if (alarmEmail !== 'nobody' && !/^\S+@\S+$/.test(alarmEmail)) {
    faults.push(`alarmEmail is ${JSON.stringify(alarmEmail)}, neither an address nor nobody`);
  }
  if (settings.monthlyBudget > 0 && alarmEmail === 'nobody') {
    faults.push('monthlyBudget needs an alarmEmail other than nobody');
  }
  const zones = new Set(settings.availabilityZones).size;
  if (zones !== settings.availabilityZones.length || ![0, 2].includes(zones)) {
    faults.push(`availabilityZones has ${settings.availabilityZones.join(', ')}, neither two zones nor none`);
  }
  if (settings.logDestinationRoleArn && !settings.logDestinationArn) {
    faults.push('logDestinationRoleArn needs logDestinationArn');
  }
  if (!/^\d+\.\d+\.\d+\.\d+\/16$/.test(settings.vpcCidr)) faults.push(`vpcCidr ${settings.vpcCidr} is not a /16`);
  // Settings from a command line are not type-checked.
  const place: { stage: string; authMode: string; profile: string; minCapacity: number } = settings;
  if (place.stage === 'prod' && place.authMode === 'none') faults.push('stage prod needs authMode iam or cognito');
  if (place.stage === 'prod' && place.profile !== 'proxy') faults.push('stage prod needs profile proxy');
  if ((place.profile === 'proxy') === (place.minCapacity === 0)) {
    faults.push(`profile ${place.profile} contradicts minCapacity ${place.minCapacity}: 0 lets the database sleep`);
  }
  if (place.profile === 'proxy') {
    const { readerConcurrency, writerConcurrency, maxConnections, proxyConnectionsPercent } = settings;
    if (readerConcurrency === 0 || writerConcurrency === 0) {
      faults.push('profile proxy needs readerConcurrency and writerConcurrency: its connections are counted');
    }
    const concurrency = { reader: readerConcurrency, writer: writerConcurrency, none: 0 };
    const wanted = OPERATION_IDS.map((id) =>
      OPERATIONS[id].databaseRole === 'none'
        ? 0
        : (OWN[id].reservedConcurrency ?? concurrency[OPERATIONS[id].databaseRole]),
    ).reduce((sum, connections) => sum + connections, 0);
    const there = Math.floor((maxConnections * proxyConnectionsPercent) / 100);
    if (wanted > there) faults.push(`functions may want ${wanted} connections at once, of ${there} of the proxy`);
  }
  if (faults.length > 0) throw new Error(`stage ${settings.stage}: ${faults.join('; ')}`);
  return settings;
}
