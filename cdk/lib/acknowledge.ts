import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Suppresses a rule of AWS Solutions for `construct`, with a reason. `finding` selects one of several findings. */
export function acknowledge(construct: IConstruct, rule: string, reason: string, finding?: string): void {
  const id = finding ? `AwsSolutions-${rule}[${finding}]` : `AwsSolutions-${rule}`;
  Validations.of(construct).acknowledge({ id, reason });
}
