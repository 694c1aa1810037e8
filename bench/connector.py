"""connector: the bench of free/busy across the servers of a domain, and before a foreign system whose calendar servers die."""
from __future__ import annotations

import json
import signal
import statistics
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from caldav import ASKED, DAYS, tried
from cases import OURS, Case, number
from dav import Dav
from freebusy import OUTBOXES, Asking, Question, asking, by_outbox, check, fill
from processes import CannotStart, wait_for
from several import READY_WAIT_S, Several
from work import Plan, say, serving

A, B, C = NAMES = ("a.test", "b.test", "c.test")
FAR = "exchange.example"
HERE, HEALTHY = "its own server", "both healthy"
SETTINGS = {"auth_plain_without_tls": "yes"}
SOON_S = 0.35  # after a fault: cluster_suspect_ms is not over
LATER_S = 3  # the fault is known for long
SETTLED = 40  # look-ups by the first calendar server before it has a fault


class Far(Several):
    """The foreign system, a server of ours that knows nothing of the domain."""
    calendar = "/dav/calendars/{}/calendar/"

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.folder / "far", plan.build / "posthorse", "far", ("far.test",), ("http",),
                         {"domains": FAR, **SETTINGS})

    def start(self) -> None:
        super().start()
        self.add([*ASKED, "asker"], "far.test")


class Domain(Several):
    """Those who are asked about have their accounts on the first server; two of three are calendar servers for BTEx."""
    calendar = Far.calendar

    def __init__(self, plan: Plan, far: Far) -> None:
        super().__init__(plan.folder / "domain", plan.build / "posthorse", OURS, NAMES, ("http",), SETTINGS)
        self.far = far

    def start(self) -> None:
        super().start()
        self.add(ASKED, A)
        for name in NAMES:
            self.add([self.asker(name)], name)
        for name in (B, A):  # the one edited last is first
            self.edit("foreign-domain", f"btex-{name[0]}", self.document(name))
        for name in NAMES:
            self.await_up(name)
            self.await_text(name, "foreign-domain", "btex-a")

    def document(self, name: str) -> str:
        return (f"domain = BTEx\nmail_server = {name}\nhost = 127.0.0.1:25\ncalendar_server = {name}\n"
                f"calendar = caldav http://127.0.0.1:{self.far.ports['http']}/dav/calendars/asker/outbox/\n"
                f"calendar_user = asker@{FAR}\ncalendar_password = pass\nrewrite = *@BTEx *@{FAR}\n")

    def asker(self, name: str) -> str:
        return f"asker-{name[0]}"

    def await_up(self, name: str) -> None:
        def up() -> bool:
            servers = json.loads(self.run(name, "cluster", "show", "--json"))["servers"]
            return [server["state"] for server in servers] == ["up"] * (len(NAMES) - 1)

        if not wait_for(up, READY_WAIT_S):
            raise CannotStart(f"{name} does not see the others up: {self.run(name, 'cluster', 'show')}")

    def await_text(self, name: str, kind: str, document: str) -> None:
        def there() -> bool:
            try:
                return bool(self.run(name, "directory", "show", kind, document))
            except CannotStart:
                return False

        if not wait_for(there, READY_WAIT_S):
            raise CannotStart(f"{name} does not have {document}")

    def question(self, name: str, domain: str) -> Question:
        return by_outbox(OUTBOXES[OURS], self.asker(name), ASKED, DAYS, domain)


# --- relayed ------------------------------------------------------------------------------------


def relayed(plan: Plan, domain: Domain) -> Iterator[Case]:
    case = Case("connector", f"{len(ASKED)} people of another server over {DAYS} days, 1 client", "ms", more_is_better=False,
                beside=(HERE,), goal_ratio=0.5)
    sides = {side: Asking(domain.at[name]["http"], [domain.asker(name)],
                          lambda _, name=name: domain.question(name, "example.test"),  # type: ignore[misc]
                          len(ASKED), plan.seconds) for side, name in ((HERE, A), (OURS, C))}
    yield from asking(plan, sides, case)


