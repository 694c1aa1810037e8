"""Two servers on one PostgreSQL are one to their clients: whoever moves to the other one downloads nothing again."""
import collections, os, re, signal, subprocess, threading, time

import pytest

import processes
from clients import offlineimap_rc
from pairing import fill, message, numbers
from server import Imap, Smtp, make_dir, wait_until

COUNT = 2000


def uids_of(commands, count):
    """All UIDs that these FETCH commands name."""
    named = set()
    for command in commands:
        found = re.match(rb"UID FETCH (\S+)", command, re.I)
        for part in found[1].decode().split(",") if found else ():
            first, _, last = part.partition(":")
            named |= set(range(int(first), (count if last == "*" else int(last or first)) + 1))
    return named


def sync_through_a_kill(pair, proxy, client, count=COUNT, ends=True):
    """The client downloads from A, which is killed in the middle, then from B. ends: it does by itself where its
    connection is cut; otherwise somebody ends it."""
    a, b = pair
    due, killed = threading.Event(), threading.Event()

    def on_body(bodies):
        if bodies >= count // 3:
            due.set()
            killed.wait(60)     # what is under way stays under way
    proxy.on_body = on_body
    proxy.target = a.port("imap")
    running = client()
    assert due.wait(60), "the client downloads nothing"
    proxy.target = b.port("imap")
    a.kill()
    killed.set()
    if not ends:
        wait_until(lambda: proxy.open == 0, what="the cut connection's end")
        for pid in processes.tree(running.pid):
            if pid != running.pid:
                os.kill(pid, signal.SIGTERM)
    end(running)
    end(client())
    cut = uids_of(proxy.cut_commands(a.port("imap")), count)
    times = collections.Counter(uid for _, uid in proxy.bodies)
    first = {uid for port, uid in proxy.bodies if port == a.port("imap")}
    again = {uid for uid, came in times.items() if came > 1}
    assert set(times) == set(range(1, count + 1)) and count // 3 <= len(first) < count
    print(f"{len(first)} of {count} bodies came from A ({proxy.bytes} bytes from both); the commands that were cut were for "
          f"{len(cut)} bodies, downloaded again: {len(again)}")
    assert again <= cut, sorted(again - cut)[:20]


def end(process):
    """A client's end, whatever it thinks of it."""
    try:
        process.communicate(timeout=150)
    except subprocess.TimeoutExpired as why:
        process.kill()
        raise AssertionError(f"it does not end: {why.output[-1500:]}")


def start(*args, **more):
    return subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, **more)


# --- the same numbers ---

def test_both_serve_the_same_numbers(pair):
    a, b = pair
    fill(a.port("imap"), "user0", 20)
    assert numbers(a.port("imap"), "user0") == numbers(b.port("imap"), "user0")
    for n, server in enumerate((a, b, a, b)):
        with Smtp(server.port("smtp")) as smtp:
            assert smtp.mail("", ["user0@example.test"], message(n, "delivered"))[-1] == 250
        with Imap(server.port("imap"), "user0") as imap:
            imap.ok("SELECT INBOX")
            imap.ok(f"UID STORE {n + 1} +FLAGS (\\Flagged kept{n})")
            imap.ok(f"UID STORE {n + 11} +FLAGS (\\Deleted)")
            imap.ok("EXPUNGE")
            imap.ok(f"CREATE made{n}")
    theirs = [[numbers(s.port("imap"), "user0", f) for f in ("INBOX", "made0", "made1", "made2", "made3")]
              for s in pair]
    assert theirs[0] == theirs[1] and len(theirs[0][0][1]) == 20


def test_qresync_at_b_brings_the_changes_made_at_a_and_no_more(pair):
    a, b = pair
    fill(a.port("imap"), "user1", COUNT)
    (validity, _, modseq), _ = numbers(b.port("imap"), "user1")
    with Imap(a.port("imap"), "user1") as imap:
        imap.ok("SELECT INBOX")
        imap.ok("UID STORE 100,500 +FLAGS (\\Flagged)")
        imap.ok("UID STORE 7,9 +FLAGS (\\Deleted)")
        imap.ok("EXPUNGE")
    with Imap(b.port("imap"), "user1") as imap:
        imap.ok("ENABLE QRESYNC")
        lines = imap.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
    said = sum(len(line) + 2 for line in lines)
    print(f"QRESYNC of {COUNT} messages with 4 changes: {said} bytes")
    assert sorted(int(re.search(r"UID (\d+)", l)[1]) for l in lines if " FETCH " in l) == [100, 500]
    assert [l for l in lines if l.startswith("* VANISHED")] == ["* VANISHED (EARLIER) 7,9"]
    assert said < 2000


