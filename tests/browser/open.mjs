// Opens a tab in the Chromium for the tests.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { find } from "./chromium.mjs";

function stop(missing) {
  console.error(`${missing}: \`cargo xtask test\` installs it`);
  process.exit(1);
}

/** Calls `use` with a tab of a browser with a new, empty profile, and returns its result. */
export async function withTab(use) {
  if (!existsSync(join(import.meta.dirname, "node_modules/playwright-core"))) stop("playwright-core is missing");
  const installed = find() ?? stop("there is no Chromium");
  const { chromium } = await import("playwright-core");
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
    return await use(await browser.newPage({ viewport: { width: 1280, height: 900 } }));
  } finally {
    await browser.close();
  }
}
