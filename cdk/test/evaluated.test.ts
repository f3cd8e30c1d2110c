/**
 * Templates that API Gateway evaluates for each request: of preflights, of gateway responses, and of the access log.
 */

import { render } from 'velocityjs';
import { describe, expect, test } from 'vitest';
import { STAGES } from '../lib/settings.ts';
import { synthesised } from './stacks.ts';

const ALLOWED = ['https://store.example', 'https://admin.example'];
const { template } = synthesised({ ...STAGES.dev, corsAllowedOrigins: ALLOWED, corsAllowedHeaders: ['X-Store'] });

/** Texts that break a template without escaping. */
const AWKWARD = [
  'a "quoted" word',
  'back\\slash',
  'two\nlines\tand a tab',
  '工房 café',
  "it's",
  '{"json": [1]}',
  '$context.x',
  '',
];

describe('a preflight', () => {
  const preflights = Object.values(
    template.findResources('AWS::ApiGateway::Method', { Properties: { HttpMethod: 'OPTIONS' } }),
  );

  /** The response headers of the preflight `method` for a request with the headers `sent`. */
  function answered(method: (typeof preflights)[number], sent: { readonly [name: string]: string }) {
    const [response] = method.Properties.Integration.IntegrationResponses;
    const constants = Object.entries<string>(response.ResponseParameters).map(([name, text]) => {
      expect(text).toMatch(/^'.*'$/);
      return [name.replace('method.response.header.', ''), text.slice(1, -1)];
    });
    const context = { responseOverride: { header: {} as { [name: string]: string } } };
    const header = { get: (name: string) => sent[name] ?? null };
    const body = render(response.ResponseTemplates['application/json'], {
      input: { params: () => ({ header }) },
      context,
    });
    expect(body.trim()).toBe('');
    return { ...Object.fromEntries(constants), ...context.responseOverride.header };
  }

  test.each<[string, { readonly [name: string]: string }, string | undefined]>([
    ['an allowed origin', { Origin: 'https://store.example' }, 'https://store.example'],
    ['another allowed origin', { Origin: 'https://admin.example' }, 'https://admin.example'],
    ['a header in lower case', { origin: 'https://admin.example' }, 'https://admin.example'],
    ['a refused origin', { Origin: 'https://evil.example' }, undefined],
    ['the beginning of an allowed origin', { Origin: 'https://store' }, undefined],
    ['the whole list', { Origin: ALLOWED.join(',') }, undefined],
    ['an empty origin', { Origin: '' }, undefined],
    ['no origin', {}, undefined],
  ])('of %s', (_, sent, origin) => {
    expect(preflights.length).toBeGreaterThan(5);
    for (const preflight of preflights) {
      const headers = answered(preflight, sent);
      expect(headers['Access-Control-Allow-Origin']).toBe(origin);
      expect(headers['Access-Control-Allow-Methods']).toMatch(/^([A-Z]+, )+OPTIONS$/);
      expect(headers['Access-Control-Allow-Headers']).toMatch(/Content-Type, .*, X-Store$/);
      expect(headers['Access-Control-Max-Age']).toBe('7200');
      // Caches must store responses to different origins separately.
      expect(headers.Vary).toBe('Origin');
    }
  });

  test('may send every header that it maps', () => {
    for (const { Properties } of preflights) {
      const [{ ResponseParameters: mapped }] = Properties.Integration.IntegrationResponses;
      const [{ ResponseParameters: declared, StatusCode }] = Properties.MethodResponses;
      expect(Object.keys(declared).sort()).toEqual(Object.keys(mapped).sort());
      expect(StatusCode).toBe('204');
    }
  });

  test('would not have been answered by a method call on a text', () => {
    expect(() => render('#foreach($allowed in "a,b".split(","))$allowed#end', {})).toThrow();
  });
});

/** `text` with the gateway's variables replaced, by `-` if they have no value. */
function substituted(text: string, variables: { readonly [name: string]: string }): string {
  return text.replaceAll(/\$context\.[\w.]*\w/g, (name) => variables[name] ?? '-');
}

describe("the gateway's own answers", () => {
  const responses = Object.values(template.findResources('AWS::ApiGateway::GatewayResponse'));

  test.each(AWKWARD)('are JSON with the message %j', (message) => {
    expect(responses.length).toBeGreaterThan(15);
    for (const { Properties } of responses) {
      const text = substituted(Properties.ResponseTemplates['application/json'], {
        // The only message variable that is quoted and escaped.
        '$context.error.messageString': JSON.stringify(message),
        '$context.path': '/dev/v1/products/%22%5C%E5%B7%A5',
        '$context.requestId': 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
      });
      const problem = JSON.parse(text);
      expect(problem.detail).toBe(message);
      expect(problem.type).toBe('about:blank');
      expect(problem.instance).toBe('/dev/v1/products/%22%5C%E5%B7%A5');
      if (Properties.StatusCode) expect(String(problem.status)).toBe(Properties.StatusCode);
    }
  });
});

describe('a line of the access log', () => {
  const [stage] = Object.values(template.findResources('AWS::ApiGateway::Stage'));
  const format: string = stage?.Properties.AccessLogSetting.Format;

  test.each(AWKWARD)('is JSON, whatever a caller has sent: %j', (message) => {
    const line = substituted(format, {
      // The gateway inserts the caller's text without escaping into one variable, and quoted into the other.
      '$context.error.message': message,
      '$context.error.messageString': JSON.stringify(message),
      '$context.path': '/dev/v1/products/%22%5C%E5%B7%A5',
      '$context.status': '403',
      '$context.tlsVersion': 'TLSv1.3',
      '$context.cipherSuite': 'TLS_AES_128_GCM_SHA256',
    });
    expect(JSON.parse(line)).toMatchObject({ status: '403', tlsVersion: 'TLSv1.3', errorType: '-', wafStatus: '-' });
    expect(line).not.toContain('\n');
  });
});
