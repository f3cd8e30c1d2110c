import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, test } from 'vitest';
import { AtelierStack } from '../lib/atelier-stack.ts';
import { BINARIES, compiled } from '../lib/code.ts';
import { STAGES } from '../lib/settings.ts';
import { stages } from '../lib/stages.ts';
import { VARIANTS } from '../parity/variants.ts';
import { emptyApp, synthesised } from './stacks.ts';

/** Logical ids of everything that `id` waits for. */
function waitsFor(template: Template, id: string): Set<string> {
  const resources = template.toJSON().Resources;
  const seen = new Set<string>();
  const visit = (name: string) => {
    const named = JSON.stringify(resources[name]).matchAll(/"(?:Ref|Fn::GetAtt)":\[?"([^"]+)"/g);
    for (const next of [...(resources[name].DependsOn ?? []), ...[...named].map((match) => match[1])]) {
      if (next in resources && !seen.has(next)) {
        seen.add(next);
        visit(next);
      }
    }
  };
  visit(id);
  return seen;
}

describe('a stack', () => {
  const { stack, template } = synthesised({ ...STAGES.prod, deploymentPreference: 'Canary10Percent5Minutes' });

  test('migrates before any function that uses the database changes', () => {
    const [migration] = Object.keys(template.findResources('Custom::Migration'));
    const functions = Object.entries(template.findResources('AWS::Lambda::Function'));
    for (const [id, { Properties }] of functions) {
      const uses = 'DB_USER' in Properties.Environment.Variables;
      expect(waitsFor(template, id).has(migration ?? ''), id).toBe(uses);
    }
  });

  test('migrates when the database and what migrate needs are there, and again with each version', () => {
    const [migration] = Object.keys(template.findResources('Custom::Migration'));
    const waited = [...waitsFor(template, migration ?? '')].join(' ');
    for (const id of ['DatabaseClusterWriter', 'NetworkS3Endpoint', 'NetworkSecretsManagerEndpoint']) {
      expect(waited).toContain(id);
    }
    template.hasResourceProperties('Custom::Migration', {
      Version: { Ref: Match.stringLikeRegexp('^MigrationsMigrateCurrentVersion') },
    });
  });

  test('moves traffic little by little, and back on an alarm', () => {
    template.allResourcesProperties('AWS::CodeDeploy::DeploymentGroup', {
      DeploymentConfigName: 'CodeDeployDefault.LambdaCanary10Percent5Minutes',
      AlarmConfiguration: { Enabled: true, Alarms: [{ Name: { Ref: Match.stringLikeRegexp('Alarm') } }] },
      AutoRollbackConfiguration: { Enabled: true },
    });
    const aliases = template.findResources('AWS::Lambda::Alias', {
      UpdatePolicy: { CodeDeployLambdaAliasUpdate: Match.anyValue() },
    });
    // All but that of migrate, which has no traffic.
    expect(Object.keys(aliases)).toHaveLength(Object.keys(template.findResources('AWS::Lambda::Alias')).length - 1);
  });

  test('of production cannot be deleted by mistake', () => {
    expect(stack.terminationProtection).toBe(true);
    template.hasResourceProperties('AWS::RDS::DBCluster', { DeletionProtection: true });
  });

  test('shows no secret', () => {
    const variables = Object.values(template.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => Properties.Environment.Variables.CURSOR_KEY,
    );
    for (const key of variables.filter(Boolean)) expect(JSON.stringify(key)).toContain('{{resolve:secretsmanager:');
  });

  test('stays below the limit of resources of a stack', () => {
    expect(Object.keys(template.toJSON().Resources).length).toBeLessThan(400);
  });

  test('says where the API is', () => {
    for (const name of ['Url', 'ApiId', 'AlarmTopic', 'OwnerSecret', 'AuthMode']) template.hasOutput(name, {});
  });
});

describe('code', () => {
  test('that is a placeholder cannot be deployed', () => {
    const { template } = synthesised(STAGES.dev);
    template.hasParameter('Code', { Default: 'placeholder', AllowedValues: ['placeholder'] });
    expect(template.toJSON().Rules.CodeIsCompiled.Assertions).toEqual([
      {
        Assert: { 'Fn::Equals': [{ Ref: 'Code' }, 'compiled'] },
        AssertDescription: 'This template was made with -c placeholders=true: its functions have no code.',
      },
    ]);
  });

  /** What is wrong with the code in the folder `binaries`. */
  const errors = (binaries: string) => {
    const app = new App({ context: { [BINARIES]: binaries } });
    const stack = new Stack(app, 'test');
    compiled(stack, 'get-product');
    const { messages } = app.synth({ force: true }).getStackByName('test');
    return messages.filter(({ level }) => level === 'error').map(({ entry }) => entry.data);
  };

  test('that is missing is an error that says what to do', () => {
    expect(errors('/nowhere')).toEqual([
      '/nowhere/get-product/bootstrap is not there: run `cargo lambda build --release --arm64` first, or look at the template alone with `-c placeholders=true`',
    ]);
  });

  test('for another processor is an error, for arm64 is not', () => {
    const folder = mkdtempSync(join(tmpdir(), 'atelier-'));
    const build = (machine: number) => {
      mkdirSync(join(folder, 'get-product'), { recursive: true });
      const elf = Buffer.alloc(64);
      elf.writeUInt16LE(machine, 18);
      writeFileSync(join(folder, 'get-product', 'bootstrap'), elf);
    };
    try {
      build(62);
      expect(errors(folder)).toEqual([expect.stringContaining('is not for arm64')]);
      build(183);
      expect(errors(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("AWS Solutions' rules", () => {
  const synth = (app: App) => app.synth();

  test('have nothing left to say about any stage', () => {
    const app = emptyApp();
    stages(app);
    expect(() => synth(app)).not.toThrow();
  });

  test.each(Object.entries(VARIANTS))('have nothing left to say about %s', (name, settings) => {
    const app = emptyApp();
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    new AtelierStack(app, name, { settings });
    expect(() => synth(app)).not.toThrow();
  });

  test('have nothing left to say about pattern shared', () => {
    const app = emptyApp();
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    const stack = new AtelierStack(app, 'shared', { settings: STAGES.staging, pattern: 'shared' });
    expect(() => synth(app)).not.toThrow();
    // `router` and `migrate`.
    Template.fromStack(stack).resourceCountIs('AWS::Lambda::Function', 2);
  });

  test('have something to say about a plain bucket', () => {
    const app = emptyApp();
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    new Bucket(new Stack(app, 'plain'), 'Bucket');
    expect(() => synth(app)).toThrow();
  });
});
