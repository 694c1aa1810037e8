"""work: the benches. Each starts its servers, gives all of them the same work in turn, and yields
its cases as they are complete."""
from __future__ import annotations

import email.utils
import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import machine
import processes
from cases import OURS, Case, number
from imap import Imap, ImapError
from machine import PeakSampler
from processes import CannotStart
from ours import USERS, Posthorse
from peers import Cyrus, Dovecot, PostfixDovecot, Server

KIB = 1024
RCPTS = 100  # mailboxes that the deliveries go to in turn
VISIBLE_WAIT_S = 300
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")


class RunFailed(Exception):
    """A side did not do the work; its other cases go on."""


FAILURES = (RunFailed, ImapError, OSError)


@dataclass
class Plan:
    """What one run of bench.py is to do."""
    folder: Path
    build: Path
    store: str = "sqlite"
    rounds: int = 3
    seconds: float = 5  # of one timed run, about
    quick: bool = False
    sides: tuple[str, ...] = ("ours", "peers")
    waits: bool = True  # for a quiet machine, before each run
    runs: int = 0
    runs_not_quiet: int = 0

    def ours(self) -> list[Server]:
        if "ours" not in self.sides:
            return []
        return [Posthorse(self.folder, self.build / "posthorse", self.store)]

    def peers(self, *servers: Server) -> list[Server]:
        return list(servers) if "peers" in self.sides else []

    def pick(self, full: list[int], quick: list[int]) -> list[int]:
        return quick if self.quick else full

    def tool(self, name: str, *args: object) -> dict[str, float]:
        command = [str(self.build / "bench" / name), *map(str, args)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            raise RunFailed((run.stderr.strip().splitlines() or ["no reason given"])[0])
        result: dict[str, float] = json.loads(run.stdout)
        return result

    def load(self, protocol: str, port: int, **options: object) -> dict[str, float]:
        args = [word for name, value in options.items() for word in (f"--{name}", value)]
        return self.tool("load", protocol, "--port", port, *args)


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S "), text, file=sys.stderr, flush=True)


@contextmanager
def serving(servers: list[Server], lost: dict[str, str]) -> Iterator[dict[str, Server]]:
    """The servers that could be started, by side, stopped at the end whatever happens. What could
    not is told in `lost`."""
    with ExitStack() as stack:
        up = {}
        for server in servers:
            stack.callback(server.stop)
            say(f"starting {server.side}")
            try:
                server.start()
                up[server.side] = server
            except (CannotStart, OSError, subprocess.SubprocessError) as error:
                say(f"{server.side} cannot start: {error}")
                lost[server.side] = f"cannot start: {error}"
        yield up


def measure(plan: Plan, case: Case, side: str, run: Callable[[], float], what: str) -> None:
    """One timed run, when the machine is quiet."""
    if side in case.notes:
        return
    plan.runs += 1
    if plan.waits and not machine.quiet():
        plan.runs_not_quiet += 1
    try:
        value = run()
    except FAILURES as error:
        case.notes[side] = f"failed: {error}"
        say(f"{case.bench}, {case.name}: {side} {what}: failed: {error}")
        return
    case.samples.setdefault(side, []).append(value)
    say(f"{case.bench}, {case.name}: {side} {what}: {number(value)} {case.unit}")


def interleave(plan: Plan, case: Case, runs: dict[str, Callable[[], float]]) -> Case:
    """All sides in turn, then all again; each round begins with another side."""
    names = list(runs)
    for r in range(plan.rounds):
        first = r % max(1, len(names))
        for side in names[first:] + names[:first]:
            measure(plan, case, side, runs[side], f"round {r + 1} of {plan.rounds}")
    return case


def fresh_rounds(plan: Plan, case: Case, servers: list[Server],
                 run: Callable[[Server], float]) -> Case:
    """As interleave(), but each run has a server started for it."""
    for r in range(plan.rounds):
        for server in servers:
            if server.side in case.notes:
                continue
            with serving([server], case.notes) as up:
                if up:
                    measure(plan, case, server.side, lambda: run(server),
                            f"round {r + 1} of {plan.rounds}")
    return case


def counted(plan: Plan, rate: float, least: int = 200) -> int:
    """How many operations take about the time that a run is to last."""
    return max(least, int(rate * plan.seconds))


def sized(size: int) -> str:
    return f"{size // KIB} KB"


def plural(sessions: int) -> str:
    return "1 session" if sessions == 1 else f"{sessions} sessions"


# --- SMTP in, until it is in the mailbox -------------------------------------------------------


class Mailboxes:
    """Watches by IMAP STATUS whether what was sent has arrived."""

    def __init__(self, server: Server) -> None:
        self.sessions = [Imap(server.ports["imap"], f"u{i + 1}") for i in range(RCPTS)]

    def counts(self) -> list[int]:
        return [session.message_count() for session in self.sessions]

    def wait(self, before: list[int], sent: int) -> None:
        want = [have + sent // RCPTS + (i < sent % RCPTS) for i, have in enumerate(before)]
        left = list(range(RCPTS))
        end = time.monotonic() + VISIBLE_WAIT_S
        while left:
            while left and self.sessions[left[-1]].message_count() >= want[left[-1]]:
                left.pop()
            if left:
                time.sleep(0.02)
            if time.monotonic() > end:
                raise RunFailed(f"{len(left)} mailboxes not filled after {VISIBLE_WAIT_S} s")


def smtp_to_mailbox(plan: Plan, server: Server, boxes: Mailboxes, sessions: int, size: int,
                    count: int) -> float:
    """Messages a second from the first connection until all are visible."""
    before = boxes.counts()
    begun = time.perf_counter()
    plan.load("smtp", server.ports["smtp"], sessions=sessions, count=count, size=size, users=RCPTS)
    boxes.wait(before, count)
    return count / (time.perf_counter() - begun)


def smtp_side(plan: Plan, server: Server, boxes: dict[str, Mailboxes], sessions: int,
              size: int) -> Callable[[], float]:
    """Finds out how many messages fill a run; the trial also warms the side up."""
    rate: list[float] = []

    def deliver(count: int) -> float:
        return smtp_to_mailbox(plan, server, boxes[server.side], sessions, size, count)

    def run() -> float:
        if server.side not in boxes:
            boxes[server.side] = Mailboxes(server)
        if not rate:
            rate.append(deliver(100 + 5 * sessions))
        return deliver(counted(plan, rate[0]))

    return run


def bench_smtp(plan: Plan) -> Iterator[Case]:
    goals = {1: 4, 10: 8, 100: 15}
    lost: dict[str, str] = {}
    peer = PostfixDovecot(plan.folder)
    with serving(plan.ours() + plan.peers(peer), lost) as up:
        boxes: dict[str, Mailboxes] = {}
        for size in plan.pick([1, 10, 100], [10]):
            for sessions in plan.pick([1, 10, 100], [10, 100]):
                case = Case("smtp", f"{size} KB, {plural(sessions)}", "msg/s", beside=(peer.side,),
                            goal_ratio=goals[sessions], notes=dict(lost))
                yield interleave(plan, case, {
                    side: smtp_side(plan, server, boxes, sessions, size * KIB)
                    for side, server in up.items()})


# --- LMTP, and the disk -------------------------------------------------------------------------


def lmtp_side(plan: Plan, server: Server, sessions: int) -> Callable[[], float]:
    rate: list[float] = []

    def deliver(count: int) -> float:
        return plan.load("lmtp", server.ports["lmtp"], sessions=sessions, count=count,
                         size=10 * KIB, users=RCPTS)["rate"]

    def run() -> float:
        if not rate:
            rate.append(deliver(100 + 5 * sessions))
        return deliver(counted(plan, rate[0]))

    return run


def disk_side(plan: Plan, writers: int) -> Callable[[], float]:
    seconds = max(1, int(plan.seconds / 2))
    return lambda: plan.tool("disk", plan.folder, "--writers", writers, "--size", 10 * KIB,
                             "--seconds", seconds)["rate"]


def share_of_disk(case: Case, sessions: int, disk: float) -> Case:
    """The same runs as shares of what the disk took in between them."""
    shares = {side: [value / disk * 100 for value in values]
              for side, values in case.samples.items()}
    return Case("disk", f"LMTP {case.name} (the disk: {number(disk)} records/s)",
                "% of the disk's rate", samples=shares, notes=case.notes,
                goal_value=20 if sessions == 100 else None)


def bench_lmtp(plan: Plan) -> Iterator[Case]:
    goals = {1: 2.5, 10: 4, 100: 8}
    lost: dict[str, str] = {}
    peers: list[Server] = [Dovecot(plan.folder), Cyrus(plan.folder)]
    with serving(plan.ours() + plan.peers(*peers), lost) as up:
        for sessions in plan.pick([1, 10, 100], [10, 100]):
            case = Case("lmtp", f"10 KB, {plural(sessions)}", "msg/s", notes=dict(lost),
                        beside=tuple(p.side for p in peers), goal_ratio=goals[sessions])
            runs = {side: lmtp_side(plan, server, sessions) for side, server in up.items()}
            interleave(plan, case, {**runs, "disk": disk_side(plan, sessions)})
            disk = case.samples.pop("disk", [])
            yield case
            if disk:
                yield share_of_disk(case, sessions, statistics.median(disk))


# --- Idle IMAP connections ----------------------------------------------------------------------


def idle_open(server: Server, count: int, tls: bool) -> list[Imap]:
    """Connections in IDLE, of all users in turn and from many addresses."""
    held = []
    for i in range(count):
        session = Imap(server.ports["imaps" if tls else "imap"], f"u{i % USERS + 1}", tls,
                       source=f"127.0.1.{i % 200 + 1}")
        held.append(session)
        session.command("SELECT INBOX")
        session.idle()
    return held


def idle_kb(server: Server, count: int, tls: bool, settled: Callable[[], bool]) -> float:
    """PSS of one more connection in IDLE, KB."""
    def pss() -> int:
        time.sleep(2)
        processes.wait_for(settled, 60, 0.5)
        return machine.memory(server.roots(), server.skip).pss

    warm = idle_open(server, 3, tls)
    before = pss()
    held = idle_open(server, count, tls)
    after = pss()
    for session in warm + held:
        session.close()
    return (after - before) / count


def imap_processes(server: Server) -> int:
    names = [Path(f"/proc/{pid}/comm") for pid in machine.family(server.roots())]
    return sum(name.exists() and name.read_text().strip() == "imap" for name in names)


@contextmanager
def inotify_instances(count: int) -> Iterator[None]:
    """Each hibernated Dovecot connection holds an inotify instance: more than Linux allows."""
    before = INOTIFY.read_text()
    try:
        if int(before) < count:
            INOTIFY.write_text(str(count))
        yield
    finally:
        if INOTIFY.read_text() != before:
            INOTIFY.write_text(before)


def idle_run(plan: Plan, server: Server, tls: bool) -> float:
    full, quick = {OURS: (5000, 500), "dovecot": (200, 50)}.get(server.side, (1000, 100))
    count = quick if plan.quick else full
    if server.side != "dovecot hibernating":
        return idle_kb(server, count, tls, lambda: True)
    with inotify_instances(2 * count + 128):
        return idle_kb(server, count, tls, lambda: imap_processes(server) == 0)


def bench_idle(plan: Plan) -> Iterator[Case]:
    plain, hibernating = Dovecot(plan.folder), Dovecot(plan.folder, "hibernating")
    for name, tls, goal, peers in (("plain", False, 8, (plain, hibernating)),
                                   ("TLS", True, 30, (plain,))):
        case = Case("idle", name, "KB/connection", more_is_better=False, beside=(plain.side,),
                    goal_value=goal)
        yield fresh_rounds(plan, case, plan.ours() + plan.peers(*peers),
                           lambda server: idle_run(plan, server, tls))


# --- One big message ----------------------------------------------------------------------------


@dataclass
class Used:
    """What a piece of work took: memory over what was used before it, and time."""
    peak_mb: float = 0
    seconds: float = 0


@contextmanager
def peak_over_idle(server: Server) -> Iterator[Used]:
    used = Used()
    idle = machine.rss_now(list(machine.family(server.roots(), server.skip)))
    machine.peak_reset(server.roots(), server.skip)
    begun = time.perf_counter()
    with PeakSampler(server.roots(), server.skip) as sampler:
        yield used
    used.seconds = time.perf_counter() - begun
    peak = sampler.peak
    if server.side == OURS:  # its processes live on, so the kernel knows their exact peaks
        peak = max(peak, machine.peak_rss(server.roots(), server.skip))
    used.peak_mb = max(0, peak - idle) / KIB


def big_send(plan: Plan, server: Server, watcher: Imap, size: int) -> None:
    before = watcher.message_count()
    plan.load("smtp", server.ports["smtp"], count=1, size=size, user="big", timeout=600)
    if not processes.wait_for(lambda: watcher.message_count() > before, VISIBLE_WAIT_S):
        raise RunFailed("the message did not arrive")


def big_fetch(reader: Imap, size: int) -> None:
    reader.command("SELECT INBOX")
    got, _ = reader.command("FETCH * BODY.PEEK[]")
    if got < size:
        raise RunFailed(f"{got} bytes came instead of {size}")


def big_round(plan: Plan, server: Server, size: int) -> dict[str, float]:
    # Two sessions: STATUS of a folder that the same session has selected may be out of date.
    watcher, reader = (Imap(server.ports["imap"], "big") for _ in range(2))
    big_send(plan, server, watcher, 10 * KIB)
    big_fetch(reader, 10 * KIB)
    with peak_over_idle(server) as sent:
        big_send(plan, server, watcher, size)
    with peak_over_idle(server) as fetched:
        big_fetch(reader, size)
    watcher.close()
    reader.close()
    return {"sent, peak RSS over idle": sent.peak_mb, "sent until visible": sent.seconds,
            "fetched, peak RSS over idle": fetched.peak_mb, "fetched": fetched.seconds}


def bench_big(plan: Plan) -> Iterator[Case]:
    size = (20 if plan.quick else 200) << 20
    peer = PostfixDovecot(plan.folder)
    cases = {}
    for what, unit, goal in (("sent, peak RSS over idle", "MB", 64.0),
                             ("fetched, peak RSS over idle", "MB", 64.0),
                             ("sent until visible", "s", None), ("fetched", "s", None)):
        cases[what] = Case("big", f"{size >> 20} MB {what}", unit, more_is_better=False,
                           beside=(peer.side,), goal_value=goal)
    grouped_rounds(plan, cases, plan.ours() + plan.peers(peer),
                   lambda server: big_round(plan, server, size))
    yield from cases.values()


def grouped_rounds(plan: Plan, cases: dict[str, Case], servers: list[Server],
                   run: Callable[[Server], dict[str, float]]) -> None:
    """fresh_rounds() for a run that gives the values of several cases."""
    first = next(iter(cases))

    def one(server: Server) -> float:
        values = run(server)
        for name, value in values.items():
            if name != first:
                cases[name].samples.setdefault(server.side, []).append(value)
        return values[first]

    fresh_rounds(plan, cases[first], servers, one)
    for case in cases.values():
        case.notes.update(cases[first].notes)


# --- Log-in to first FETCH ----------------------------------------------------------------------


def login_side(plan: Plan, server: Server) -> Callable[[], float]:
    rate: list[float] = []

    def log_in(count: int) -> float:
        return plan.load("imap", server.ports["imap"], sessions=50, count=count,
                         users=RCPTS)["rate"]

    def run() -> float:
        if not rate:
            plan.load("lmtp", server.ports["lmtp"], sessions=10, count=RCPTS, users=RCPTS)
            rate.append(log_in(200))
        return log_in(counted(plan, rate[0]))

    return run


def bench_login(plan: Plan) -> Iterator[Case]:
    lost: dict[str, str] = {}
    usual, fast = Dovecot(plan.folder), Dovecot(plan.folder, "fast log-in")
    with serving(plan.ours() + plan.peers(usual, fast), lost) as up:
        case = Case("login", "50 clients at once, beside Dovecot as installed", "log-ins/s",
                    beside=(usual.side,), goal_ratio=5, notes=dict(lost))
        interleave(plan, case, {s: login_side(plan, server) for s, server in up.items()})
        yield case
        yield Case("login", "the same, beside Dovecot set for fast log-in", "log-ins/s",
                   beside=(fast.side,), samples=case.samples, notes=case.notes)


# --- A large folder, for information -------------------------------------------------------------

SUBJECTS = ("budget", "meeting notes", "invoice", "holiday plan", "build failed", "lunch",
            "release", "report", "question", "travel")
FOLDER_STEPS = (
    ("SELECT", "SELECT INBOX"),
    ("FETCH FLAGS", "FETCH 1:* (FLAGS)"),
    ("FETCH ENVELOPE, first time", ""),
    ("FETCH ENVELOPE", "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"),
    ("SEARCH SUBJECT", "UID SEARCH SUBJECT lunch"),
    ("STORE +FLAGS", "UID STORE 1:* +FLAGS (\\Seen)"),
    ("STORE -FLAGS", "UID STORE 1:* -FLAGS (\\Seen)"),
)


def folder_message(i: int) -> bytes:
    date = email.utils.formatdate(1672531200 + i * 300)
    head = (f"Received: from mx.sender.test ([192.0.2.{i % 250 + 1}]) by mx.example.test;"
            f"\r\n {date}\r\n"
            f"From: \"Person {i % 997}\" <p{i % 997}@sender.test>\r\nTo: <bulk@example.test>\r\n"
            f"Cc: \"Team {i % 31}\" <team{i % 31}@example.test>\r\n"
            f"Subject: {SUBJECTS[i % 10]} {i}\r\nDate: {date}\r\n"
            f"Message-ID: <{i}.folder@sender.test>\r\n"
            f"In-Reply-To: <{i // 3}.folder@sender.test>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
    line = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod.\r\n"
    return (head + line * ((2 * KIB - len(head)) // len(line))).encode()


def folder_fill(server: Server, count: int) -> None:
    session = Imap(server.ports["imap"], "bulk")
    begun, told = time.monotonic(), time.monotonic()
    for start in range(0, count, 200):
        session.append("INBOX", [folder_message(i) for i in range(start, min(start + 200, count))])
        if time.monotonic() - told > 10:
            told = time.monotonic()
            say(f"folder: {server.side}: {start + 200:,} of {count:,} messages appended")
    session.close()
    say(f"folder: {server.side} filled in {time.monotonic() - begun:.0f} s")


def folder_side(server: Server, count: int, cases: dict[str, Case]) -> Callable[[], float]:
    """Times every step; the first ENVELOPE of all is told apart from the later ones."""
    state = {"filled": False}

    def run() -> float:
        first = not state["filled"]
        if first:
            folder_fill(server, count)
            state["filled"] = True
        session = Imap(server.ports["imap"], "bulk")
        took = {}
        for name, command in FOLDER_STEPS:
            if name == "FETCH ENVELOPE, first time":
                if first:
                    took[name] = session.timed(dict(FOLDER_STEPS)["FETCH ENVELOPE"])
            else:
                took[name] = session.timed(command)
        session.close()
        for name in list(took)[1:]:
            cases[name].samples.setdefault(server.side, []).append(took[name])
        return took["SELECT"]

    return run


def bench_folder(plan: Plan) -> Iterator[Case]:
    count = 5000 if plan.quick else 100000
    lost: dict[str, str] = {}
    peers: list[Server] = [Dovecot(plan.folder), Cyrus(plan.folder)]
    cases = {name: Case("folder", f"{count:,} messages: {name}", "s", more_is_better=False,
                        beside=tuple(p.side for p in peers)) for name, _ in FOLDER_STEPS}
    with serving(plan.ours() + plan.peers(*peers), lost) as up:
        cases["SELECT"].notes.update(lost)
        interleave(plan, cases["SELECT"],
                   {side: folder_side(server, count, cases) for side, server in up.items()})
    for case in cases.values():
        case.notes.update(cases["SELECT"].notes)
    yield from cases.values()
