/** Where the CDK app may differ from `template.yaml`, and why. */

export interface Difference {
  /** The facts that differ. */
  readonly fact: RegExp;
  /** Whether only the app has them, or only the template; either, or another value, if it is not said. */
  readonly cdk?: 'more' | 'less';
  readonly reason: string;
}

export const ALLOWED: readonly Difference[] = [];
