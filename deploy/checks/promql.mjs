// Parses queries, read as a JSON list of {at, query} from stdin, as PromQL.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

// Found where install-tools.sh puts it.
const require = createRequire(pathToFileURL(`${process.env.CHECKS_NODE}/`));
const { parser } = require("@prometheus-io/lezer-promql");

let failed = false;
for (const { at, query } of JSON.parse(readFileSync(0, "utf8"))) {
  parser.parse(query).iterate({
    enter(node) {
      if (!node.type.isError) return;
      failed = true;
      console.log(`${at}: no PromQL at ${node.from}: ${query}`);
    },
  });
}
process.exit(failed ? 1 : 0);
