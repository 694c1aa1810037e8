"""freebusy: the bench of "when are these people free?", asked at the scheduling outbox and by EWS, beside Cyrus."""
from __future__ import annotations

import re
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
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
EWS_PATH = "/EWS/Exchange.asmx"
EWS_SCHEMAS = "http://schemas.microsoft.com/exchange/services/2006"
CLIENTS = (1, 4)
LOOKUPS = 300  # of one run, at most


def names_of(count: int) -> list[str]:
    return [f"u{n}" for n in range(1, count + 1)]


@dataclass(frozen=True)
class Question:
    """A look-up as a client sends it, and what its answer says of each person."""
    path: str
    body: bytes
    kind: str
    good: bytes  # once in the answer for each person
    minutes: Callable[[bytes], int]


def by_outbox(path: str, asker: str, asked: list[str], days: int, domain: str = DOMAIN) -> Question:
    return Question(path.format(asker), ask_text(asker, asked, days, domain), "text/calendar", b"2.0;", busy_minutes)


def by_ews(asked: list[str], days: int) -> Question:
    return Question(EWS_PATH, ews_text(asked, days), "text/xml", b"<m:FreeBusyView>", ews_minutes)


def ask_text(asker: str, asked: list[str], days: int, domain: str) -> bytes:
    """VFREEBUSY for the days from tomorrow on (RFC 6638 section 5)."""
    start = TODAY + timedelta(days=1)
    return LINE.join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bench//bench//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY",
                      "UID:bench", "DTSTAMP:20260101T000000Z", f"DTSTART:{start:{UTC}}",
                      f"DTEND:{start + timedelta(days=days):{UTC}}", f"ORGANIZER:mailto:{asker}@{DOMAIN}",
                      *(f"ATTENDEE:mailto:{name}@{domain}" for name in asked), "END:VFREEBUSY", "END:VCALENDAR", ""]).encode()


def ews_text(asked: list[str], days: int) -> bytes:
    """GetUserAvailability as Outlook asks it."""
    start = TODAY + timedelta(days=1)
    boxes = "".join(f"<t:MailboxData><t:Email><t:Address>{name}@{DOMAIN}</t:Address></t:Email><t:AttendeeType>Required"
                    "</t:AttendeeType><t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>" for name in asked)
    return (f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
            f'xmlns:t="{EWS_SCHEMAS}/types" xmlns:m="{EWS_SCHEMAS}/messages"><soap:Body><m:GetUserAvailabilityRequest>'
            f"<t:TimeZone><t:Bias>0</t:Bias></t:TimeZone><m:MailboxDataArray>{boxes}</m:MailboxDataArray><t:FreeBusyViewOptions>"
            f"<t:TimeWindow><t:StartTime>{start:%Y-%m-%dT%H:%M:%S}</t:StartTime><t:EndTime>{start + timedelta(days=days):%Y-%m-%dT%H:%M:%S}"
            "</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>30</t:MergedFreeBusyIntervalInMinutes>"
            "<t:RequestedView>DetailedMerged</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest></soap:Body>"
            "</soap:Envelope>").encode()


