import { Match, Template } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { ground } from './stacks.ts';

const template = Template.fromStack(ground().stack);

test('there is no way out of the network', () => {
  template.resourceCountIs('AWS::EC2::InternetGateway', 0);
  template.resourceCountIs('AWS::EC2::NatGateway', 0);
  template.resourceCountIs('AWS::EC2::Route', 0);
  template.allResourcesProperties('AWS::EC2::Subnet', { MapPublicIpOnLaunch: false });
  template.resourceCountIs('AWS::EC2::Subnet', 2);
});

test('functions reach the database and the cache, and nothing else', () => {
  template.hasResourceProperties('AWS::EC2::SecurityGroup', {
    GroupDescription: 'Functions of operations',
    SecurityGroupEgress: [
      { CidrIp: '10.1.0.0/16', Description: 'PostgreSQL', FromPort: 5432, IpProtocol: 'tcp', ToPort: 5432 },
      { CidrIp: '10.1.0.0/16', Description: 'Valkey', FromPort: 6379, IpProtocol: 'tcp', ToPort: 6380 },
    ],
  });
});

test('endpoints let through what migrate needs', () => {
  template.resourceCountIs('AWS::EC2::VPCEndpoint', 2);
  template.hasResourceProperties('AWS::EC2::VPCEndpoint', {
    VpcEndpointType: 'Gateway',
    PolicyDocument: { Statement: [Match.objectLike({ Action: 's3:PutObject' })] },
  });
  template.hasResourceProperties('AWS::EC2::VPCEndpoint', {
    VpcEndpointType: 'Interface',
    PrivateDnsEnabled: true,
    SubnetIds: [Match.anyValue()],
    PolicyDocument: {
      Statement: [
        Match.objectLike({
          Action: 'secretsmanager:GetSecretValue',
          Resource: { 'Fn::GetAtt': [Match.stringLikeRegexp('^DatabaseCluster'), 'MasterUserSecret.SecretArn'] },
        }),
      ],
    },
  });
});

test('refused connections are logged, encrypted', () => {
  template.hasResourceProperties('AWS::EC2::FlowLog', { TrafficType: 'REJECT', ResourceType: 'VPC' });
  template.hasResourceProperties('AWS::Logs::LogGroup', {
    LogGroupName: '/aws/vpc/test',
    RetentionInDays: 30,
    KmsKeyId: Match.anyValue(),
  });
});

test('the default security group lets nothing out', () => {
  const rules = template.findResources('AWS::EC2::SecurityGroupEgress', {
    Properties: { IpProtocol: '-1', CidrIp: '127.0.0.1/32' },
  });
  expect(Object.keys(rules)).toHaveLength(1);
});
