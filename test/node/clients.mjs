// clients: need(NAME) is a client of package.json, from where tools/packages.sh puts them.
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const here = new URL("../../build-packages/node/", import.meta.url);
const read = (name, base) => {
  try {
    return readFileSync(new URL(name, base), "utf8");
  } catch {
    return "";
  }
};

if (read("complete", here) !== read("package-lock.json", import.meta.url)) {
  console.log("! the clients of test/node are not there, or others: tools/packages.sh node fetches them");
  process.exit(77);
}
globalThis.crypto ??= webcrypto; // imapflow wants node 20; this is what it lacks in Debian 12's 18
const require = createRequire(here);

export const need = (name) => require(name);
export const say = (what) => process.stdout.write(`${JSON.stringify(what, (_, value) => (typeof value === "bigint" ? Number(value) : value))}\n`);
