"""PostgreSQL is away: an IMAP command is held and then right, or answered NO [UNAVAILABLE]; its session goes on."""
import re, signal, socket, threading, time

import pytest

from pairing import message, two_servers
from server import PASSWORD, Imap, Smtp, wait_until

COUNT = 5       # messages of each account
HOLD_S = 5      # store_retry_ms where it is to run out
SLACK_S = 4     # less than another hold

# What needs the store, and has no effect twice.
NEED = ["UID FETCH 1:* (ENVELOPE)", "UID FETCH 1:* (BODY.PEEK[])", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
        "FETCH 1:* (BODYSTRUCTURE BODY.PEEK[1])", "UID STORE 1 +FLAGS (\\Flagged new)", "UID STORE 2 FLAGS.SILENT (\\Seen)",
        "SEARCH TEXT body", "UID SEARCH RETURN (COUNT) LARGER 1", "STATUS INBOX (MESSAGES UIDNEXT HIGHESTMODSEQ)",
        "LIST \"\" *", "LSUB \"\" *", "LIST \"\" * RETURN (STATUS (MESSAGES))", "SUBSCRIBE INBOX", "EXPUNGE", "EXAMINE INBOX",
        "SELECT INBOX", "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)"]
# What changes something each time: where a commit was cut it is answered NO and may have been done.
ONCE = ["UID COPY 1 Trash", "UID MOVE 2 Trash", "CREATE made", "DELETE other", "RENAME other moved", "APPEND", "CLOSE"]
# What the session knows by itself.
KNOWN = ["NOOP", "CHECK", "CAPABILITY", "NAMESPACE", "ID NIL", "UID FETCH 1:* (FLAGS)", "UID SEARCH ALL", "UID SEARCH UNDELETED",
         "UNSELECT", "LOGOUT"]
COMMANDS = NEED + ONCE + KNOWN
ACCOUNTS = [f"account{n}" for n in range(len(COMMANDS))]


def serve(retry_ms, accounts):
    """A has a spool; B has none, and says what the store says."""
    yield from two_servers(accounts, {"spool": "yes", "store_retry_ms": retry_ms}, {"spool": "no", "store_retry_ms": retry_ms})


@pytest.fixture
def patient():
    yield from serve(30000, ACCOUNTS)


@pytest.fixture
def hasty():
    yield from serve(HOLD_S * 1000, ACCOUNTS)


@pytest.fixture
def few():
    yield from serve(HOLD_S * 1000, ACCOUNTS[:2])


def flags_of(imap):
    """UID -> flags, without \\Recent, which is one session's."""
    return {int(re.search(r"UID (\d+)", l)[1]): sorted(set(re.search(r"FLAGS \(([^)]*)\)", l)[1].split()) - {"\\Recent"})
            for l in imap.ok("UID FETCH 1:* (UID FLAGS)") if " FETCH " in l}


class Session:
    """One command's session, on an account of its own with COUNT messages, the last of them to be expunged."""

    def __init__(self, server, account, command):
        self.server, self.account, self.command = server, account, command
        self.answer, self.lines, self.took, self.why = "", [], 0.0, None
        self.imap = Imap(server.port("imap"), account)
        for name in ("Trash", "other"):
            self.imap.command(f"CREATE {name}")
        self.imap.ok("ENABLE QRESYNC")
        self.imap.ok("SELECT INBOX")
        for n in range(COUNT):
            assert self.imap.append("INBOX", message(n), "(kept)")[0].startswith("OK")
        self.imap.ok("NOOP")
        self.imap.ok(f"STORE {COUNT} +FLAGS (\\Deleted)")
        self.flags = flags_of(self.imap)

    def run(self):
        begun = time.monotonic()
        try:
            if self.command == "APPEND":
                tag = self.imap.begin(f"APPEND INBOX {{{len(message(99))}+}}")
                self.imap.send(message(99) + b"\r\n")
                self.answer, self.lines = self.imap.end(tag)
            else:
                self.answer, self.lines = self.imap.command(self.command)
        except Exception as why:     # pylint: disable=broad-except
            self.why = why
        self.took = time.monotonic() - begun

    def faults(self):
        """What was wrong with an answer in an outage."""
        ok, text = self.answer.startswith("OK"), "\n".join(self.lines)
        wrong = self.why or not (ok or self.answer.startswith("NO [UNAVAILABLE]")) or \
            re.search(r"\] NIL|FETCH \(\)|^\S+ BAD", text, re.M) or \
            re.search(r"^\* BYE", text, re.M) and self.command != "LOGOUT" or \
            re.search(r"EXPUNGE$|VANISHED", text, re.M) and not ok
        return [f"{self.server.name} {self.command}: {self.answer or self.why!r} after {self.took:.1f} s {self.lines[:3]}"] \
            if wrong else []


