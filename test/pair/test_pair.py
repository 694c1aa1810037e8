"""Two servers on one PostgreSQL are one to their clients: whoever moves to the other one downloads nothing again."""
import collections, json, os, pathlib, queue, re, signal, subprocess, threading, time

import pytest

import processes
from clients import offlineimap_rc
from pairing import fill, message, numbers
from server import Imap, Smtp, make_dir, wait_until

COUNT = 2000
IMAPFLOW = pathlib.Path(__file__).resolve().parent.parent / "node" / "imapflow.mjs"


def uids_of(commands, count):
    """All UIDs that these FETCH commands name."""
    named = set()
    for command in commands:
        found = re.match(rb"UID FETCH (\S+)", command, re.I)
        for part in found[1].decode().split(",") if found else ():
            first, _, last = part.partition(":")
            named |= set(range(int(first), (count if last == "*" else int(last or first)) + 1))
    return named


def sync_through_a_kill(pair, proxy, client, count=COUNT, ends=True, lost=False):
    """The client downloads from A, which is killed in the middle, then from B. ends: it does by itself where its
    connection is cut; otherwise somebody ends it. lost: so is what the kernel had yet to send. Gives the UIDs that the cut commands were for, and those of them
    that came again."""
    a, b = pair
    due, killed = threading.Event(), threading.Event()

    def on_body(bodies):
        if bodies >= count // 3 and not killed.is_set():
            due.set()
            killed.wait(60)     # what is under way stays under way
            proxy.lost = a.port("imap") if lost else None
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
    return cut, again


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


# --- imapflow, of npm ---

def imapflow(what, proxy, user, place, *more, **options):
    return start("node", IMAPFLOW, what, proxy.port, user, place, *more, **options)


def read_mail(place):
    """What imapflow.mjs has kept: the mailbox's numbers, and each message's flags."""
    kept = json.loads((place / "list.json").read_text())
    return ([kept[name] for name in ("uidValidity", "uidNext", "highestModseq")],
            {int(uid): tuple(flags) for uid, flags in kept["flags"].items()})


def flags_of(those):
    return {uid: flags for uid, _, flags in those}


def test_imapflow_moves_to_the_other_server(pair, proxy):
    count, place, other = 600, make_dir(), make_dir()
    fill(pair[0].port("imap"), "user6", count, lines=100)
    before = numbers(pair[0].port("imap"), "user6")
    cut, twice = sync_through_a_kill(pair, proxy, lambda: imapflow("sync", proxy, "user6", place), count, lost=True)
    moved = proxy.bytes
    assert cut == set(range(181, 241)), sorted(cut)     # 60 bodies a command; the 200th had come
    assert numbers(pair[1].port("imap"), "user6") == before
    assert read_mail(place) == (before[0], flags_of(before[1]))
    assert len(list(place.glob("*.eml"))) == count
    # beside one that nothing happens to: what came twice, the body that was cut, being greeted once more for each connection;
    # and \Recent, which is told once
    proxy.clear()
    end(imapflow("sync", proxy, "user6", other))
    whole = proxy.bytes
    assert all((place / f"{uid}.eml").read_bytes() == (other / f"{uid}.eml").read_bytes() for uid in range(1, count + 1))
    proxy.clear()
    end(imapflow("sync", proxy, "user6", other))
    again, a_body = proxy.bytes, whole // count
    print(f"{moved} bytes through the kill, {whole} without it, {again} for nothing new")
    assert proxy.bodies == [] and again < 4000
    assert moved <= whole + (len(twice) + 1) * a_body + 3 * again + count * len("\\Recent")


def test_imapflow_learns_at_b_what_was_changed_at_a_and_a_what_it_changed(pair, proxy):
    """By QRESYNC: nothing comes but the changes; and its STORE is with UNCHANGEDSINCE."""
    a, b = pair
    place = make_dir()
    fill(a.port("imap"), "user7", 300)
    proxy.target = a.port("imap")
    end(imapflow("sync", proxy, "user7", place))
    with Imap(a.port("imap"), "user7") as imap:
        imap.ok("SELECT INBOX")
        imap.ok("UID STORE 100,200 +FLAGS (\\Flagged kept)")
        imap.ok("UID STORE 7,9 +FLAGS (\\Deleted)")
        imap.ok("EXPUNGE")
        imap.append("INBOX", message(301))
    proxy.clear()
    proxy.target = b.port("imap")
    end(imapflow("sync", proxy, "user7", place))
    print(f"4 changes and 1 message: {proxy.bytes} bytes")
    assert proxy.bodies == [(b.port("imap"), 301)] and proxy.bytes < 4000
    there = numbers(a.port("imap"), "user7")
    assert read_mail(place) == (there[0], flags_of(there[1]))
    assert not {7, 9} & set(read_mail(place)[1]) and {p.name for p in place.glob("[79].eml")} == set()
    end(imapflow("sync", proxy, "user7", place, 50))
    assert flags_of(numbers(a.port("imap"), "user7")[1])[50] == ("\\Flagged",)


def test_imapflow_idles_at_one_server_and_hears_of_the_other_also_after_a_kill(pair, proxy):
    a, b = pair
    fill(a.port("imap"), "user8", 3)
    proxy.target = a.port("imap")
    client = Idling(proxy, "user8")

    def deliver(server, subject):
        begun = time.monotonic()
        with Smtp(server.port("smtp")) as smtp:
            assert smtp.mail("", ["user8@example.test"], message(0, subject))[-1] == 250
        heard = client.next()
        return heard["count"], heard["uid"], heard["subject"], time.monotonic() - begun
    try:
        opened = client.next()["opened"]
        client.await_idle(a)
        count, uid, subject, took = deliver(b, "first")
        assert (count, uid, subject) == (4, 4, "first 0")
        client.await_idle(a)
        with Imap(b.port("imap"), "user8") as imap:
            imap.ok("SELECT INBOX")
            imap.ok("UID STORE 2 +FLAGS (\\Flagged)")
        heard = client.next()
        assert heard["uid"] == 2 and "\\Flagged" in heard["flags"]
        proxy.target = b.port("imap")
        a.kill()
        assert client.next() == {"ended": True}
        moved = client.next()["opened"]
        assert moved["uidValidity"] == opened["uidValidity"] and moved["exists"] == 4
        a.start()
        client.await_idle(b)
        count, uid, subject, again = deliver(a, "second")
        assert (count, uid, subject) == (5, 5, "second 0")
        print(f"delivered at the other server until imapflow has it: {took * 1000:.0f} and {again * 1000:.0f} ms")
    finally:
        client.end()


class Idling:
    """imapflow.mjs idle and what it says."""

    def __init__(self, proxy, user):
        self.proxy = proxy
        self.process = subprocess.Popen(["node", str(IMAPFLOW), "idle", str(proxy.port), user, "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def next(self):
        line = self.lines.get(timeout=30)
        assert line.startswith(b"{"), [line, *self.lines.queue]
        return json.loads(line)

    def await_idle(self, server):
        wait_until(lambda: any(command.upper() == b"IDLE" for stream in self.proxy.streams if stream.port == server.port("imap")
                               for command in list(stream.open.values())), what="IDLE")

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
