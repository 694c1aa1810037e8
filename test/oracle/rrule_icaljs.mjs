// rrule_icaljs: what ical.js makes of a recurrence rule: rrule_icaljs.mjs MILLISECONDS, lines as those of rrule_expand. Where it
// takes longer for a rule, "~" stands behind what it had found until then.
import { createInterface } from "node:readline";
import { Script } from "node:vm";
import { need } from "../node/clients.mjs";

const ICAL = need("ical.js");
let timeout = 10000; // while all of it is compiled
const two = (n) => String(n).padStart(2, "0");
const within = new Script("search()"); // whose time is limited with all that it calls

function search(start, rule, max, found) {
  const iter = ICAL.Recur.fromString(rule).iterator(ICAL.Time.fromString(
    start.replace(/(....)(..)(..)T(..)(..)(..)/, "$1-$2-$3T$4:$5:$6")));
  let at;
  while (found.length < max && (at = iter.next()))
    found.push(`${String(at.year).padStart(4, "0")}${two(at.month)}${two(at.day)}T${two(at.hour)}${two(at.minute)}${two(at.second)}`);
}

function expand(start, rule, max) {
  const found = [];
  globalThis.search = () => search(start, rule, max, found);
  try {
    within.runInThisContext({ timeout });
  } catch (why) {
    if (why.code !== "ERR_SCRIPT_EXECUTION_TIMEOUT")
      return `! ${String(why.message).replaceAll("\n", " ")}`;
    found.push("~");
  }
  if (found.length === max)
    found.push("+");
  return found.join(" ");
}

expand("20250101T000000", "FREQ=DAILY;COUNT=3", 2);
timeout = Number(process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  const [start, rule, , max] = line.split(" ");
  process.stdout.write(`${expand(start, rule, Number(max))}\n`);
}