def run_all(sessions):
    threads = [threading.Thread(target=s.run, daemon=True) for s in sessions]
    for thread in threads:
        thread.start()
    return threads


def await_all(threads, seconds):
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    assert not any(t.is_alive() for t in threads), "commands without an answer"


def open_sessions(pair):
    return [Session(pair[n % 2], ACCOUNTS[n], command) for n, command in enumerate(COMMANDS)]


def check_after(sessions):
    """Sessions that were not to end go on, and see what is stored."""
    for s in sessions:
        if s.command == "LOGOUT":
            continue
        if s.command in ("CLOSE", "UNSELECT", "SELECT INBOX", "EXAMINE INBOX"):
            s.imap.ok("EXAMINE INBOX")
        stored = flags_of(s.imap)
        with Imap(s.server.port("imap"), s.account) as fresh:
            fresh.ok("EXAMINE INBOX")
            assert flags_of(fresh) == stored, s.command
        gone = {"EXPUNGE": 1, "CLOSE": 1, "UID MOVE 2 Trash": 1, "APPEND": -1}.get(s.command, 0)
        left = COUNT - gone if s.answer.startswith("OK") else COUNT
        assert len(stored) == left, (s.command, s.answer, stored)
        if "STORE" not in s.command:
            assert all(stored[uid] == flags for uid, flags in s.flags.items() if uid in stored), (s.command, s.flags, stored)


def test_commands_of_a_short_outage_are_held_and_then_right(patient):
    sessions, database = open_sessions(patient), patient[0].database
    database.stop(signal.SIGQUIT)
    threads = run_all(sessions)
    held = [t for t, s in zip(threads, sessions) if s.command not in KNOWN]
    time.sleep(1)    # the outage's length
    early = [s for t, s in zip(threads, sessions) if t in held and not t.is_alive()]
    assert not early, [(s.command, s.answer) for s in early]
    database.start()
    await_all(threads, 20)
    wrong = [f for s in sessions for f in s.faults()] + [f"{s.command}: {s.answer}" for s in sessions if s.answer[:2] != "OK"]
    assert not wrong, "\n".join(wrong)
    check_after(sessions)
    print(f"held: {len(held)} commands, the longest {max(s.took for s in sessions):.1f} s")


def test_commands_of_an_outage_longer_than_the_hold_are_told_unavailable_and_sessions_go_on(hasty):
    servers, sessions, database = hasty, open_sessions(hasty), hasty[0].database
    database.stop(signal.SIGQUIT)
    threads = run_all(sessions)
    with Imap(servers[0].port("imap"), timeout=20) as imap:
        begun = time.monotonic()
        imap.ok(f"LOGIN {ACCOUNTS[0]} {PASSWORD}")      # the directory is known
        logged_in = time.monotonic() - begun
    with Smtp(servers[1].port("smtp")) as smtp:
        codes = smtp.mail("a@example.net", [f"{ACCOUNTS[0]}@example.test"], message(1000))
        assert 400 <= codes[-1] < 504 and any(400 <= c < 500 for c in codes), codes
    with Smtp(servers[0].port("smtp")) as smtp:
        assert smtp.mail("a@example.net", [f"{ACCOUNTS[-1]}@example.test"], message(1001))[-1] == 250
    await_all(threads, 60)
    database.start()
    wrong = [f for s in sessions for f in s.faults()]
    wrong += [f"{s.command}: {s.answer}, PostgreSQL being away" for s in sessions
              if s.command not in KNOWN and not s.answer.startswith("NO [UNAVAILABLE]")]
    wrong += [f"{s.command}: held for {s.took:.1f} s, set were {HOLD_S} s" for s in sessions if s.took > HOLD_S + SLACK_S]
    assert not wrong, "\n".join(wrong)
    assert logged_in < SLACK_S
    for server in servers:
        wait_until(lambda s=server: Imap(s.port("imap"), ACCOUNTS[0]).command("STATUS INBOX (MESSAGES)")[0].startswith("OK"))
    wait_until(lambda: "MESSAGES 6" in str(Imap(servers[1].port("imap"), ACCOUNTS[-1]).ok("STATUS INBOX (MESSAGES)")), 20,
               "what was taken into A's spool")
    check_after([s for s in sessions if s.account != ACCOUNTS[-1]])
    said = sum(s.answer.startswith("NO [UNAVAILABLE]") for s in sessions)
    print(f"NO [UNAVAILABLE]: {said} of {len(sessions)} commands, the slowest answer after {max(s.took for s in sessions):.1f} s, "
          f"the hold is {HOLD_S} s")


