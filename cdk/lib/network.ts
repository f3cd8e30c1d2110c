import { Stack } from 'aws-cdk-lib';
import {
  CfnFlowLog,
  CfnSecurityGroupEgress,
  GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  IpAddresses,
  Peer,
  Port,
  SecurityGroup,
  type SubnetSelection,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, Effect, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { type LogSettings, logGroup } from './logs.ts';
import type { Options } from './settings.ts';

export interface NetworkProps extends LogSettings, Pick<Options, 'availabilityZones'> {
  /** The address range of the VPC, a /16. */
  readonly vpcCidr: string;
  /** The number of zones with endpoints of AWS services, each of which is billed by the hour. */
  readonly endpointZones: 1 | 2;
}

/** A VPC of private subnets without access to anything outside but the endpoints of two AWS services. */
export class Network extends Construct {
  readonly vpc: Vpc;
  readonly subnets: SubnetSelection = { subnetType: SubnetType.PRIVATE_ISOLATED };
  /** For the functions of operations. */
  readonly functionSecurityGroup: SecurityGroup;
  /** For the function `migrate`. */
  readonly migrateSecurityGroup: SecurityGroup;
  /** The resources that `migrate` needs to read a password and to respond to CloudFormation. */
  readonly endpoints: readonly [GatewayVpcEndpoint, InterfaceVpcEndpoint];

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    const { stackName, partition } = Stack.of(this);

    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr(props.vpcCidr),
      ...(props.availabilityZones.length > 0 ? { availabilityZones: [...props.availabilityZones] } : { maxAzs: 2 }),
      natGateways: 0,
      subnetConfiguration: [{ name: 'Private', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 20 }],
      // The library would do this with a function; a rule in the template suffices.
      restrictDefaultSecurityGroup: false,
    });
    new CfnSecurityGroupEgress(this, 'DefaultSecurityGroupStaysEmpty', {
      groupId: this.vpc.vpcDefaultSecurityGroup,
      description: 'Replaces the rule that lets everything out',
      ipProtocol: '-1',
      cidrIp: '127.0.0.1/32',
    });
    this.logRejected(`/aws/vpc/${stackName}`, props);

    const group = (name: string, description: string) =>
      new SecurityGroup(this, name, { vpc: this.vpc, description, allowAllOutbound: false });
    const inside = Peer.ipv4(props.vpcCidr);
    this.functionSecurityGroup = group('FunctionSecurityGroup', 'Functions of operations');
    this.functionSecurityGroup.addEgressRule(inside, Port.tcp(5432), 'PostgreSQL');
    this.functionSecurityGroup.addEgressRule(inside, Port.tcpRange(6379, 6380), 'Valkey');
    this.migrateSecurityGroup = group('MigrateSecurityGroup', 'The function migrate');
    this.migrateSecurityGroup.addEgressRule(inside, Port.tcp(5432), 'PostgreSQL');
    // S3 has public addresses; the route tables have only a route to S3.
    this.migrateSecurityGroup.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'Endpoints');

    // `migrate` responds to CloudFormation through a presigned S3 URL.
    const s3 = new GatewayVpcEndpoint(this, 'S3Endpoint', {
      vpc: this.vpc,
      service: GatewayVpcEndpointAwsService.S3,
      subnets: [this.subnets],
    });
    s3.addToPolicy(
      new PolicyStatement({
        effect: Effect.ALLOW,
        principals: [new AnyPrincipal()],
        actions: ['s3:PutObject'],
        // CloudFormation's own buckets, one per region.
        resources: [`arn:${partition}:s3:::cloudformation-custom-resource-response-*/*`],
      }),
    );

    const endpointSecurityGroup = group('EndpointSecurityGroup', 'Endpoints of AWS services');
    endpointSecurityGroup.addIngressRule(this.migrateSecurityGroup, Port.tcp(443), 'migrate');
    // `migrate` reads the owner's password.
    const secrets = new InterfaceVpcEndpoint(this, 'SecretsManagerEndpoint', {
      vpc: this.vpc,
      service: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
      subnets: { subnets: this.vpc.isolatedSubnets.slice(0, props.endpointZones) },
      securityGroups: [endpointSecurityGroup],
      open: false,
    });
    this.endpoints = [s3, secrets];
  }

  /** Lets the functions in this network read the secret `arn` if their own policies allow it. */
  allowSecret(arn: string): void {
    this.endpoints[1].addToPolicy(
      new PolicyStatement({
        effect: Effect.ALLOW,
        principals: [new AnyPrincipal()],
        actions: ['secretsmanager:GetSecretValue'],
        resources: [arn],
      }),
    );
  }

  /** Logs refused connections. */
  private logRejected(name: string, settings: LogSettings): void {
    const group = logGroup(this, 'FlowLogGroup', name, settings);
    const role = new Role(this, 'FlowLogRole', {
      assumedBy: new ServicePrincipal('vpc-flow-logs.amazonaws.com'),
      inlinePolicies: {
        'flow-logs': new PolicyDocument({
          statements: [
            new PolicyStatement({
              actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
              resources: [group.logGroupArn],
            }),
          ],
        }),
      },
    });
    // The library's `addFlowLog` would grant the role iam:PassRole on itself.
    new CfnFlowLog(this, 'FlowLog', {
      resourceId: this.vpc.vpcId,
      resourceType: 'VPC',
      trafficType: 'REJECT',
      logGroupName: group.logGroupName,
      deliverLogsPermissionArn: role.roleArn,
    });
  }
}
