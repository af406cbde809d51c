// Makes the same calls again and again with one client until the standard input ends, and tells what came of them.

const fs = require("fs");

/**
 * Each of `steps` makes one call and throws where it failed. `once` is made at the beginning, with a code of web
 * authorization. What a signature consists of is told, so that somebody who knows the tickets can judge it.
 */
module.exports = async function rounds(steps, once) {
  let stopped = false;
  process.stdin.on("end", () => (stopped = true)).resume();
  const told = { calls: 0, failed: [], signatures: [] };
  const attempt = async (name, step) => {
    told.calls += 1;
    try {
      const signature = await step();
      if (signature) told.signatures.push(signature);
    } catch (error) {
      told.failed.push(`${name}: ${error && error.message ? error.message : JSON.stringify(error)}`);
    }
  };
  if (once) await attempt("oauth", () => once(process.env.CODE));
  while (!stopped) {
    for (const [name, step] of Object.entries(steps)) await attempt(name, step);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  fs.writeSync(1, JSON.stringify(told) + "\n");
  process.exit(0);
};

/** Complains unless it holds. */
module.exports.expect = function expect(holds, what) {
  if (!holds) throw new Error(typeof what === "string" ? what : JSON.stringify(what));
};
