/**
 * Compares the CDK app with `template.yaml`, for every stage and for variants that use the settings that no stage uses.
 * Prints each difference, and fails unless all differences are allowed with a reason.
 */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Template as Synthesised } from 'aws-cdk-lib/assertions';
import { ApiStack } from '../lib/api-stack.ts';
import { type Settings, STAGES } from '../lib/settings.ts';
import { emptyApp } from '../test/stacks.ts';
import { ALLOWED } from './allowed.ts';
import { Evaluator, type Json, type Template } from './evaluate.ts';
import { type Facts, facts, linked } from './facts.ts';
import { cdkNames, samName } from './names.ts';
import { parameters, VARIANTS } from './variants.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
/** The Python with SAM's translator, which `cargo xtask test` installs. */
const PYTHON = path('../../.local/tools/deploy-venv/bin/python');

/** A template after SAM's transformation, and its parameters. */
type Translated = { readonly template: Template; readonly parameters: { readonly [name: string]: Json } };

/**
 * The transformed `template.yaml` by name: for each stage of `samconfig.toml`, and for the parameters of `variants`.
 */
function translated(variants: object): { readonly [name: string]: Translated } {
  if (!existsSync(PYTHON)) throw new Error(`${PYTHON} does not exist: \`cargo xtask test\` installs it`);
  const output = execFileSync(PYTHON, ['tests/deploy/translate.py'], {
    cwd: path('../..'),
    input: JSON.stringify(variants),
    maxBuffer: 256 * 1024 * 1024,
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

function ofCdk(stackName: string, settings: Settings): Facts {
  const stack = new ApiStack(emptyApp(), stackName, { settings });
  const template = linked(Synthesised.fromStack(stack).toJSON() as Template);
  return facts(new Evaluator(template, { stackName, parameters: {}, rename: cdkNames(stack) }));
}

const compared: readonly (readonly [string, Settings])[] = [...Object.entries(STAGES), ...Object.entries(VARIANTS)];
// The stages have their parameters in `samconfig.toml`; the app's settings must have the same effect.
const templates = translated(
  Object.fromEntries(Object.entries(VARIANTS).map(([name, settings]) => [name, parameters(settings)])),
);
const used = new Set<RegExp>();
let failures = 0;

for (const [name, settings] of compared) {
  const stackName = `parity-${name}`;
  const template = templates[name];
  if (!template) throw new Error(`no translation for ${name}`);
  const sam = facts(new Evaluator(template.template, { ...template, stackName, rename: samName }));
  const cdk = ofCdk(stackName, settings);
  let [same, allowed] = [0, 0];
  for (const fact of [...new Set([...sam.keys(), ...cdk.keys()])].sort()) {
    const [inSam, inCdk] = [sam.get(fact), cdk.get(fact)];
    if (inSam === inCdk) {
      same += 1;
      continue;
    }
    const side = inSam === undefined ? 'more' : inCdk === undefined ? 'less' : 'other';
    const pattern = ALLOWED.map((difference) => difference[side]).find((pattern) => pattern?.test(fact));
    if (pattern) {
      used.add(pattern);
      allowed += 1;
      continue;
    }
    failures += 1;
    console.error(`${name}: ${fact}\n    template.yaml: ${inSam ?? '-'}\n    cdk:           ${inCdk ?? '-'}`);
  }
  console.log(`${name}: ${same} facts are the same, ${allowed} differ as they may`);
}

for (const { more, less, other, reason } of ALLOWED) {
  for (const pattern of [more, less, other].filter((pattern) => pattern && !used.has(pattern))) {
    failures += 1;
    console.error(`nothing differs in ${pattern} any more: ${reason}`);
  }
}
if (failures > 0) {
  console.error(`${failures} differences`);
  process.exitCode = 1;
}
