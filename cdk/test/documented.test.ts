/** The code samples in docs/deploy.md compile, in a stack that defines the names that they use. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BLOCKS = [
  ...readFileSync(new URL('../../docs/deploy.md', import.meta.url), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms),
].map(([, code = '']) => code);

const AROUND = `
import { Duration, Stack } from 'aws-cdk-lib';
import { AwsIntegration, CognitoUserPoolsAuthorizer, MockIntegration } from 'aws-cdk-lib/aws-apigateway';
import type { UserPool } from 'aws-cdk-lib/aws-cognito';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { CatalogApi, type CatalogApiProps } from '../../lib/catalog-api.ts';
import type { Migration } from '../../lib/migration.ts';
import type { Platform } from '../../lib/platform.ts';

declare const platform: Platform;
declare const migration: Migration;
declare const settings: Omit<CatalogApiProps, 'integrations'>;
declare const reports: Bucket;
declare const pool: UserPool;
declare const store: Role;
declare const reader: Role;
void [Duration, AwsIntegration, CognitoUserPoolsAuthorizer, MockIntegration, CatalogApi];
void [platform, migration, settings, reports, pool, store, reader];
`;

/** The compiler's errors for `code` in a stack. */
function compilerErrors(code: string): string {
  mkdirSync(join(ROOT, 'cdk.out'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'cdk.out', 'documented-'));
  try {
    writeFileSync(
      join(folder, 'sample.ts'),
      `${AROUND}export class Sample extends Stack {\n  make() {\n${code}\n  }\n}\n`,
    );
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../tsconfig.json', include: [], files: ['sample.ts'] }),
    );
    execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8', stdio: 'pipe' });
    return '';
  } catch (error) {
    return String((error as { stdout?: string }).stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.each(BLOCKS.map((code) => [code.split('\n')[0], code]))('%s', (_, code) => {
  expect(compilerErrors(code ?? '')).toBe('');
});

test('a sample that is wrong would not', () => {
  expect(BLOCKS.length).toBeGreaterThanOrEqual(2);
  expect(compilerErrors('CatalogApi.defaultIntegrations(this).withOperationOptions({ getProdcut: {} });')).toContain(
    'getProdcut',
  );
});