def ews_minutes(reply: bytes) -> int:
    """As busy_minutes(): what several events take counts once."""
    total = 0
    for view in reply.split(b"<m:FreeBusyView>")[1:]:
        times = re.findall(rb"<t:StartTime>([^<Z]+)Z?</t:StartTime><t:EndTime>([^<Z]+)Z?</t:EndTime><t:BusyType>(?!Free)", view)
        until = datetime.min
        for start, end in sorted(tuple(datetime.fromisoformat(t.decode()) for t in pair) for pair in times):
            total += max(0, int((end - max(start, until)).total_seconds()) // 60) if until > datetime.min else \
                int((end - start).total_seconds()) // 60
            until = max(until, end)
    return total


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


def look_up(port: int, user: str, question: Question, times: int, people: int) -> tuple[list[float], int]:
    """What each took, in ms, and how many minutes were busy. One client, in a process of its own."""
    dav, taken, reply = Dav(port, user), [], b""
    dav.request("POST", question.path, question.body, question.kind)
    for _ in range(times):
        begun = time.perf_counter()
        reply = dav.request("POST", question.path, question.body, question.kind)
        taken.append((time.perf_counter() - begun) * 1000)
    dav.close()
    check(question, reply, people)
    return taken, question.minutes(reply)


def check(question: Question, reply: bytes, people: int) -> None:
    if (good := reply.count(question.good)) != people:
        raise DavError(f"{good} of {people} have an answer: {reply[:600]!r}")


class Asking:
    """One side's runs of one case: question(user) is what each client asks at the port. Each p99 goes to another case."""

    def __init__(self, port: int, users: list[str], question: Callable[[str], Question], people: int, seconds: float) -> None:
        self.port, self.users, self.question, self.people = port, users, question, people
        self.seconds, self.times = seconds, 0
        self.p99: list[float] = []
        self.minutes = 0

    def once(self, pool: ProcessPoolExecutor, times: int) -> list[float]:
        jobs = [pool.submit(look_up, self.port, user, self.question(user), times, self.people) for user in self.users]
        done = [job.result() for job in jobs]
        self.minutes = done[0][1]
        return [ms for taken, _ in done for ms in taken]

    def run(self) -> float:
        taken: list[float] = []

        def work() -> None:
            with ProcessPoolExecutor(len(self.users)) as pool:
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


def asking(plan: Plan, sides: dict[str, Asking], case: Case) -> Iterator[Case]:
    yield interleave(plan, case, {side: one.run for side, one in sides.items()})
    if len(minutes := {one.minutes for one in sides.values() if one.minutes}) > 1:
        raise RunFailed(f"the sides say other times: {minutes}")
    yield Case(case.bench, f"{case.name}: p99 over the median", "x", more_is_better=False, goal_value=3, notes=dict(case.notes),
               samples={side: one.p99 for side, one in sides.items()})


def outbox(server: Server, asked: list[str], days: int) -> Callable[[str], Question]:
    return lambda user: by_outbox(OUTBOXES[server.side], user, asked, days)


def by_way(plan: Plan, servers: dict[str, Server], way: str, clients: int) -> dict[str, Asking]:
    """Cyrus has no EWS: its outbox stands beside ours."""
    users = ASKED[:clients]
    return {side: Asking(server.ports["http"], users, (lambda _: by_ews(ASKED, DAYS)) if way == "EWS" and side == OURS
                         else outbox(server, ASKED, DAYS), len(ASKED), plan.seconds) for side, server in servers.items()}


def bench_freebusy(plan: Plan) -> Iterator[Case]:
    lost: dict[str, str] = {}
    crowd = names_of(len(ASKED) if plan.quick else CROWD)
    ours = [Posthorse(plan.folder, plan.build / "posthorse", plan.store, names=crowd)]
    servers: list[Server] = [*(ours if "ours" in plan.sides else []), *plan.peers(Cyrus(plan.folder, names=ASKED))]
    with serving(servers, lost) as up:
        cases = [(way, clients, Case("freebusy", f"by {way}, {len(ASKED)} people over {DAYS} days, {EVENTS} events each, {RECURRING} "
                                     f"of them recurring, {clients} client" + "s" * (clients > 1), "ms", more_is_better=False,
                                     beside=("cyrus",), goal_ratio=100, notes=dict(lost)))
                 for way in ("outbox", "EWS") for clients in CLIENTS]
        first = cases[0][2]
        ready = loaded(up, first, lambda server: fill(server, ASKED))
        for way, clients, case in cases:
            case.notes.update(first.notes)
            yield from asking(plan, by_way(plan, ready, way, clients), case)
        if not plan.quick and OURS in ready:
            case = Case("freebusy", f"{CROWD:,} people over {CROWD_DAYS} days, {EVENTS} events each", "ms",
                        more_is_better=False, goal_value=100, notes=dict(lost))
            alone = loaded({OURS: ready[OURS]}, case, lambda server: fill(server, crowd[len(ASKED):]))
            yield from asking(plan, {side: Asking(server.ports["http"], crowd[:1], outbox(server, crowd, CROWD_DAYS), CROWD,
                                                  plan.seconds) for side, server in alone.items()}, case)
