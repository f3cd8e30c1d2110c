// node cross-origin.mjs PAGE API: opens the page in a real browser, has it call the API, and prints what it was given.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { find } from "./chromium.mjs";

function stop(missing) {
  console.error(`${missing}: \`cargo xtask test\` installs it`);
  process.exit(1);
}

const [page, api] = process.argv.slice(2);
if (!existsSync(join(import.meta.dirname, "node_modules/playwright-core"))) stop("playwright-core is missing");
const installed = find() ?? stop("there is no Chromium");

const { chromium } = await import("playwright-core");
// Its profile is a new and empty folder.
const browser = await chromium.launch({
  executablePath: installed.path,
  env: { ...process.env, ...installed.env },
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  const tab = await browser.newPage();
  await tab.goto(page);
  console.log(JSON.stringify(await tab.evaluate(call, api)));
} finally {
  await browser.close();
}

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
