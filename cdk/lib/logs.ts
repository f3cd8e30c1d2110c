import { RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

/** What all log groups of a stack have in common. */
export interface LogSettings {
  readonly key: IKey;
  readonly logRetentionDays: number;
}

/** An encrypted log group that goes with its stack. */
export function logGroup(scope: Construct, id: string, name: string, settings: LogSettings): LogGroup {
  return new LogGroup(scope, id, {
    logGroupName: name,
    encryptionKey: settings.key,
    // The library's enumeration is a list of numbers.
    retention: settings.logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
}