# --- a calendar server dies ---------------------------------------------------------------------


class Client:
    """Asks about the people of BTEx, by a kept connection."""

    def __init__(self, domain: Domain) -> None:
        self.dav, self.question = Dav(domain.at[C]["http"], domain.asker(C)), domain.question(C, "BTEx")

    def once(self) -> float:
        begun = time.perf_counter()
        reply = self.dav.request("POST", self.question.path, self.question.body, self.question.kind)
        took = (time.perf_counter() - begun) * 1000
        check(self.question, reply, len(ASKED))
        return took

    def some(self, count: int) -> list[float]:
        return [self.once() for _ in range(count)]

    def during(self, seconds: float) -> list[float]:
        taken, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            taken.append(self.once())
        return taken


@contextmanager
def killed(domain: Domain) -> Iterator[None]:
    domain.kill(A)
    try:
        yield
    finally:
        domain.serve(A)


@contextmanager
def hung(domain: Domain) -> Iterator[None]:
    domain.signal(A, signal.SIGSTOP)
    try:
        yield
    finally:
        domain.signal(A, signal.SIGCONT)


FAULTS = {"killed": (killed, 1 / 1.2), "hung": (hung, 1 / 3)}
PARTS = ("the first look-up after", f"the others within {SOON_S} s, median", f"the others within {SOON_S} s, worst",
         f"{LATER_S} s after, median", f"{LATER_S} s after, worst")


def fault_round(domain: Domain, fault: Callable[[Domain], object]) -> dict[str, tuple[float, float]]:
    """By part: ms, and the same when all was well."""
    for name in NAMES:
        domain.await_up(name)
    client = Client(domain)
    client.some(SETTLED)
    well = client.during(LATER_S)
    with fault(domain):  # type: ignore[attr-defined]
        first, soon = client.once(), client.during(SOON_S)
        client.during(LATER_S - SOON_S)
        later = client.during(LATER_S)
    client.dav.close()
    median = statistics.median(well)
    return dict(zip(PARTS, ((first, median), (statistics.median(soon), median), (max(soon), worst(well, len(soon))),
                            (statistics.median(later), median), (max(later), worst(well, len(later))))))


def worst(taken: list[float], of: int) -> float:
    """As it is to be expected of so many: the median of the worst of each."""
    return statistics.median(max(taken[n:n + of]) for n in range(0, max(1, len(taken) - of + 1), of))


def faults(plan: Plan, domain: Domain, what: str) -> Iterator[Case]:
    fault, goal = FAULTS[what]
    cases = {part: Case("connector", f"the first of two calendar servers {what}: {part}", "ms", more_is_better=False,
                        beside=(HEALTHY,), goal_ratio=goal) for part in PARTS}
    for r in range(plan.rounds):
        found: dict[str, tuple[float, float]] = {}
        try:
            tried(lambda: found.update(fault_round(domain, fault)))
        except Exception as error:
            say(f"connector, {what}: {error}")
            for case in cases.values():
                case.notes[OURS] = f"failed: {error}"
            break
        for part, case in cases.items():
            for side, value in zip((OURS, HEALTHY), found[part]):
                case.samples.setdefault(side, []).append(value)
                say(f"{case.bench}, {case.name}: {side} round {r + 1} of {plan.rounds}: {number(value)} ms")
    yield from cases.values()


def bench_connector(plan: Plan) -> Iterator[Case]:
    if "ours" not in plan.sides:
        return
    lost: dict[str, str] = {}
    far = Far(plan)
    domain = Domain(plan, far)
    with serving([far, domain], lost) as up:
        if len(up) < 2:
            return
        for server in up.values():
            fill(server, ASKED)
        yield from relayed(plan, domain)
        for what in FAULTS:
            yield from faults(plan, domain, what)
