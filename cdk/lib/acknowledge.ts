import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Says why a rule of AWS Solutions does not fit `construct`; `finding` names what it found, where it finds several things. */
export function acknowledge(construct: IConstruct, rule: string, reason: string, finding?: string): void {
  const id = finding ? `AwsSolutions-${rule}[${finding}]` : `AwsSolutions-${rule}`;
  Validations.of(construct).acknowledge({ id, reason });
}
