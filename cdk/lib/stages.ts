import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { AtelierStack } from './atelier-stack.ts';
import { type Settings, STAGES, type StageName } from './settings.ts';

/**
 * The stack of every stage in `app`, under AWS Solutions' rules. None has the name of a stack of `samconfig.toml`: the
 * logical ids differ, and CloudFormation would replace every resource of the one by those of the other.
 */
export function stages(app: App): { readonly [Name in StageName]: AtelierStack } {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const stack = (settings: Settings) => new AtelierStack(app, `atelier-cdk-${settings.stage}`, { settings });
  return { dev: stack(STAGES.dev), staging: stack(STAGES.staging), prod: stack(STAGES.prod) };
}
