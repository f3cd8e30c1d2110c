import { RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnSubscriptionFilter, LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Options } from './settings.ts';

/** The common settings of all log groups of a stack. */
export interface LogSettings extends Pick<Options, 'logRetentionDays' | 'logDestinationArn' | 'logDestinationRoleArn'> {
  readonly key: IKey;
}

/**
 * An encrypted log group that is deleted with its stack. Its lines are also sent to the stage's destination, if there
 * is one.
 */
export function logGroup(scope: Construct, id: string, name: string, settings: LogSettings): LogGroup {
  const group = new LogGroup(scope, id, {
    logGroupName: name,
    encryptionKey: settings.key,
    // The library's enumeration has numeric values.
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
