import { Duration, Fn, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Effect, type IGrantable, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  AuroraPostgresEngineVersion,
  type CfnDBCluster,
  type CfnDBProxyTargetGroup,
  ClusterInstance,
  DatabaseCluster,
  DatabaseClusterEngine,
  DatabaseProxy,
  DefaultAuthScheme,
  ParameterGroup,
  ProxyTarget,
  SubnetGroup,
} from 'aws-cdk-lib/aws-rds';
import { Construct, type IDependable } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { NAME } from './generated/project.gen.ts';
import { type LogSettings, logGroup } from './logs.ts';
import type { Network } from './network.ts';
import type { Capacity, Options } from './settings.ts';

/** The database roles that functions connect as. `migrate` connects as the owner. */
export type DatabaseRole = 'reader' | 'writer';

/** The name of a role in the database. */
export const USERS: { readonly [role in DatabaseRole]: string } = {
  reader: 'catalog_reader',
  writer: 'catalog_writer',
};

/** The name of the database in its cluster. */
export const DATABASE_NAME = NAME;

export type DatabaseProps = Capacity &
  Pick<
    Options,
    'bothPaths' | 'engineVersion' | 'maxCapacity' | 'maxConnections' | 'proxyConnectionsPercent' | 'backupRetentionDays'
  > &
  LogSettings & {
    readonly network: Network;
    /** Whether the database is protected from accidental deletion. */
    readonly deletionProtection: boolean;
  };

/**
 * Aurora PostgreSQL Serverless v2. Functions connect through RDS Proxy (profile `proxy`), or directly, so that the
 * database sleeps when idle (`scale-to-zero`).
 */
export class Database extends Construct {
  readonly cluster: DatabaseCluster;
  /** Whether functions use the proxy; otherwise the database sleeps when idle. */
  readonly isProxied: boolean;
  /** Defined with profile `proxy`, and while the profile changes. */
  readonly proxy?: DatabaseProxy;
  /** The database behind the proxy. */
  readonly proxyTargets?: CfnDBProxyTargetGroup;
  /** The host that functions connect to. */
  readonly host: string;
  /** The secret with the owner's password, which RDS rotates every seven days. */
  readonly ownerSecretArn: string;
  /** The security groups and rules that have to exist before anything can connect. */
  readonly ways: readonly IDependable[];
  /** The resources that functions may connect to. */
  readonly #servers: string[] = [];

  constructor(scope: Construct, id: string, props: DatabaseProps) {
    super(scope, id);
    const { network, key } = props;
    const isProxied = props.profile === 'proxy';
    this.isProxied = isProxied;
    const version = AuroraPostgresEngineVersion.of(props.engineVersion, props.engineVersion.split('.')[0] ?? '');
    const engine = DatabaseClusterEngine.auroraPostgres({ version });

    const group = (name: string, description: string) =>
      new SecurityGroup(this, name, { vpc: network.vpc, description, allowAllOutbound: false });
    const securityGroup = group('DatabaseSecurityGroup', 'Aurora');
    const ways: IDependable[] = [securityGroup];
    this.ways = ways;
    securityGroup.addIngressRule(network.migrateSecurityGroup, Port.tcp(5432), 'migrate');

    const instance = {
      publiclyAccessible: false,
      autoMinorVersionUpgrade: true,
      enablePerformanceInsights: isProxied,
      ...(isProxied ? { performanceInsightEncryptionKey: key } : {}),
    };
    this.cluster = new DatabaseCluster(this, 'Cluster', {
      engine,
      defaultDatabaseName: DATABASE_NAME,
      credentials: { username: `${NAME}_owner` },
      // RDS stores the password in Secrets Manager and rotates it every seven days.
      manageMasterUserPassword: true,
      iamAuthentication: true,
      serverlessV2MinCapacity: props.minCapacity,
      serverlessV2MaxCapacity: props.maxCapacity,
      ...(isProxied ? {} : { serverlessV2AutoPauseDuration: Duration.minutes(5) }),
      writer: ClusterInstance.serverlessV2('Writer', instance),
      // A reader, to which Aurora fails over.
      readers: isProxied ? [ClusterInstance.serverlessV2('Standby', { ...instance, scaleWithWriter: true })] : [],
      vpc: network.vpc,
      subnetGroup: new SubnetGroup(this, 'DatabaseSubnets', {
        description: 'Private subnets',
        vpc: network.vpc,
        vpcSubnets: network.subnets,
      }),
      securityGroups: [securityGroup],
      parameterGroup: new ParameterGroup(this, 'DatabaseParameters', {
        engine,
        description: 'TLS, a known number of connections, and no data in logs',
        parameters: {
          'rds.force_ssl': '1',
          max_connections: String(props.maxConnections),
          log_statement: 'ddl',
          log_parameter_max_length: '0',
          log_parameter_max_length_on_error: '0',
        },
      }),
      storageEncryptionKey: key,
      backup: { retention: Duration.days(props.backupRetentionDays) },
      deletionProtection: props.deletionProtection,
      removalPolicy: RemovalPolicy.SNAPSHOT,
      // Exporting logs keeps the database awake.
      ...(isProxied ? { cloudwatchLogsExports: ['postgresql'] } : {}),
    });
    if (!props.deletionProtection) {
      acknowledge(
        this.cluster,
        'RDS10',
        'Only production is protected: other stages are temporary, and leave a snapshot.',
      );
    }
    const resource = this.cluster.node.defaultChild as CfnDBCluster;
    resource.masterUserSecret = { kmsKeyId: key.keyArn };
    this.ownerSecretArn = resource.attrMasterUserSecretSecretArn;

    if (isProxied) {
      const name = `/aws/rds/cluster/${this.cluster.clusterIdentifier}/postgresql`;
      this.cluster.node.findChild('Writer').node.addDependency(logGroup(this, 'DatabaseLogGroup', name, props));
    }

    if (!isProxied || props.bothPaths) {
      securityGroup.addIngressRule(network.functionSecurityGroup, Port.tcp(5432), 'Functions');
      this.#servers.push(this.cluster.clusterResourceIdentifier);
    }
    if (isProxied || props.bothPaths) {
      const proxySecurityGroup = group('ProxySecurityGroup', 'RDS Proxy');
      this.proxy = this.withProxy(proxySecurityGroup, props);
      proxySecurityGroup.addIngressRule(network.functionSecurityGroup, Port.tcp(5432), 'Functions');
      ways.push(proxySecurityGroup);
      this.proxyTargets = this.proxy.node.findChild('ProxyTargetGroup') as CfnDBProxyTargetGroup;
      this.#servers.push(Fn.select(6, Fn.split(':', this.proxy.dbProxyArn)));
    }
    this.host = isProxied && this.proxy ? this.proxy.endpoint : this.cluster.clusterEndpoint.hostname;
    network.allowSecret(this.ownerSecretArn);
  }

