import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { ApiStack } from './api-stack.ts';
import { NAME } from './generated/project.gen.ts';
import type { Pattern } from './integrations.ts';
import { type Settings, STAGES, type StageName } from './settings.ts';

/** The context that spreads operations over functions in another way than `isolated`, in every stage. */
export const PATTERN = 'pattern';

/**
 * The stack of every stage in `app`, under AWS Solutions' rules. None has the name of a stack of `samconfig.toml`: the
 * logical ids differ, and CloudFormation would replace every resource of the one by those of the other.
 */
export function stages(app: App): { readonly [Name in StageName]: ApiStack } {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const pattern = app.node.tryGetContext(PATTERN) ?? 'isolated';
  if (!isPattern(pattern)) throw new Error(`-c ${PATTERN}=${pattern} is neither isolated nor shared`);
  const stack = (settings: Settings) => new ApiStack(app, `${NAME}-cdk-${settings.stage}`, { settings, pattern });
  return { dev: stack(STAGES.dev), staging: stack(STAGES.staging), prod: stack(STAGES.prod) };
}

function isPattern(name: string): name is Pattern {
  return ['isolated', 'shared'].includes(name);
}
