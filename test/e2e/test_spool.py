"""While PostgreSQL is away mail is taken all the same, and is in the mailboxes once when it is back."""
import os, pathlib, re, signal, subprocess, sys, threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from server import BINARY, Imap, Server, Smtp, wait_until


@pytest.fixture
def server():
    server = Server(store="postgres")
    server.start()
    server.set(store_retry_ms="1 s")
    yield server
    server.stop()
    server.remove()


def send(server, number, rcpts=("bob@example.test",), body=b"x", lmtp=False):
    with Smtp(server.port("lmtp" if lmtp else "smtp"), greet="LHLO" if lmtp else "EHLO") as smtp:
        return smtp.mail("a@example.net", rcpts, b"Subject: spool %d\r\n\r\n%s\r\n" % (number, body), lmtp)


def subjects(server, user):
    with Imap(server.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        text = "".join(str(l) for l in imap.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
    return sorted(int(n) for n in re.findall(r"Subject: spool (\d+)", text))


def test_mail_is_taken_while_postgres_is_away_and_stored_once(server):
    assert send(server, 0)[-1] == 250
    server.pg_ctl("stop", "-m", "immediate")
    for n in range(1, 30):
        assert send(server, n, ("bob@example.test", "carol@example.test"))[-1] == 250
    assert send(server, 30, body=b"y" * 3_000_000)[-1] == 250
    with Smtp(server.port("smtp")) as smtp:  # refusals stay true
        smtp.command("MAIL FROM:<a@example.net>")
        assert smtp.command("RCPT TO:<nobody@example.test>")[0] == 550
    server.pg_ctl("restart")
    wait_until(lambda: len(subjects(server, "bob")) >= 31, 60, "the spool to be moved")
    assert subjects(server, "bob") == list(range(31))
    assert subjects(server, "carol") == list(range(1, 30))
    check = subprocess.run([BINARY, "store", "check", "--dir", str(server.dir)], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout


def test_a_killed_worker_moves_what_the_last_one_spooled(server):
    server.pg_ctl("stop", "-m", "immediate")
    for n in range(10):
        assert send(server, n)[-1] == 250
    server.pg_ctl("restart")
    os.kill(server.worker(), signal.SIGKILL)
    wait_until(lambda: len(subjects(server, "bob")) >= 10, 60, "the spool to be moved")
    assert subjects(server, "bob") == list(range(10))


def test_a_database_that_crashes_under_load_neither_loses_nor_doubles(server):
    acknowledged, refused = [], []
    stop = threading.Event()

    def sender(first):
        number = first
        while not stop.is_set():
            try:
                told = send(server, number, lmtp=first % 200000 == 0)[-1]
                (acknowledged if told == 250 else refused).append(number)
            except OSError:
                pass
            number += 1

    threads = [threading.Thread(target=sender, args=(n * 100000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 50, 60, "mail to flow")
        server.pg_ctl("restart", "-m", "immediate")
    stop.set()
    for thread in threads:
        thread.join()
    wait_until(lambda: set(acknowledged) <= set(subjects(server, "bob")), 60, "all mail to be stored")
    stored = subjects(server, "bob")
    assert len(stored) == len(set(stored))
    assert not set(refused) & set(stored)
