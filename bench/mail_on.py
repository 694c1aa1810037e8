"""mail_on: the benches of mail that goes on: relayed, queued, drained, and to a thousand mailboxes."""
from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, closing
from typing import Callable, Iterator

import machine
from cases import Case
from imap import Imap
from mta import Exim, Mta, OpenSmtpd, Postfix
from ours import Posthorse
from peers import DOMAIN, PostfixDovecot, Server
from processes import free_port, listening, wait_for
from work import KIB, Plan, RunFailed, counted, grouped_rounds, interleave, say, serving

AWAY = "away.example"
SESSIONS = 20
ARRIVAL_WAIT_S = 1800
QUEUE_SETTLES_S = 600
RELAYING = {"relay_networks": "127.0.0.0/8"}
QUEUE_NAMES = ("incoming", "active", "deferred", "maildrop", "hold")


# --- The next hop -------------------------------------------------------------------------------


class SmtpSink:
    """Postfix's smtp-sink, and how many messages it has told to have taken."""

    def __init__(self, port: int) -> None:
        self.popen = subprocess.Popen(
            ["smtp-sink", "-c", "-u", "nobody", "-m", "1000", f"127.0.0.1:{port}", "1000"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.count = 0
        self.more = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        wait_for(lambda: listening(port), 10, 0.005)

    def read(self) -> None:
        assert self.popen.stdout
        rest = b""
        while text := os.read(self.popen.stdout.fileno(), 1 << 16):
            rest = (rest + text)[-200:]
            told = re.findall(rb"mesg=(\d+)[\r\n]", rest)
            if told:
                with self.more:
                    self.count = int(told[-1])
                    self.more.notify_all()

    def wait(self, count: int, seconds: float) -> None:
        with self.more:
            if not self.more.wait_for(lambda: self.count >= count, seconds):
                raise RunFailed(f"{self.count} of {count} messages arrived within {seconds:.0f} s")

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait()


def sink_of(server: Server) -> SmtpSink:
    return SmtpSink(server.next_hop)  # type: ignore[attr-defined]


def give(plan: Plan, server: Server, count: int, size: int) -> dict[str, float]:
    return plan.load("smtp", server.ports["smtp"], sessions=SESSIONS, count=count, size=size,
                     domain=AWAY, users=1000)


def relays(plan: Plan, *kinds: type[Mta]) -> list[Server]:
    """Ours and the peers, each with a port of its own for its next hop."""
    hops = [free_port() for _ in range(1 + len(kinds))]
    ours = [Posthorse(plan.folder, plan.build / "posthorse", plan.store, settings=RELAYING,
                      next_hop=hops[0])] if "ours" in plan.sides else []
    # A fair Postfix: its usual concurrency, and no retry in the middle of a run.
    settings = {Postfix: {"default_destination_concurrency_limit": 20}}
    peers = [kind(plan.folder, next_hop=hop, retry_s=300, settings=settings.get(kind))
             for kind, hop in zip(kinds, hops[1:])]
    return [*ours, *plan.peers(*peers)]


# --- Relay --------------------------------------------------------------------------------------


def relay_side(plan: Plan, server: Server, sink: SmtpSink) -> Callable[[], float]:
    """Messages a second from the first connection in until the last one has come out."""
    rate: list[float] = []

    def pass_on(count: int) -> float:
        before = sink.count
        begun = time.perf_counter()
        give(plan, server, count, 10 * KIB)
        sink.wait(before + count, ARRIVAL_WAIT_S)
        return count / (time.perf_counter() - begun)

    def run() -> float:
        if not rate:
            rate.append(pass_on(500))
        return pass_on(counted(plan, rate[0]))

    return run


def bench_relay(plan: Plan) -> Iterator[Case]:
    lost: dict[str, str] = {}
    peers = (Postfix, OpenSmtpd, Exim)
    with serving(relays(plan, *peers), lost) as up, ExitStack() as stack:
        sinks = {side: stack.enter_context(closing(sink_of(server))) for side, server in up.items()}
        case = Case("relay", f"10 KB, {SESSIONS} sessions in", "msg/s", goal_ratio=3,
                    beside=tuple(p.side for p in peers), notes=dict(lost))
        yield interleave(plan, case, {
            side: relay_side(plan, server, sinks[side]) for side, server in up.items()})


# --- Drain --------------------------------------------------------------------------------------


def postfix_files(server: Postfix, *names: str) -> int:
    """Messages in these of its queues."""
    return sum(len(files) for name in names for _, _, files in os.walk(server.folder / "queue" / name))


def settle(server: Server) -> None:
    """Until the tries at a destination that is away are over."""
    if isinstance(server, Postfix):
        if not wait_for(lambda: postfix_files(server, "incoming", "active") == 0, QUEUE_SETTLES_S, 0.5):
            raise RunFailed("its queue did not come to rest")


def drain(plan: Plan, server: Server, count: int) -> dict[str, float]:
    """Fills its queue while the destination is away; then the time from its return to the last message."""
    taken = give(plan, server, count, 4 * KIB)
    settle(server)
    with closing(sink_of(server)) as sink:
        begun = time.perf_counter()
        if isinstance(server, Postfix):
            server.flush()
        sink.wait(count, ARRIVAL_WAIT_S)
        return {"drain": count / (time.perf_counter() - begun), "fill": taken["rate"]}


def bench_drain(plan: Plan) -> Iterator[Case]:
    count = 5000 if plan.quick else 100000
    cases = {"drain": Case("drain", f"{count:,} messages of 4 KB, sent on", "msg/s",
                           beside=(Postfix.side,), goal_ratio=3),
             "fill": Case("drain", "the same, taken in before", "msg/s", beside=(Postfix.side,))}
    grouped_rounds(plan, cases, relays(plan, Postfix), lambda server: drain(plan, server, count))
    yield from cases.values()


# --- A million queued ---------------------------------------------------------------------------


def queued(plan: Plan, server: Server, count: int) -> dict[str, float]:
    """Memory with so many in the queue, and the rate of the last tenth beside that of the first."""
    rates = []
    for part in range(10):
        rates.append(give(plan, server, count // 10, KIB)["rate"])
        say(f"queued: {(part + 1) * count // 10:,} of {count:,}, {rates[-1]:.0f} msg/s")
    used = machine.memory(server.roots(), server.skip)
    return {"RSS": used.rss / KIB, "PSS": used.pss / KIB, "steady": rates[-1] / rates[0] * 100}


def bench_queued(plan: Plan) -> Iterator[Case]:
    count = 20000 if plan.quick else 1000000
    cases = {"RSS": Case("queued", f"{count:,} messages queued, RSS of all processes", "MB",
                         more_is_better=False, goal_value=64),
             "PSS": Case("queued", "the same, PSS", "MB", more_is_better=False, goal_value=64),
             "steady": Case("queued", "taken in: the last tenth's rate beside the first's", "%")}
    ours = relays(plan)
    if ours:
        one = Plan(**{**vars(plan), "rounds": 1})
        grouped_rounds(one, cases, ours, lambda server: queued(plan, server, count))
        yield from cases.values()


# --- One message to a thousand accounts ----------------------------------------------------------

THOUSAND = 1000


def crowd() -> list[str]:
    return [f"t{n}" for n in range(THOUSAND)]


def send_to_all(port: int) -> None:
    """One transaction, pipelined; the recipients' replies are counted before DATA."""
    rcpts = "".join(f"RCPT TO:<{name}@{DOMAIN}>\r\n" for name in crowd())
    with socket.create_connection(("127.0.0.1", port), 60) as sock, sock.makefile("rb") as replies:
        def expect(code: bytes, count: int = 1) -> None:
            while count:
                line = replies.readline()
                if not line.startswith(code):
                    raise RunFailed(f"answered {line.decode(errors='replace').strip()!r}")
                count -= line[3:4] == b" "

        expect(b"220")
        sock.sendall(b"EHLO bench.example\r\n")
        expect(b"250")
        sock.sendall(f"MAIL FROM:<s@sender.example>\r\n{rcpts}DATA\r\n".encode())
        expect(b"250", 1 + THOUSAND)
        expect(b"354")
        sock.sendall(b"From: s@sender.example\r\nSubject: to all\r\nMessage-ID: <%d@sender.example>\r\n\r\n%s.\r\n"
                     % (time.monotonic_ns(), b"All hands, on deck: seventy letters and more in each line of it.\r\n" * 150))
        expect(b"250")


def delivered(server: Server) -> None:
    """Until it says so: ours has when it answered, Postfix when its queue is empty."""
    if isinstance(server, Postfix):
        if not wait_for(lambda: postfix_files(server, *QUEUE_NAMES) == 0, 120, 0.002):
            raise RunFailed("its queue is not empty after 120 s")


def in_all_mailboxes(server: Server, want: int) -> None:
    for name in crowd():
        session = Imap(server.ports["imap"], name)
        have = session.message_count()
        session.close()
        if have != want:
            raise RunFailed(f"{name} has {have} messages instead of {want}")


def thousand_side(plan: Plan, server: Server) -> Callable[[], float]:
    """Milliseconds for one message, the mean of some; that all have them is looked at afterwards."""
    sent = [0]
    count = 2 if plan.quick else 5

    def once() -> float:
        begun = time.perf_counter()
        send_to_all(server.ports["smtp"])
        delivered(server)
        sent[0] += 1
        return time.perf_counter() - begun

    def run() -> float:
        if not sent[0]:
            once()  # makes the mailboxes
        took = sum(once() for _ in range(count)) / count * 1e3
        in_all_mailboxes(server, sent[0])
        return took

    return run


def bench_thousand(plan: Plan) -> Iterator[Case]:
    lost: dict[str, str] = {}
    peer = PostfixDovecot(plan.folder, crowd())
    ours = [Posthorse(plan.folder, plan.build / "posthorse", plan.store, names=crowd())] \
        if "ours" in plan.sides else []
    with serving([*ours, *plan.peers(peer)], lost) as up:
        case = Case("thousand", f"10 KB to {THOUSAND:,} local accounts", "ms", more_is_better=False,
                    beside=(peer.side,), goal_ratio=50, notes=dict(lost))
        yield interleave(plan, case, {s: thousand_side(plan, server) for s, server in up.items()})