  /** Permission to connect as `roles` to the cluster, to the proxy, or to both while functions may use both. */
  connectStatement(...roles: DatabaseRole[]): PolicyStatement {
    return new PolicyStatement({
      sid: `ConnectAs${roles.map((role) => (role === 'reader' ? 'Reader' : 'Writer')).join('And')}`,
      actions: ['rds-db:connect'],
      resources: roles.flatMap((role) => this.#servers.map((server) => this.userArn(server, role))),
    });
  }

  /** Lets `grantee` connect as `role`. */
  grantConnectAs(grantee: IGrantable, role: DatabaseRole): void {
    grantee.grantPrincipal.addToPrincipalPolicy(this.connectStatement(role));
  }

  private userArn(server: string, role: DatabaseRole): string {
    const { partition, region, account } = Stack.of(this);
    return `arn:${partition}:rds-db:${region}:${account}:dbuser:${server}/${USERS[role]}`;
  }

  private withProxy(securityGroup: SecurityGroup, props: DatabaseProps): DatabaseProxy {
    const { stackName, account } = Stack.of(this);
    const server = this.cluster.clusterResourceIdentifier;
    const role = new Role(this, 'ProxyRole', {
      assumedBy: new ServicePrincipal('rds.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
      inlinePolicies: {
        connect: new PolicyDocument({
          statements: [
            new PolicyStatement({
              effect: Effect.ALLOW,
              actions: ['rds-db:connect'],
              resources: [this.userArn(server, 'reader'), this.userArn(server, 'writer')],
            }),
          ],
        }),
      },
    });
    const logs = logGroup(this, 'ProxyLogGroup', `/aws/rds/proxy/${stackName}`, props);
    const proxy = new DatabaseProxy(this, 'Proxy', {
      proxyTarget: ProxyTarget.fromCluster(this.cluster),
      dbProxyName: stackName,
      // IAM authentication from the function to the proxy and from the proxy to the database, without a password to
      // store.
      defaultAuthScheme: DefaultAuthScheme.IAM_AUTH,
      requireTLS: true,
      idleClientTimeout: Duration.minutes(30),
      maxConnectionsPercent: props.proxyConnectionsPercent,
      maxIdleConnectionsPercent: 10,
      // Shorter than a function waits for a connection, so that the function can respond with 503 in time.
      borrowTimeout: Duration.seconds(2),
      role,
      vpc: props.network.vpc,
      vpcSubnets: props.network.subnets,
      securityGroups: [securityGroup],
    });
    proxy.node.addDependency(logs);
    return proxy;
  }
}
