// node round-trip.js URL [ACCESS_KEY_ID SECRET_ACCESS_KEY REGION]: uses the API with types that were generated from its
// contract, and stops at the first response that does not match them.

import assert from "node:assert/strict";
import { AwsClient } from "aws4fetch";
import createClient from "openapi-fetch";
import type { paths } from "./contract.js";

const [baseUrl = "", accessKeyId, secretAccessKey = "", region = ""] = process.argv.slice(2);

function signing(accessKeyId: string) {
  const aws = new AwsClient({ accessKeyId, secretAccessKey, region, service: "execute-api", retries: 0 });
  return (request: Request) => aws.fetch(request);
}

const api = createClient<paths>({ baseUrl, fetch: accessKeyId ? signing(accessKeyId) : fetch });

/** Asserts the status of a response, and returns its data. */
function expect<T>(status: number, answer: { data?: T; error?: unknown; response: Response }) {
  assert.equal(answer.response.status, status, JSON.stringify(answer.error));
  return answer.data as NonNullable<T>;
}

const artisan = expect(
  201,
  await api.POST("/v1/artisans", {
    params: { header: { "Idempotency-Key": "round-trip-1" } },
    body: { given_name: "花子", family_name: "佐藤" },
  }),
);

const created = await api.POST("/v1/products", { body: { name: "備前焼 湯呑", price: 6600, artisan_id: artisan.id } });
const product = expect(201, created);
assert.equal(created.response.headers.get("location"), `/v1/products/${product.id}`);
assert.equal(product.artisan_id, artisan.id);
assert.equal(product.currency, "JPY");

const path = { id: product.id };
const read = await api.GET("/v1/products/{id}", { params: { path } });
assert.deepEqual(expect(200, read), product);
const etag = read.response.headers.get("etag") ?? "";
const known = await api.GET("/v1/products/{id}", { params: { path, header: { "If-None-Match": etag } } });
assert.equal(known.response.status, 304);

const conditional = { params: { path, header: { "If-Match": etag } } };
const changed = expect(200, await api.PATCH("/v1/products/{id}", { ...conditional, body: { price: 7000 } }));
assert.deepEqual([changed.price, changed.version, changed.name], [7000, product.version + 1, product.name]);

const late = await api.PATCH("/v1/products/{id}", { ...conditional, body: { price: 1 } });
assert.ok(late.error, "an update that would be lost");
const { status, type, title, detail } = late.error;
assert.equal(status, 412);
assert.ok([type, title, detail].every((text) => typeof text === "string" && text !== ""), JSON.stringify(late.error));

const invalid = await api.POST("/v1/products", { body: { name: "", price: -1 } });
assert.equal(invalid.response.status, 422);
assert.deepEqual(invalid.error?.errors?.map((fault) => fault.pointer), ["/name", "/price"]);

const ids = new Set([product.id]);
for (const price of [1, 2, 3, 4]) {
  ids.add(expect(201, await api.POST("/v1/products", { body: { name: `皿 ${price}`, price } })).id);
}
const walked: string[] = [];
let cursor: string | null | undefined;
do {
  const query = { limit: 2, sort: "price" as const, ...(cursor ? { cursor } : {}) };
  const page = expect(200, await api.GET("/v1/products", { params: { query } }));
  walked.push(...page.items.map((item) => item.id));
  cursor = page.next_cursor;
} while (cursor);
assert.equal(walked.length, ids.size);
assert.deepEqual(new Set(walked), ids);

const found = expect(200, await api.GET("/v1/products/search", { params: { query: { q: "備前焼 湯" } } }));
assert.deepEqual(found.items.map((item) => item.id), [product.id]);

assert.equal((await api.DELETE("/v1/products/{id}", { params: { path } })).response.status, 204);
const gone = await api.GET("/v1/products/{id}", { params: { path } });
assert.equal(gone.error?.status, 404);

console.log("done");
