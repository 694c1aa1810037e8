"""benches: all of them, by name."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator

from caldav import bench_caldav
from cases import Case, OURS
from connector import bench_connector
from freebusy import bench_freebusy
from mail_on import bench_drain, bench_queued, bench_relay, bench_thousand
from pair import bench_shadow
from work import (Plan, interleave, bench_big, bench_folder, bench_idle, bench_lmtp, bench_login, bench_smtp)


@dataclass(frozen=True)
class Bench:
    title: str
    about: str  # one sentence for the reader of the table
    run: Callable[[Plan], Iterator[Case]]


def bench_recur(plan: Plan) -> Iterator[Case]:
    """Both sides are one program, which also sees that they find the same instances."""
    sides = {OURS: "ours", "libical": "libical"}
    case = Case("recur", "daily for 2 years, 50 exceptions", "us", more_is_better=False, beside=("libical",), goal_ratio=5)
    yield interleave(plan, case, {side: lambda word=word: plan.tool("recur", word)["us"]  # type: ignore[misc]
                                  for side, word in sides.items()
                                  if ("ours" if side == OURS else "peers") in plan.sides})


BENCHES = {
    "smtp": Bench("SMTP in until it is in the mailbox",
                  "From the first connection until IMAP STATUS shows every message in its mailbox.",
                  bench_smtp),
    "lmtp": Bench("LMTP delivery", "Durable before the answer, on every side.", bench_lmtp),
    "idle": Bench("An idle IMAP connection",
                  "Growth of PSS per connection in IDLE after SELECT INBOX.", bench_idle),
    "big": Bench("One big message", "Sent by SMTP, fetched by IMAP.", bench_big),
    "login": Bench("Log-in to first FETCH",
                   "Connect, LOGIN, SELECT, FETCH 1 (FLAGS ENVELOPE), LOGOUT.", bench_login),
    "folder": Bench("A large folder", "For information; there is no goal.", bench_folder),
    "relay": Bench("Relay", "SMTP in to SMTP out (smtp-sink), until the last message is out.", bench_relay),
    "drain": Bench("Drain", "From the return of a destination until the last queued message has left.",
                   bench_drain),
    "queued": Bench("A million queued", "To a destination that is away.", bench_queued),
    "recur": Bench("A recurring event expanded", "Parsed before; one process, nothing is stored.", bench_recur),
    "caldav": Bench("Calendars", "CalDAV; PUT is durable before the answer, busytime and scheduling included.",
                    bench_caldav),
    "freebusy": Bench("When are these people free?",
                      "Asked at the scheduling outbox, or by EWS, over a kept connection; each client is a process of its own.",
                      bench_freebusy),
    "connector": Bench("The same across servers",
                       "Three servers of a domain and a foreign system on this machine; asked at the outbox of the third.",
                       bench_connector),
    "thousand": Bench("One message to a thousand accounts", "Until it is in all mailboxes.",
                      bench_thousand),
    "shadow": Bench("A copy on a second server before 250",
                    "shadow = required beside shadow = off; both servers on this machine and its disk.",
                    bench_shadow),
}
