// Validates objects of the Prometheus operator, read as a JSON list from stdin, against its schemas.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

// Where install-tools.sh puts it.
const models = await import(
  pathToFileURL(`${process.env.CHECKS_NODE}/node_modules/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index.js`).href
);

let failed = false;
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const at = `${object.kind}/${object.metadata.name}`;
  const Model = models[object.kind];
  try {
    if (!Model) throw new Error("unknown kind");
    new Model(object).validate();
  } catch (error) {
    failed = true;
    console.log(`${at}: ${error.message}`);
  }
}
process.exit(failed ? 1 : 0);
