"""A server that hangs inside a transaction: what it has locked is free again when PostgreSQL ends the transaction."""
import os, signal, subprocess, threading, time

import pytest

from pairing import message, numbers, two_servers
from server import Imap, Smtp, wait_until

IDLE_S = 20     # idle_in_transaction_session_timeout of our connections
USER = "user0"


@pytest.fixture
def pair():
    yield from two_servers([USER, "user1"], {"spool": "no"}, {"spool": "no"})


def psql(database, statement):
    return subprocess.run(["psql", "-XAtq", "-h", str(database.dir), "-U", "postgres", "-c", statement], check=False,
                          capture_output=True, text=True, cwd="/")


def freeze_with_the_row(worker, database):
    """Stops the server at a moment at which one of its transactions holds the account's row and does nothing, and others wait for
    it in a line: the second of them has a lock time-out of its own when the first has had its."""
    for _ in range(4000):
        os.kill(worker, signal.SIGSTOP)
        if "could not obtain lock" in psql(database, f"SELECT 1 FROM account WHERE name = '{USER}' FOR UPDATE NOWAIT").stderr:
            # What the server had sent is worked off by now; its transaction waits for more.
            wait = ("SELECT bool_or(state = 'idle in transaction') AND COUNT(*) FILTER (WHERE wait_event = 'tuple') > 0 "
                    "FROM pg_stat_activity")
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                locked = psql(database, f"SELECT 1 FROM account WHERE name = '{USER}' FOR UPDATE NOWAIT").stderr
                if "could not obtain lock" in locked and psql(database, wait).stdout.strip() == "t":
                    return
                if not locked:
                    break
        os.kill(worker, signal.SIGCONT)
    raise AssertionError("never inside a transaction with the account's row")


class Writing:
    """Appends at a server until told to stop; each message of its own."""

    def __init__(self, server, first):
        self.server, self.next, self.stop = server, first, False
        self.acknowledged = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with Imap(self.server.port("imap"), USER, timeout=120) as imap:
            while not self.stop:
                number, self.next = self.next, self.next + 1
                tag = imap.begin(f"APPEND INBOX {{{len(message(number))}+}}")
                imap.send(message(number) + b"\r\n")
                if imap.end(tag)[0].startswith("OK"):
                    self.acknowledged.append(number)

    def end(self):
        self.stop = True
        self.thread.join(60)
        assert not self.thread.is_alive()


def test_the_row_of_a_frozen_server_is_free_after_20_seconds_and_the_other_goes_on(pair):
    a, b = pair
    database, worker = a.database, a.worker()
    writing = [Writing(a, n * 100000) for n in range(4)]
    wait_until(lambda: all(w.acknowledged for w in writing))
    freeze_with_the_row(worker, database)
    try:
        begun = time.monotonic()
        with Imap(b.port("imap"), USER) as imap, Smtp(b.port("smtp")) as other:
            imap.ok("SELECT INBOX")
            imap.ok("UID FETCH 1:10 (FLAGS ENVELOPE BODY.PEEK[])")
            read = time.monotonic() - begun
            assert other.mail("", ["user1@example.test"], message(1))[-1] == 250     # another account
            elsewhere = time.monotonic() - begun
            with Smtp(b.port("smtp"), timeout=120) as smtp:
                assert smtp.mail("", [f"{USER}@example.test"], message(999999))[-1] == 250
            written = time.monotonic() - begun
    finally:
        os.kill(worker, signal.SIGCONT)
    print(f"A is frozen with the account's row: B reads after {read:.2f} s, writes to another account after {elsewhere:.2f} s, to "
          f"this one after {written:.1f} s")
    assert elsewhere < 3 and IDLE_S - 5 < written < IDLE_S + 5
    before = [len(w.acknowledged) for w in writing]
    wait_until(lambda: all(len(w.acknowledged) > n for w, n in zip(writing, before)), 60, "A's own writers")
    for w in writing:
        w.end()
    with Imap(a.port("imap"), USER) as imap:
        imap.ok("SELECT INBOX")
        lines = imap.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    there = sorted(int(l.split("message ")[1].split()[0]) for l in lines if "Subject: message " in l)
    assert there == sorted([n for w in writing for n in w.acknowledged] + [999999])
    assert numbers(a.port("imap"), USER) == numbers(b.port("imap"), USER)
