#!/usr/bin/python3
"""rrule_peer: generated recurrence rules, expanded by us and by libical or ical.js.

    rrule_peer.py libical|icaljs RRULE_EXPAND [--rules N] [--seed N] [--patience SECONDS] -- COMMAND [ARGUMENT...]

COMMAND reads the lines that RRULE_EXPAND reads. Where it takes longer than --patience for a rule (libical and ical.js look for some
without end) it is killed, unless it says "~" by itself, and what it had found until then is compared. Prints the seed. A rule on which the two differ must be one of
those that DIFFERENCES tells of; doc/protocol/recurrence.md has the list with the reasons.
"""
import argparse, collections, os, random, select, subprocess, sys, time
from rrule_rules import INSTANCES, generate, text_of

TIMES = {"BYHOUR", "BYMINUTE", "BYSECOND"}
FIRST = "20250101T000000 FREQ=DAILY;COUNT=1 - 1"
FINE = {"HOURLY", "MINUTELY", "SECONDLY"}


def negative(parts, name):
    return "-" in parts.get(name, "")


DIFFERENCES = {"libical": [
    ("year", lambda parts, first: first >= "2582", "ends in 2582"),
    ("leap_second", lambda parts, first: "60" in parts.get("BYSECOND", "").split(","), "BYSECOND=60 is the next minute's 0"),
    ("set_pos", lambda parts, first: "BYSETPOS" in parts and (parts["FREQ"] not in ("MONTHLY", "YEARLY") or TIMES & set(parts)),
     "BYSETPOS counts days of a month or year only, not times of day, and nothing in other frequencies"),
    ("week_no", lambda parts, first: "BYWEEKNO" in parts, "the weekday of BYWEEKNO without BYDAY, weeks at the turn of the year"),
    ("year_month_day", lambda parts, first: parts["FREQ"] == "YEARLY" and "BYMONTHDAY" in parts and "BYMONTH" not in parts,
     "YEARLY with BYMONTHDAY but without BYMONTH is taken to mean the month of DTSTART"),
    ("negative_day", lambda parts, first: negative(parts, "BYMONTHDAY") or negative(parts, "BYYEARDAY"),
     "negative days of the month and year are not looked at where BYMONTHDAY and BYYEARDAY limit"),
    ("fine", lambda parts, first: parts["FREQ"] in FINE and TIMES & set(parts),
     "hours, minutes and seconds: the first period begins with the time of DTSTART, INTERVAL is not kept across BYxxx"),
    ("week_start", lambda parts, first: parts["FREQ"] == "WEEKLY" and "INTERVAL" in parts and "BYDAY" in parts,
     "with an INTERVAL of weeks the first week is another one where DTSTART does not fit BYDAY"),
], "icaljs": [
    ("leap_second", lambda parts, first: "60" in parts.get("BYSECOND", "").split(","), "BYSECOND=60 is the next minute's 0"),
    ("set_pos", lambda parts, first: "BYSETPOS" in parts, "BYSETPOS counts days of a month only"),
    ("week_no", lambda parts, first: "BYWEEKNO" in parts, "BYWEEKNO is not looked at beside BYDAY, and its weekday without"),
    ("year_times", lambda parts, first: parts["FREQ"] == "YEARLY" and TIMES & set(parts), "of times of day in a year the first only"),
    ("year_days", lambda parts, first: parts["FREQ"] == "YEARLY" and {"BYMONTHDAY", "BYYEARDAY", "BYDAY"} & set(parts),
     "YEARLY: days of the month of DTSTART, or days in wrong years"),
    ("negative_day", lambda parts, first: negative(parts, "BYMONTHDAY") or negative(parts, "BYYEARDAY"),
     "negative days of the month and year are not looked at where they limit"),
    ("month_days", lambda parts, first: parts["FREQ"] == "MONTHLY" and {"BYDAY", "BYMONTH", "BYMONTHDAY"} & set(parts),
     "MONTHLY: BYDAY in the wrong month, INTERVAL not kept"),
    ("over", lambda parts, first: parts["FREQ"] in ("MONTHLY", "YEARLY") and "01" <= first[6:8] <= "03",
     "MONTHLY with times of day, YEARLY with BYMONTH: a day that the month does not have is one of the next month"),
    ("first_day", lambda parts, first: parts["FREQ"] in FINE | {"DAILY", "WEEKLY"} and (TIMES | {"BYDAY"}) & set(parts),
     "the day of DTSTART is not tested, the first period begins with its time"),
]}


