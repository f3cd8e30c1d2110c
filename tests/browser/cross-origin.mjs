// node cross-origin.mjs PAGE API: opens the page in a real browser, has it call the API, and prints what it was given.

import { withTab } from "./open.mjs";

const [page, api] = process.argv.slice(2);
const given = await withTab(async (tab) => {
  await tab.goto(page);
  return tab.evaluate(call, api);
});
console.log(JSON.stringify(given));

/** Runs in the page. */
async function call(api) {
  const ask = async (path, options) => {
    try {
      const response = await fetch(api + path, options);
      const headers = Object.fromEntries(response.headers);
      return { status: response.status, headers, body: await response.text() };
    } catch (error) {
      return { error: error.name };
    }
  };
  const post = (body) => ({
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": "cup-1", "X-Correlation-Id": "page-1" },
    body: JSON.stringify(body),
  });
  const created = await ask("/v1/products", post({ name: "Cup", price: 1 }));
  return {
    created,
    found: await ask(created.headers?.location ?? "/v1/products"),
    invalid: await ask("/v1/products", post({ name: "" })),
    unknown: await ask("/v1/nothing"),
    forbidden_header: await ask("/v1/products", { headers: { "X-Unheard-Of": "1" } }),
    forbidden_method: await ask("/v1/products", { method: "PUT" }),
  };
}