def test_idle_at_b_hears_of_what_comes_to_a_within_a_second(pair):
    a, b = pair
    took = []
    with Imap(b.port("imap"), "user2") as imap, Smtp(a.port("smtp")) as smtp:
        imap.ok("SELECT INBOX")
        for n in range(1, 6):
            imap.send(f"i{n} IDLE\r\n")
            assert imap.line().startswith("+")
            begun = time.monotonic()
            assert smtp.mail("", ["user2@example.test"], message(n))[-1] == 250
            while imap.line(10) != f"* {n} EXISTS":
                pass
            took.append(time.monotonic() - begun)
            imap.send("DONE\r\n")
            imap.end(f"i{n} ")
    print(f"delivered at A until EXISTS at B: worst of {len(took)} {max(took) * 1000:.0f} ms")
    assert max(took) < 1


# --- clients nobody here wrote, whose server is killed in the middle ---

def test_mbsync_moves_to_the_other_server(pair, proxy):
    place = make_dir()
    (place / "mail").mkdir()
    config = place / "mbsyncrc"
    config.write_text(f"""
IMAPAccount a
Host localhost
Port {proxy.port}
User user3
Pass horse
SSLType None
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
Path {place}/mail/
Inbox {place}/mail/INBOX

Channel c
Far :far:
Near :near:
Create Near
Sync Pull
SyncState *
""")
    fill(pair[0].port("imap"), "user3", COUNT)
    before = numbers(pair[0].port("imap"), "user3")
    sync_through_a_kill(pair, proxy, lambda: start("mbsync", "-c", config, "c"))
    assert numbers(pair[1].port("imap"), "user3") == before
    files = [p for d in ("cur", "new") for p in (place / "mail" / "INBOX" / d).iterdir()]
    assert len(files) == COUNT


def test_offlineimap_moves_to_the_other_server(pair, proxy):
    place = make_dir()
    config = place / "rc"
    config.write_text(offlineimap_rc(place, proxy.port, "user4"))
    count = 300     # it takes its time
    fill(pair[0].port("imap"), "user4", count)
    before = numbers(pair[0].port("imap"), "user4")[0]
    sync_through_a_kill(pair, proxy, lambda: start("offlineimap", "-o", "-c", config), count)
    assert numbers(pair[1].port("imap"), "user4")[0] == before
    files = [p for d in ("cur", "new") for p in (place / "mail" / "INBOX" / d).iterdir()]
    assert len(files) == count


def test_mutt_moves_to_the_other_server(pair, proxy):
    place = make_dir()
    rc, copy = place / "muttrc", place / "copy"
    (place / "bodies").mkdir()
    rc.write_text(f"""
set imap_user=user5 imap_pass=horse ssl_starttls=no ssl_force_tls=no imap_authenticators=login
set header_cache={place}/headers message_cachedir={place}/bodies imap_qresync=yes imap_condstore=yes
set copy=no mbox_type=mbox confirmappend=no confirmcreate=no move=no record="" wait_key=no delete=no
set tmpdir={place} sleep_time=0 mail_check=1 timeout=1 quit=yes folder={place}
unset mark_old
""")
    env = {**os.environ, "HOME": str(place), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    keys = f"<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{copy}<enter><exit>"

    def mutt():
        copy.unlink(missing_ok=True)
        return start("script", "-qec", f"mutt -n -F {rc} -e 'push {keys}' -f imap://localhost:{proxy.port}/INBOX",
                     "/dev/null", env=env, cwd=place)
    count = 600
    fill(pair[0].port("imap"), "user5", count)
    before = numbers(pair[0].port("imap"), "user5")[0]
    sync_through_a_kill(pair, proxy, mutt, count, ends=False)
    assert numbers(pair[1].port("imap"), "user5")[0][:2] == before[:2]
