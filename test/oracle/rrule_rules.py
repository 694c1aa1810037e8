"""rrule_rules: generated recurrence rules that RFC 5545 allows, for the oracles."""
import datetime

INSTANCES = 24
FREQS = ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def numbers(rng, low, high, most, negative=False):
    found = {rng.randint(low, high) * (rng.choice((1, -1)) if negative else 1) for _ in range(rng.randint(1, most))}
    return ",".join(map(str, sorted(found)))


def by_day(rng, freq, by_weekno):
    days = rng.sample(DAYS, rng.randint(1, 4))
    if freq not in ("MONTHLY", "YEARLY") or by_weekno or rng.random() < 0.4:
        return ",".join(days)
    most = 5 if freq == "MONTHLY" or rng.random() < 0.7 else 53
    return ",".join((str(rng.choice((1, -1)) * rng.randint(1, most)) if rng.random() < 0.8 else "") + d for d in days)


def generate(rng):
    """A rule that RFC 5545 allows."""
    freq = rng.choice(FREQS)
    parts = {"FREQ": freq}
    chance = lambda p: rng.random() < p
    if chance(0.5):
        parts["INTERVAL"] = str(rng.choice((1, 2, 3, 4, 5, 7, 10, 12, 15, 24, 30, 60, 90, 100)))
    if chance(0.3):
        parts["COUNT"] = str(rng.randint(1, 30))
    if chance(0.25):
        parts["BYMONTH"] = numbers(rng, 1, 12, 4)
    if freq == "YEARLY" and chance(0.25):
        parts["BYWEEKNO"] = numbers(rng, 1, 53, 4, True)
    if freq in ("YEARLY", "HOURLY", "MINUTELY", "SECONDLY") and chance(0.15):
        parts["BYYEARDAY"] = numbers(rng, 1, 366, 8, True)
    if freq != "WEEKLY" and chance(0.25):
        parts["BYMONTHDAY"] = numbers(rng, 1, 31, 5, True)
    if chance(0.4):
        parts["BYDAY"] = by_day(rng, freq, "BYWEEKNO" in parts)
    if chance(0.25):
        parts["BYHOUR"] = numbers(rng, 0, 23, 4)
    if chance(0.25):
        parts["BYMINUTE"] = numbers(rng, 0, 59, 4)
    if chance(0.2):
        parts["BYSECOND"] = numbers(rng, 0, 60, 4)
    if any(p.startswith("BY") for p in parts) and chance(0.25):
        parts["BYSETPOS"] = numbers(rng, 1, rng.choice((3, 10, 366)), 3, True)
    if chance(0.3):
        parts["WKST"] = rng.choice(DAYS)
    start = datetime.datetime(rng.randint(1900, 2100), rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23),
                              rng.randint(0, 59), rng.choice((0, rng.randint(0, 59))))
    if chance(0.2):
        start = start.replace(month=rng.choice((1, 12)), day=rng.choice((1, 2, 29, 30, 31)))
    if "COUNT" not in parts and chance(0.2):
        parts["UNTIL"] = f"{start + datetime.timedelta(days=rng.choice((1, 30, 400, 4000))):%Y%m%dT%H%M%S}"
    return start, parts


def text_of(parts):
    return ";".join(f"{name}={value}" for name, value in parts.items())
