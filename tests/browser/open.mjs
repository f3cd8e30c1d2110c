// Opens a tab in the Chromium that the tests drive.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { find } from "./chromium.mjs";

function stop(missing) {
  console.error(`${missing}: \`cargo xtask test\` installs it`);
  process.exit(1);
}

/** What `use` returns for a tab of a browser whose profile is a new and empty folder. */
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
