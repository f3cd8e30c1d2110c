// node cross-origin.mjs PAGE API: opens the page in a real browser, makes it call the API, and prints the responses.

import { withTab } from "./open.mjs";

const [page, api] = process.argv.slice(2);
const given = await withTab(async (tab) => {
  await tab.goto(page);
  return tab.evaluate(call, api);
});
console.log(JSON.stringify(given));

/** Calls the API; this function runs in the page. */
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
  const outcomes = {
    created,
    found: await ask(created.headers?.location ?? "/v1/products"),
    invalid: await ask("/v1/products", post({ name: "" })),
    unknown: await ask("/v1/nothing"),
    forbidden_header: await ask("/v1/products", { headers: { "X-Unheard-Of": "1" } }),
    forbidden_method: await ask("/v1/products", { method: "PUT" }),
  };
  // Headers that third-party clients add to each request. Each is sent separately, since a single refused header fails
  // the
    // request.
  const added = {};
  for (const [name, value] of Object.entries({
    "Amz-Sdk-Invocation-Id": "6b5c3a1e-0f3f-4a7e-9d0d-0d9f5c1b7f3e",
    "Amz-Sdk-Request": "attempt=1; max=3",
    "Baggage": "store=1",
    "Cache-Control": "no-cache",
    "If-None-Match": '"x"',
    "Pragma": "no-cache",
    "Sentry-Trace": "771a43a4192642f0b136d5159a501700-7051c0dd6b0e4b0e-1",
    "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "Tracestate": "store=1",
    "X-Amz-User-Agent": "aws-sdk-js/3.1175.0",
    "X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793",
    "X-Api-Key": "key",
    "X-Requested-With": "XMLHttpRequest",
    "X-Store": "1",
  })) {
    added[name] = (await ask("/v1/products", { headers: { [name]: value } })).status ?? "refused";
  }
  return { ...outcomes, added };
}