class Peer:
    def __init__(self, command, patience):
        self.command, self.patience, self.process = command, patience, None

    def ask(self, line):
        """The instances and whether these are all that were asked for."""
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.wait(FIRST, 30)
            assert self.process is not None, "the peer does not begin"
        return self.wait(line, self.patience)

    def wait(self, line, patience):
        end = time.monotonic() + patience
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        out, got = self.process.stdout.fileno(), b""
        while not got.endswith(b"\n"):
            left = end - time.monotonic()
            piece = os.read(out, 65536) if left > 0 and select.select([out], [], [], left)[0] else b""
            if not piece:
                self.stop()
                return got.decode().rpartition(" ")[0], False
            got += piece
        text, more, _ = got.decode().partition("~")
        return text.strip(), not more

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


def times(text):
    return [at for at in text.split() if at != "+"]


def same(ours, theirs, whole, seen):
    """Whether the two are one, DTSTART put before theirs where it does not fit the rule."""
    if ours == theirs or not whole and ours[:len(theirs)] == theirs:
        return True
    theirs = ([ours[0]] + theirs)[:len(ours)]
    if ours == theirs or not whole and ours[:len(theirs)] == theirs:
        seen["dtstart"] += 1
        return True
    return False


def judge(name, parts, ours, theirs, whole, seen):
    """None, or what is not known of."""
    if ours.startswith("!") or "gave-up" in ours:
        return f"refused by us: {ours}"
    if theirs.startswith("!"):
        seen["refused"] += 1
        return None
    seen["slow"] += not whole
    ours, theirs = times(ours), times(theirs)
    if same(ours, theirs, whole, seen):
        seen["same"] += 1
        return None
    if theirs[:1] != ours[:1]:
        theirs = ([ours[0]] + theirs)[:len(ours)]
    first = min(set(ours) ^ set(theirs), default="")
    for cause, told, _ in DIFFERENCES[name]:
        if told(parts, first):
            seen[cause] += 1
            return None
    return "ours   " + " ".join(ours[:8]) + "\n# theirs " + " ".join(theirs[:8])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=DIFFERENCES)
    parser.add_argument("expand")
    parser.add_argument("--rules", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--patience", type=float, default=0.01, help="seconds for a rule of the peer's")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    ours, peer = Peer([args.expand], 60), Peer(args.command, args.patience)
    seen, faults = collections.Counter(), 0
    print(f"TAP version 13\n1..1\n# --seed {seed} --rules {args.rules}", flush=True)
    for _ in range(args.rules):
        start, parts = generate(rng)
        line = f"{start:%Y%m%dT%H%M%S} {text_of(parts)} - {INSTANCES}"
        why = judge(args.name, parts, ours.ask(line)[0], *peer.ask(line), seen)
        if why is not None:
            faults += 1
            print(f"# {line}\n# {why}", flush=True)
    ours.stop()
    peer.stop()
    print(f"# {seen['same']:6} the same, {seen['dtstart']} of them but for a DTSTART that does not fit the rule; {seen['slow']} only as far as "
          f"{args.name} came; {seen['refused']} refused by it")
    for cause, _, why in DIFFERENCES[args.name]:
        print(f"# {seen[cause]:6} {cause}: {why}")
    print(f"{'ok' if faults == 0 else 'not ok'} 1 - {args.rules} rules mean to us what they mean to {args.name}, or why not is known")
    sys.exit(faults != 0)


main()
