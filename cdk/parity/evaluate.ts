/**
 * Evaluates a CloudFormation template for given parameters: conditions and parameters are resolved, and values that are
 * known only after a deployment become `${...}` in a string, whatever their syntax was.
 */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Template {
  readonly Parameters?: { readonly [name: string]: { readonly Type: string; readonly Default?: Json } };
  readonly Conditions?: { readonly [name: string]: Json };
  readonly Resources: { readonly [id: string]: Resource };
  readonly Outputs?: { readonly [name: string]: { readonly Condition?: string; readonly Value: Json } };
}

export interface Resource {
  readonly Type: string;
  readonly Condition?: string;
  readonly DependsOn?: string | string[];
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly UpdatePolicy?: Json;
  readonly Properties?: { readonly [name: string]: Json };
}

export interface Context {
  readonly stackName: string;
  /** Parameters without a default, or with another value. */
  readonly parameters: { readonly [name: string]: Json };
  /** The common name by which resources of both templates are compared. */
  readonly rename: (logicalId: string) => string;
}

/** The value of `{Ref: AWS::NoValue}`, which removes a property. */
const NOTHING = Symbol('AWS::NoValue');
type Value = Json | typeof NOTHING;

export class Evaluator {
  readonly #template: Template;
  readonly #context: Context;

  constructor(template: Template, context: Context) {
    this.#template = template;
    this.#context = context;
  }

  /** The existing resources, by the names for the comparison. */
  resources(): Map<string, Resource & { readonly Properties: { readonly [name: string]: Json } }> {
    const entries = Object.entries(this.#template.Resources).filter(([, resource]) => this.#holds(resource.Condition));
    return new Map(
      entries.map(([id, resource]) => {
        const name = this.#context.rename(id);
        const dependencies = [resource.DependsOn ?? []].flat().map((other) => this.#context.rename(other));
        const evaluated = this.value(resource.Properties ?? {}) as { [name: string]: Json };
        return [name, { ...resource, DependsOn: dependencies, Properties: evaluated }];
      }),
    );
  }

  outputs(): Map<string, Json> {
    const entries = Object.entries(this.#template.Outputs ?? {}).filter(([, output]) => this.#holds(output.Condition));
    return new Map(entries.map(([name, output]) => [name, this.value(output.Value)]));
  }

  value(json: Json): Json {
    const value = this.#value(json);
    return value === NOTHING ? null : value;
  }

  #holds(condition: string | undefined): boolean {
    if (condition === undefined) return true;
    const definition = this.#template.Conditions?.[condition];
    if (definition === undefined) throw new Error(`no condition ${condition}`);
    return this.#value(definition) === true;
  }

  #value(json: Json): Value {
    if (Array.isArray(json)) return json.map((item) => this.#value(item)).filter((item) => item !== NOTHING);
    if (json === null || typeof json !== 'object') return json;
    const entries = Object.entries(json);
    const [first] = entries;
    if (entries.length === 1 && first) {
      const [name, argument] = first;
      if (name === 'Ref' || name === 'Condition' || name.startsWith('Fn::')) return this.#call(name, argument);
    }
    const members = entries.map(([name, member]) => [name, this.#value(member)] as const);
    return Object.fromEntries(members.filter((member): member is [string, Json] => member[1] !== NOTHING));
  }

  #call(name: string, argument: Json): Value {
    const list = Array.isArray(argument) ? argument : [argument];
    switch (name) {
      case 'Ref':
        return this.#ref(String(argument));
      case 'Condition':
        // A policy's member of that name, or a condition within conditions.
        return typeof argument === 'string' ? this.#holds(argument) : { Condition: this.value(argument) };
      case 'Fn::GetAtt': {
        const [id, ...attribute] = typeof argument === 'string' ? argument.split('.') : list.map(String);
        // In a VPC the two are the same.
        if (attribute.join('.') === 'GroupId') return this.#ref(id ?? '');
        const { Type: type, Properties: properties } = this.#template.Resources[id ?? ''] ?? {};
        if (type === 'AWS::Logs::LogGroup') {
          const name = String(this.value(properties?.LogGroupName ?? null));
          return `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:${name}:*`;
        }
        return `\${${this.#context.rename(id ?? '')}.${attribute.join('.')}}`;
      }
      case 'Fn::If': {
        const [condition, whenTrue, whenFalse] = list;
        return this.#value((this.#holds(String(condition)) ? whenTrue : whenFalse) ?? null);
      }
      case 'Fn::Equals':
        return String(this.value(list[0] ?? null)) === String(this.value(list[1] ?? null));
      case 'Fn::Not':
        return this.#value(list[0] ?? null) !== true;
      case 'Fn::And':
        return list.every((item) => this.#value(item) === true);
      case 'Fn::Or':
        return list.some((item) => this.#value(item) === true);
      case 'Fn::Join': {
        const items = this.value(list[1] ?? []);
        return (Array.isArray(items) ? items : [items]).map(String).join(String(list[0]));
      }
      case 'Fn::Sub': {
        const own = (list[1] ?? {}) as { [name: string]: Json };
        return String(list[0]).replaceAll(/\$\{(!?)([^}]+)\}/g, (_, literal: string, variable: string) => {
          if (literal) return `\${${variable}}`;
          const given = own[variable];
          if (given !== undefined) return String(this.value(given));
          return String(variable.includes('.') ? this.#call('Fn::GetAtt', variable) : this.#ref(variable));
        });
      }
      case 'Fn::Split': {
        const text = String(this.value(list[1] ?? null));
        // A value that is not known yet is split after the deployment.
        return /^\$\{[^}]*\}$/.test(text) ? `${text} split at ${list[0]}` : text.split(String(list[0]));
      }
      case 'Fn::Select': {
        const from = this.value(list[1] ?? null);
        return Array.isArray(from)
          ? (from[Number(this.value(list[0] ?? 0))] ?? null)
          : `\${part ${list[0]} of ${from}}`;
      }
      case 'Fn::GetAZs':
        return 'the zones';
      case 'Fn::Cidr':
        return cidr(String(this.value(list[0] ?? null)), Number(list[1]), Number(list[2]));
      default:
        throw new Error(`${name} is not evaluated`);
    }
  }

  #ref(name: string): Value {
    if (name === 'AWS::NoValue') return NOTHING;
    if (name === 'AWS::StackName') return this.#context.stackName;
    if (name.startsWith('AWS::')) return `\${${name}}`;
    const parameter = this.#template.Parameters?.[name];
    if (!parameter) {
      const resource = this.#template.Resources[name];
      // A reference to a stage is its name.
      if (resource?.Type === 'AWS::ApiGateway::Stage') return this.value(resource.Properties?.StageName ?? null);
      return `\${${this.#context.rename(name)}}`;
    }
    const value = this.#context.parameters[name] ?? parameter.Default;
    if (value === undefined) throw new Error(`parameter ${name} has no value`);
    return parameter.Type === 'CommaDelimitedList' ? String(value).split(',') : value;
  }
}

/** Evaluates `Fn::Cidr`: the first `count` blocks of `2^bits` addresses in an IPv4 block. */
function cidr(block: string, count: number, bits: number): string[] {
  const base = (block.split('/')[0] ?? '').split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return Array.from({ length: count }, (_, index) => {
    const address = base + index * 2 ** bits;
    const parts = [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256);
    return `${parts.join('.')}/${32 - bits}`;
  });
}
