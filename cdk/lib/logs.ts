import { RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnSubscriptionFilter, LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Options } from './settings.ts';

/** What all log groups of a stack have in common. */
export interface LogSettings extends Pick<Options, 'logRetentionDays' | 'logDestinationArn' | 'logDestinationRoleArn'> {
  readonly key: IKey;
}

/** An encrypted log group that goes with its stack; its lines are sent to the stage's destination too, if it has one. */
export function logGroup(scope: Construct, id: string, name: string, settings: LogSettings): LogGroup {
  const group = new LogGroup(scope, id, {
    logGroupName: name,
    encryptionKey: settings.key,
    // The library's enumeration is a list of numbers.
    retention: settings.logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  if (settings.logDestinationArn) {
    new CfnSubscriptionFilter(scope, id.replace(/LogGroup$/, 'Logs'), {
      logGroupName: group.logGroupName,
      destinationArn: settings.logDestinationArn,
      ...(settings.logDestinationRoleArn ? { roleArn: settings.logDestinationRoleArn } : {}),
      filterPattern: '',
    });
  }
  return group;
}
