// rrule_icaljs: what ical.js makes of a recurrence rule: node rrule_icaljs.mjs MODULE, lines as those of rrule_expand. Each
// instance is written as soon as it is found.
import { pathToFileURL } from "node:url";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";

const ICAL = (await import(pathToFileURL(process.argv[2]))).default;
const two = (n) => String(n).padStart(2, "0");

function expand(start, rule, max) {
  const iter = ICAL.Recur.fromString(rule).iterator(ICAL.Time.fromString(
    start.replace(/(....)(..)(..)T(..)(..)(..)/, "$1-$2-$3T$4:$5:$6")));
  let at;
  for (; max > 0 && (at = iter.next()); max--)
    writeSync(1, `${String(at.year).padStart(4, "0")}${two(at.month)}${two(at.day)}T${two(at.hour)}${two(at.minute)}${two(at.second)} `);
  return max > 0 ? "\n" : "+\n";
}

for await (const line of createInterface({ input: process.stdin })) {
  const [start, rule, , max] = line.split(" ");
  let end;
  try {
    end = expand(start, rule, Number(max));
  } catch (why) {
    end = `! ${String(why.message).replaceAll("\n", " ")}\n`;
  }
  writeSync(1, end);
}
