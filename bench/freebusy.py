"""freebusy: the bench of "when are these people free?", asked at the scheduling outbox, beside Cyrus."""
from __future__ import annotations

import re
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from typing import Callable, Iterator

from caldav import ASKED, DAYS, EVENTS, RECURRING, count_of, loaded, path_of, put_all, together, tried
from cases import OURS, Case
from dav import DOMAIN, LINE, TODAY, UTC, Dav, DavError, year_of
from ours import Posthorse
from peers import Cyrus, Server
from work import Plan, RunFailed, interleave, serving

CROWD, CROWD_DAYS = 1000, 42
LOADERS = 10
OUTBOXES = {OURS: "/dav/calendars/{}/outbox/", "cyrus": "/dav/calendars/user/{}/Outbox/"}
CLIENTS = (1, 4)
LOOKUPS = 300  # of one run, at most


def names_of(count: int) -> list[str]:
    return [f"u{n}" for n in range(1, count + 1)]


def ask_text(asker: str, asked: list[str], days: int) -> bytes:
    """VFREEBUSY for the days from tomorrow on (RFC 6638 section 5)."""
    start = TODAY + timedelta(days=1)
    return LINE.join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bench//bench//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY",
                      "UID:bench", "DTSTAMP:20260101T000000Z", f"DTSTART:{start:{UTC}}",
                      f"DTEND:{start + timedelta(days=days):{UTC}}", f"ORGANIZER:mailto:{asker}@{DOMAIN}",
                      *(f"ATTENDEE:mailto:{name}@{DOMAIN}" for name in asked), "END:VFREEBUSY", "END:VCALENDAR", ""]).encode()


def busy_minutes(reply: bytes) -> int:
    """The sum of all periods, so that the sides can be compared."""
    text = re.sub(rb"\r?\n[ \t]", b"", reply.replace(b"&#13;", b"\r").replace(b"&#xD;", b"\r"))
    total = 0
    for periods in re.findall(rb"FREEBUSY[^:\r\n]*:([0-9TZPHMDS/,]+)", text):
        for period in periods.split(b","):
            start, end = period.split(b"/")
            total += length(start.decode(), end.decode())
    return total


def length(start: str, end: str) -> int:
    if end.startswith("P"):
        found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:\d+S)?)?", end)
        days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
        return days * 1440 + hours * 60 + minutes
    return int((moment(end) - moment(start)).total_seconds()) // 60


def moment(text: str) -> timedelta:
    d, h, m = int(text[6:8]), int(text[9:11]), int(text[11:13])
    days = (int(text[:4]) * 372 + int(text[4:6]) * 31 + d)  # of two ends within a month alone
    return timedelta(days=days, hours=h, minutes=m)


def look_up(port: int, path: str, user: str, body: bytes, times: int, people: int) -> tuple[list[float], int]:
    """What each took, in ms, and how many minutes were busy. One client, in a process of its own."""
    dav, taken, reply = Dav(port, user), [], b""
    dav.request("POST", path, body, "text/calendar")
    for _ in range(times):
        begun = time.perf_counter()
        reply = dav.request("POST", path, body, "text/calendar")
        taken.append((time.perf_counter() - begun) * 1000)
    dav.close()
    if reply.count(b"2.0;") != people:
        raise DavError(f"{reply.count(b'2.0;')} of {people} have an answer: {reply[:600]!r}")
    return taken, busy_minutes(reply)


class Asking:
    """One side's runs of one case; each p99 goes to another case."""

    def __init__(self, server: Server, clients: int, asked: list[str], days: int, seconds: float) -> None:
        self.server, self.clients, self.asked, self.days = server, clients, asked, days
        self.seconds, self.times = seconds, 0
        self.p99: list[float] = []
        self.minutes = 0

    def once(self, pool: ProcessPoolExecutor, times: int) -> list[float]:
        users = self.asked[:self.clients]
        jobs = [pool.submit(look_up, self.server.ports["http"], OUTBOXES[self.server.side].format(user), user,
                            ask_text(user, self.asked, self.days), times, len(self.asked)) for user in users]
        done = [job.result() for job in jobs]
        self.minutes = done[0][1]
        return [ms for taken, _ in done for ms in taken]

    def run(self) -> float:
        taken: list[float] = []

        def work() -> None:
            with ProcessPoolExecutor(self.clients) as pool:
                if not self.times:
                    self.times = max(5, min(LOOKUPS, int(self.seconds * 1000 / statistics.median(self.once(pool, 3)))))
                taken.extend(self.once(pool, self.times))

        tried(work)
        median = statistics.median(taken)
        self.p99.append(sorted(taken)[int(len(taken) * 0.99)] / median)
        return median


def fill(server: Server, people: list[str]) -> None:
    def load(users: list[str]) -> None:
        for user in users:
            count_of(server, user)
            put_all(server, user, year_of(user, EVENTS, RECURRING), path_of(server, user))

    together([lambda users=people[n::LOADERS]: load(users) for n in range(LOADERS)])


def asking(plan: Plan, servers: dict[str, Server], case: Case, asked: list[str], days: int,
           clients: int) -> Iterator[Case]:
    sides = {side: Asking(server, clients, asked, days, plan.seconds) for side, server in servers.items()}
    yield interleave(plan, case, {side: one.run for side, one in sides.items()})
    if len(minutes := {one.minutes for one in sides.values() if one.minutes}) > 1:
        raise RunFailed(f"the sides say other times: {minutes}")
    yield Case("freebusy", f"{case.name}: p99 over the median", "x", more_is_better=False, goal_value=3, notes=dict(case.notes),
               samples={side: one.p99 for side, one in sides.items()})


def bench_freebusy(plan: Plan) -> Iterator[Case]:
    lost: dict[str, str] = {}
    crowd = names_of(len(ASKED) if plan.quick else CROWD)
    ours = [Posthorse(plan.folder, plan.build / "posthorse", plan.store, names=crowd)]
    servers: list[Server] = [*(ours if "ours" in plan.sides else []), *plan.peers(Cyrus(plan.folder, names=ASKED))]
    with serving(servers, lost) as up:
        cases = [Case("freebusy", f"{len(ASKED)} people over {DAYS} days, {EVENTS} events each, {RECURRING} of them recurring, "
                      f"{clients} client" + "s" * (clients > 1), "ms", more_is_better=False, beside=("cyrus",), goal_ratio=100,
                      notes=dict(lost)) for clients in CLIENTS]
        ready = loaded(up, cases[0], lambda server: fill(server, ASKED))
        for case, clients in zip(cases, CLIENTS):
            case.notes.update(cases[0].notes)
            yield from asking(plan, ready, case, ASKED, DAYS, clients)
        if not plan.quick and OURS in ready:
            case = Case("freebusy", f"{CROWD:,} people over {CROWD_DAYS} days, {EVENTS} events each", "ms",
                        more_is_better=False, goal_value=100, notes=dict(lost))
            alone = loaded({OURS: ready[OURS]}, case, lambda server: fill(server, crowd[len(ASKED):]))
            yield from asking(plan, alone, case, crowd, CROWD_DAYS, 1)
