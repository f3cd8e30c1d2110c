import { Stack } from 'aws-cdk-lib';
import { Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { CfnServerlessCache, CfnUser, CfnUserGroup } from 'aws-cdk-lib/aws-elasticache';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { NAME } from './generated/project.gen.ts';
import type { Network } from './network.ts';

export interface CacheProps {
  readonly network: Network;
  readonly key: IKey;
}

/** ElastiCache Serverless for Valkey, with one user that has only the permissions that functions need. */
export class Cache extends Construct {
  /** The environment variables for functions that use the cache. */
  readonly environment: { readonly [name: string]: string };

  constructor(scope: Construct, id: string, props: CacheProps) {
    super(scope, id);
    const { stackName } = Stack.of(this);
    const { network, key } = props;

    const securityGroup = new SecurityGroup(this, 'CacheSecurityGroup', {
      vpc: network.vpc,
      description: 'Valkey',
      allowAllOutbound: false,
    });
    securityGroup.addIngressRule(network.functionSecurityGroup, Port.tcpRange(6379, 6380), 'Functions');

    const secret = new Secret(this, 'CachePassword', {
      description: "Of the cache's user",
      encryptionKey: key,
      generateSecretString: { passwordLength: 48, excludePunctuation: true },
    });
    acknowledge(
      secret,
      'SMG4',
      'ElastiCache does not rotate it: a deployment that increases secretsGeneration sets a new password on both sides.',
    );
    // Only ElastiCache and the functions' configuration read it; the template refers to it without its value.
    const password = secret.secretValue.unsafeUnwrap();

    const name = `${stackName}-functions`;
    const user = new CfnUser(this, 'CacheUser', {
      userId: name,
      userName: name,
      engine: 'valkey',
      accessString: `on ~${NAME}* -@all +@read +@write +@hash +@scripting +@connection +time +cluster|slots +cluster|shards -@dangerous`,
      authenticationMode: { Type: 'password', Passwords: [password] },
    });
    const users = new CfnUserGroup(this, 'CacheUsers', {
      userGroupId: `${stackName}-users`,
      engine: 'valkey',
      userIds: [user.ref],
    });
    const cache = new CfnServerlessCache(this, 'ValkeyCache', {
      serverlessCacheName: stackName,
      engine: 'valkey',
      majorEngineVersion: '8',
      kmsKeyId: key.keyArn,
      userGroupId: users.ref,
      subnetIds: network.vpc.selectSubnets(network.subnets).subnetIds,
      securityGroupIds: [securityGroup.securityGroupId],
      cacheUsageLimits: { dataStorage: { maximum: 1, unit: 'GB' }, ecpuPerSecond: { maximum: 5000 } },
    });

    this.environment = {
      CACHE_URL: `rediss://${cache.attrEndpointAddress}:${cache.attrEndpointPort}`,
      CACHE_CLUSTER: 'true',
      CACHE_USERNAME: user.ref,
      CACHE_PASSWORD: password,
    };
  }
}
