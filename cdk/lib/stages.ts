import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { ApiStack } from './api-stack.ts';
import { NAME } from './generated/project.gen.ts';
import type { Pattern } from './integrations.ts';
import { type Settings, STAGES, type StageName } from './settings.ts';

/** The context key with the pattern of all stages; `isolated` by default. */
export const PATTERN = 'pattern';

/**
 * Adds the stack of every stage to `app`, with AWS Solutions' rules. Their names differ from the stacks' in
 * `samconfig.toml`: the logical ids differ, so that CloudFormation would replace every resource.
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