def test_a_fetch_that_is_cut_in_the_middle_sends_no_nil_and_marks_only_what_it_sent(few):
    """300 bodies of 20 KB: the client stops reading, PostgreSQL goes, the client reads on."""
    count, account = 300, ACCOUNTS[1]
    server, database = few[0], few[0].database
    with Imap(server.port("imap"), account) as imap:
        imap.ok("CREATE big")
        for start in range(0, count, 100):
            parts = b"".join(b" {%d+}\r\n%s" % (len(t), t) for t in
                             (message(n, more=(b"y" * 76 + b"\r\n") * 256) for n in range(start, start + 100)))
            imap.send(b"fill APPEND big" + parts + b"\r\n")
            assert imap.end("fill ")[0].startswith("OK")
    imap = Imap(server.port("imap"), account, timeout=60)
    imap.ok("SELECT big")
    imap.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    tag = imap.begin("FETCH 1:* (FLAGS BODY[])")
    first = imap.whole_line()
    database.stop(signal.SIGQUIT)
    begun = time.monotonic()
    answer, lines = imap.end(tag)
    took = time.monotonic() - begun
    sent = {int(l.split()[1]) for l in [first, *lines] if "\r\nbody " in l}
    wrong = [l[:80] for l in lines if " NIL" in l or "FETCH ()" in l]
    database.start()
    print(f"{len(sent)} of {count} bodies were sent before; then {answer!r} after {took:.1f} s")
    assert answer.startswith("NO [UNAVAILABLE]") and not wrong and 0 < len(sent) < count, (answer, wrong[:3], len(sent))
    assert took < HOLD_S + SLACK_S
    seen = wait_until(lambda: (imap.command("STATUS big (MESSAGES UNSEEN)")[1] or [None])[0])
    assert f"MESSAGES {count}" in seen and int(re.search(r"UNSEEN (\d+)", seen)[1]) >= count - len(sent), seen
    again = imap.ok("FETCH 1:* (BODY[])")
    assert sum("\r\nbody " in l for l in again) == count
    imap.close()


def test_idle_goes_on_through_an_outage_and_hears_of_what_comes_after(few):
    a, b = few
    with Imap(b.port("imap"), ACCOUNTS[0]) as imap, Smtp(a.port("smtp"), timeout=60) as smtp:
        imap.ok("SELECT INBOX")
        imap.send("i IDLE\r\n")
        assert imap.line().startswith("+")
        a.database.stop(signal.SIGQUIT)
        wait_until(lambda: b.events("store_failed"), what="that B notices")
        a.database.start()
        begun = time.monotonic()
        for n in range(3):
            assert smtp.mail("", [f"{ACCOUNTS[0]}@example.test"], message(n))[-1] == 250
        heard = []
        while "* 3 EXISTS" not in heard:
            heard.append(imap.line(20))
        print(f"IDLE heard of what was delivered after the outage {time.monotonic() - begun:.1f} s after its end")
        imap.send("DONE\r\n")
        assert imap.end("i ")[0].startswith("OK")
        assert not [l for l in heard if not re.match(r"\* (\d+ (EXISTS|RECENT|FETCH)|OK)", l)], heard
