import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Annotations, CfnParameter, CfnRule, Fn, Stack } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

/** The folder of the binaries that `cargo lambda build` writes. */
const BUILT = fileURLToPath(new URL('../../target/lambda', import.meta.url));
const PLACEHOLDER = fileURLToPath(new URL('../placeholder', import.meta.url));

/** The context key that replaces all binaries by placeholders, so that the app can be synthesised without a build. */
export const PLACEHOLDERS = 'placeholders';

/**
 * The context key with another folder than `target/lambda`: of binaries, or of the zips of `cargo xtask package`, which are
 * deployed unchanged.
 */
export const BINARIES = 'binaries';

/** ELF's machine number of the functions' architecture. */
const AARCH64 = 183;

/**
 * The code of the function `binary`, built by `cargo lambda build --release --arm64`.
 *
 * Without the binary, synthesis fails, unless the context asks for placeholders. With placeholders, CloudFormation
 * refuses the template.
 */
export function compiled(scope: Construct, binary: string): Code {
  const context = scope.node.tryGetContext(PLACEHOLDERS);
  if (context === true || context === 'true') {
    refuseDeployment(Stack.of(scope));
    return Code.fromAsset(PLACEHOLDER);
  }
  const built = scope.node.tryGetContext(BINARIES) ?? BUILT;
  const zip = join(built, `${binary}.zip`);
  if (existsSync(zip)) return Code.fromAsset(zip);
  const folder = join(built, binary);
  const bootstrap = join(folder, 'bootstrap');
  if (existsSync(bootstrap)) {
    if (machine(bootstrap) !== AARCH64) {
      Annotations.of(scope).addError(`${bootstrap} is not for arm64: run \`cargo lambda build --release --arm64\``);
    }
    return Code.fromAsset(folder);
  }
  Annotations.of(scope).addError(
    `${bootstrap} does not exist: run \`cargo lambda build --release --arm64\` first, or synthesise only the template with \`-c ${PLACEHOLDERS}=true\``,
  );
  return Code.fromAsset(PLACEHOLDER);
}

/** The machine number of an ELF file. */
function machine(path: string): number {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(20);
    readSync(file, header, 0, header.length, 0);
    return header.readUInt16LE(18);
  } finally {
    closeSync(file);
  }
}

/** Adds a rule that every deployment violates. */
function refuseDeployment(stack: Stack): void {
  if (stack.node.tryFindChild('Code')) return;
  const code = new CfnParameter(stack, 'Code', { allowedValues: ['placeholder'], default: 'placeholder' });
  new CfnRule(stack, 'CodeIsCompiled', {
    assertions: [
      {
        assert: Fn.conditionEquals(code.valueAsString, 'compiled'),
        assertDescription: `This template was made with -c ${PLACEHOLDERS}=true: its functions have no code.`,
      },
    ],
  });
}
