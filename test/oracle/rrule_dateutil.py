#!/usr/bin/python3
"""rrule_dateutil: generated recurrence rules, expanded by us and by python3-dateutil.

    rrule_dateutil.py RRULE_EXPAND [--rules N] [--seed N] [--patience SECONDS]

Prints the seed. What dateutil does otherwise, and why we do not, is in DIFFERENCES: each is undone before the two
are compared, and counted. A rule on which dateutil runs for longer than --patience is compared as far as it came.
"""
import argparse, collections, datetime, itertools, random, signal, subprocess, sys
from dateutil import rrule
from rrule_rules import DAYS, INSTANCES, generate, text_of

DIFFERENCES = {
    "dtstart": "DTSTART is the first instance and counts, whether it fits the rule or not (RFC 5545 section 3.8.5.3); "
               "dateutil leaves out one that does not fit",
    "weekno": "BYWEEKNO without a BYDAY takes the weekday from DTSTART ('information, not contained in the rule, ... "
              "derived from the DTSTART'); dateutil takes all seven days",
    "second": "BYSECOND=60 is never shown by our clocks; dateutil refuses it",
    "weekend": "days of the turn of the year belong to a week of the one year or the other, with its number from either end "
               "(ISO 8601); dateutil knows the numbers 1 and -1 of the other year only, and takes the wrong year's length",
    "mixed": "weekdays with and without a number in one BYDAY are all meant; dateutil takes those that are both",
    "empty": "an INTERVAL that never meets a BYHOUR, BYMINUTE or BYSECOND leaves DTSTART alone; dateutil refuses the rule",
    "week": "BYSETPOS counts in the whole week ('BYSETPOS operates on a set of recurrence instances in one interval of the "
            "recurrence rule'); dateutil's first week begins with DTSTART",
    "index": "dateutil ends with an IndexError where a month or year has no such weekday (-53MO); what it had found until "
             "then is compared",
    "slow": "dateutil was still looking when our patience ended; what it had found until then is compared",
}


class Slow(Exception):
    pass


def on_alarm(*_):
    raise Slow


def taken_over(start, parts, seen):
    """The parts as dateutil must be told them so that it means what RFC 5545 says."""
    parts = dict(parts)
    if "BYWEEKNO" in parts and not {"BYDAY", "BYMONTHDAY", "BYYEARDAY"} & set(parts):
        seen["weekno"] += 1
        parts["BYDAY"] = DAYS[start.weekday()]
    if "BYSECOND" in parts and "60" in parts["BYSECOND"].split(","):
        seen["second"] += 1
        rest = [s for s in parts["BYSECOND"].split(",") if s != "60"]
        if not rest:
            return None
        parts["BYSECOND"] = ",".join(rest)
    if "BYDAY" in parts and len({day in DAYS for day in parts["BYDAY"].split(",")}) == 2:
        seen["mixed"] += 1
        most = 5 if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts else 53
        parts["BYDAY"] = ",".join(f"{n}{day}" if day in DAYS else day for day in parts["BYDAY"].split(",")
                                  for n in range(1, most + 1 if day in DAYS else 2))
    return parts


def dateutil_list(start, parts, seen, patience):
    """The instances and whether these are all that were asked for."""
    parts = taken_over(start, parts, seen)
    if parts is None:
        return [start], True
    found = []
    begin = start
    if parts["FREQ"] == "WEEKLY" and "BYSETPOS" in parts:
        seen["week"] += 1
        parts = {"BYDAY": DAYS[start.weekday()], **parts}
        begin -= datetime.timedelta(days=(start.weekday() - DAYS.index(parts.get("WKST", "MO"))) % 7)
    count = parts.pop("COUNT", None) if begin != start else None
    whole = False
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, patience)
            moments = (m for m in rrule.rrulestr(text_of(parts), dtstart=begin) if m >= start)
            for moment in itertools.islice(moments, int(count or INSTANCES)):
                found.append(moment)
            whole = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Slow:  # perhaps while the timer was being stopped
        seen["slow"] += not whole
    except IndexError:
        seen["index"] += 1
    except ValueError as why:
        if "empty rule" not in str(why) and "rrule byxxx" not in str(why):
            raise
        seen["empty"] += 1
        whole = True
    if found[:1] != [start]:
        seen["dtstart"] += 1
        found.insert(0, start)
        if count or "COUNT" in parts:
            found = found[:int(count or parts["COUNT"])]
    return found[:INSTANCES], whole


def weekend(parts, ours, theirs):
    """Whether the two differ first in a day that two years have a week for, or BYSETPOS counts such days."""
    if "BYWEEKNO" not in parts:
        return False
    first = min(set(ours) ^ set(theirs))
    turns = {"1", "52", "53", "-1", "-52", "-53"} & set(parts["BYWEEKNO"].split(","))
    return bool(turns) and ("BYSETPOS" in parts or first.month == 12 and first.day >= 29 or first.month == 1 and first.day <= 3)


def compare(line, start, parts, seen, patience):
    theirs, whole = dateutil_list(start, parts, seen, patience)
    if line.startswith("!") or "gave-up" in line:
        return f"refused: {line}"
    ours = [datetime.datetime.strptime(m, "%Y%m%dT%H%M%S") for m in line.split() if m != "+"]
    if ours == theirs or (not whole and ours[:len(theirs)] == theirs):
        return None
    if weekend(parts, ours, theirs):
        seen["weekend"] += 1
        return None
    return "ours   " + " ".join(map(str, ours[:8])) + "\n# theirs " + " ".join(map(str, theirs[:8]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("expand")
    parser.add_argument("--rules", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--patience", type=float, default=0.02, help="seconds for dateutil and a rule")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    seen = collections.Counter()
    faults = 0
    signal.signal(signal.SIGALRM, on_alarm)
    print(f"TAP version 13\n1..1\n# --seed {seed} --rules {args.rules}", flush=True)
    with subprocess.Popen([args.expand], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as ours:
        for _ in range(args.rules):
            start, parts = generate(rng)
            ours.stdin.write(f"{start:%Y%m%dT%H%M%S} {text_of(parts)} - {INSTANCES}\n")
            ours.stdin.flush()
            why = compare(ours.stdout.readline().strip(), start, parts, seen, args.patience)
            if why is not None:
                faults += 1
                print(f"# {start:%Y%m%dT%H%M%S} {text_of(parts)}\n# {why}", flush=True)
        ours.stdin.close()
    for name, why in DIFFERENCES.items():
        print(f"# {seen[name]:6} {name}: {why}")
    print(f"{'ok' if faults == 0 else 'not ok'} 1 - {args.rules} rules mean to us what they mean to dateutil, or why not is known")


main()
