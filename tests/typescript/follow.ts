// node follow.js URL FILE [--once]: keeps a copy of the catalogue in a JSON file in step with the API.
//
// Makes a copy unless FILE has one, then follows what changes; with --once, ends when there is nothing more. It may end at any
// time, and go on later. Signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION if they are
// set. Types are generated from the contract.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { AwsClient } from "aws4fetch";
import createClient from "openapi-fetch";
import type { components, paths } from "./contract.js";

type Change = components["schemas"]["HistoryEntry"];
type Content = { id: string; version: number } & Record<string, unknown>;

/** The copy, and the place in the feed that it has reached. */
interface Copy {
  cursor: string;
  resources: Record<string, Record<string, Content>>;
}

const [baseUrl = "", file = "", once] = process.argv.slice(2);
const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey = "", AWS_REGION, AWS_SESSION_TOKEN } =
  process.env;

function signing(accessKeyId: string) {
  const session = AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {};
  const region = AWS_REGION ?? "";
  const aws = new AwsClient({ accessKeyId, secretAccessKey, ...session, region, service: "execute-api" });
  return (request: Request) => aws.fetch(request);
}

const api = createClient<paths>({ baseUrl, fetch: accessKeyId ? signing(accessKeyId) : fetch });

/** The data of a response; null if it is 404. */
function data<T>({ data, error, response }: { data?: T; error?: unknown; response: Response }): T | null {
  if (response.status === 404) return null;
  if (data === undefined) throw new Error(`${response.url}: ${response.status} ${JSON.stringify(error)}`);
  return data;
}

type Query = { limit: number; cursor?: string };

const kinds = {
  product: {
    list: async (query: Query) => data(await api.GET("/v1/products", { params: { query } })),
    read: async (id: string) => data(await api.GET("/v1/products/{id}", { params: { path: { id } } })),
  },
  artisan: {
    list: async (query: Query) => data(await api.GET("/v1/artisans", { params: { query } })),
    read: async (id: string) => data(await api.GET("/v1/artisans/{id}", { params: { path: { id } } })),
  },
};

type Kind = keyof typeof kinds;

/** All resources of a kind. */
async function* walk(kind: Kind): AsyncGenerator<Content> {
  let cursor: string | null | undefined;
  do {
    const page = await kinds[kind].list({ limit: 100, ...(cursor ? { cursor } : {}) });
    yield* page?.items ?? [];
    cursor = page?.next_cursor;
  } while (cursor);
}

async function changes(query: { limit: number; cursor?: string; since?: string; wait?: number }) {
  const page = data(await api.GET("/v1/changes", { params: { query } }));
  if (!page) throw new Error("there is no feed");
  return page;
}

/** Replaces the file: it has the copy and its place, or those before. */
function save(copy: Copy): void {
  writeFileSync(`${file}.new`, JSON.stringify(copy));
  renameSync(`${file}.new`, file);
}

async function makeCopy(): Promise<Copy> {
  // First the place in the feed, then the copy: what happens in between is in both.
  const start = await changes({ limit: 1, since: new Date().toISOString() });
  const copy: Copy = { cursor: start.next_cursor, resources: {} };
  for (const kind of Object.keys(kinds) as Kind[]) {
    const resources: Record<string, Content> = (copy.resources[kind] = {});
    for await (const content of walk(kind)) resources[content.id] = content;
  }
  save(copy);
  return copy;
}

async function apply(copy: Copy, { resource, id, version, changes, inverse }: Change): Promise<void> {
  const resources = (copy.resources[resource] ??= {});
  const known = resources[id];
  // The copy has it: it was made after this change.
  if (known && known.version >= version) return;
  if (changes && (known || !inverse)) {
    // A merge patch, except that a member that is null stays: what has no value is null in the API, too.
    resources[id] = { ...known, ...changes } as Content;
    return;
  }
  // A deletion, or contents that the history does not have any more.
  const content = !inverse || !known ? await kinds[resource as Kind].read(id) : null;
  if (content) resources[id] = content;
  else delete resources[id];
}

const copy: Copy = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : await makeCopy();
for (;;) {
  const page = await changes({ cursor: copy.cursor, limit: 100, wait: once ? 0 : 20 });
  for (const change of page.items) await apply(copy, change);
  copy.cursor = page.next_cursor;
  save(copy);
  if (once && page.items.length === 0) break;
}
