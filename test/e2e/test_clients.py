"""Whole mail programs: mbsync, mutt, offlineimap, and Postfix's smtp-source."""
import os, pathlib, re, subprocess, time

import pytest

import server as servers
from clients import offlineimap_rc
from server import Imap, Smtp, make_dir, wait_until

SYNCED = 10_000


def run(*args, check=True, **more):
    done = subprocess.run([str(a) for a in args], text=True, capture_output=True, timeout=120, **more)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def message(number, subject="message"):
    return (f"From: a@example.net\r\nTo: b@example.test\r\nSubject: {subject} {number}\r\n"
            f"Message-ID: <{subject}.{number}@example.net>\r\n\r\nbody {number}\r\n").encode()


def fill(server, user, count, folder="INBOX"):
    """Appends the messages, a thousand in a command."""
    with Imap(server.port("imap"), user) as imap:
        for start in range(0, count, 1000):
            tag = imap.begin(f"APPEND {folder}")[:-1]
            imap.rest = b""
            parts = [b" {%d+}\r\n%s" % (len(m), m) for m in map(message, range(start, min(start + 1000, count)))]
            # begin() has ended the line: an APPEND without a message is refused, and the next is whole
            imap.line()
            imap.send(f"{tag}x APPEND {folder}".encode() + b"".join(parts) + b"\r\n")
            assert imap.end(f"{tag}x ")[0].startswith("OK")


def count(server, user, folder="INBOX"):
    with Imap(server.port("imap"), user) as imap:
        return int(re.search(r"MESSAGES (\d+)", imap.ok(f"STATUS {folder} (MESSAGES)")[0])[1])


# --- mbsync ---

def mbsync(config):
    """What was done: (far added, flagged, removed), (near added, flagged, removed)."""
    out = run("script", "-qec", f"mbsync -c {config} c", "/dev/null", stdin=subprocess.DEVNULL)  # counts on a terminal
    counts = re.findall(r"([FN]): \+(\d+)/\d+ \*(\d+)/\d+ #(\d+)/\d+", out)
    assert counts, out[-2000:]
    last = {side: (int(new), int(flags), int(gone)) for side, new, flags, gone in counts}
    return last["F"], last["N"]


def mbsync_config(server, user):
    """The path of the configuration; the mail is in mail/ beside it."""
    place = make_dir()
    (place / "mail").mkdir()
    config = place / "mbsyncrc"
    config.write_text(f"""
FSync no

IMAPAccount a
Host localhost
Port {server.port("imaps")}
User {user}
Pass horse
SSLType IMAPS
CertificateFile {server.dir}/cert.pem
AuthMechs PLAIN

IMAPStore far
Account a

MaildirStore near
Path {place}/mail/
Inbox {place}/mail/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
    return config


def test_mbsync_ten_thousand(shared, user):
    config = mbsync_config(shared, user)
    place = config.parent
    fill(shared, user, SYNCED)
    begun = time.monotonic()
    assert mbsync(config) == ((0, 0, 0), (SYNCED, 0, 0))
    first = time.monotonic() - begun
    begun = time.monotonic()
    assert mbsync(config) == ((0, 0, 0), (0, 0, 0))
    print(f"mbsync of {SYNCED} messages: {first:.1f} s, with nothing to do {time.monotonic() - begun:.2f} s")

    inbox = place / "mail" / "INBOX"
    files = sorted((inbox / "cur").iterdir()) + sorted((inbox / "new").iterdir())
    assert len(files) == SYNCED
    files[0].unlink()
    flagged = files[1]
    flagged.rename(inbox / "cur" / (flagged.name.split(":")[0] + ":2,FS"))
    (inbox / "new" / "1.local.host").write_bytes(message(0, "local").replace(b"\r\n", b"\n"))
    with Imap(shared.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        imap.ok("UID STORE 5000 +FLAGS (\\Answered)")
        imap.ok("UID STORE 6000:6009 +FLAGS (\\Deleted)")
        imap.ok("UID EXPUNGE 6000:6009")
    with Smtp(shared.port("smtp")) as smtp:
        assert smtp.mail("", [f"{user}@example.test"], message(1, "delivered"))[-1] == 250
    far, near = mbsync(config)
    assert far[:2] == (1, 2) and near[:2] == (1, 11)  # a removal counts as a flag
    assert mbsync(config) == ((0, 0, 0), (0, 0, 0))
    assert count(shared, user) == SYNCED - 1 - 10 + 2
    with Imap(shared.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        assert len(re.findall(r"\d+", imap.ok("SEARCH FLAGGED")[0])) == 1
        assert len(re.findall(r"\d+", imap.ok("SEARCH SUBJECT \"local 0\"")[0])) == 1


# --- a raise of UIDVALIDITY ---

def convert(server, *args):
    return run(servers.BINARY, "--dir", server.dir, "convert", *args)


def test_mbsync_notices_a_raise_and_nothing_without_a_root(own):
    own.start()
    config = mbsync_config(own, "alice")
    fill(own, "alice", 50)
    assert mbsync(config) == ((0, 0, 0), (50, 0, 0))

    def sync():
        return run("mbsync", "-c", config, "c")
    convert(own, "-e-", "alice")
    assert "UIDVALIDITY stays" in convert(own, "-e", "alice")
    assert "UIDVALIDITY" not in sync()
    own.set(imap_uidvalidity_root=3)
    assert "UIDVALIDITY" not in sync()  # accounts that are there do not take it by themselves
    convert(own, "-e-", "alice")
    convert(own, "-e", "alice")
    # It pairs what it has with what is there by Message-ID, so it need not download the bodies again.
    assert sync().count("change of UIDVALIDITY") == 6  # each folder
    assert "UIDVALIDITY" not in sync()
    assert mbsync(config) == ((0, 0, 0), (0, 0, 0))


# --- mutt ---

def test_mutt_sends_and_reads(shared, user):
    place = make_dir()
    rc, copy = place / "muttrc", place / "copy"
    rc.write_text(f"""
set from={user}@example.test use_envelope_from=yes
set smtp_url=smtp://{user}@localhost:{shared.port("submission")}/ smtp_pass=horse smtp_authenticators=plain
set imap_user={user} imap_pass=horse ssl_starttls=yes ssl_force_tls=yes certificate_file={shared.dir}/cert.pem
set copy=no mbox_type=mbox confirmappend=no confirmcreate=no move=no record="" wait_key=no
set postponed={place}/postponed delete=no sleep_time=0
unset mark_old
""")
    env = {**os.environ, "HOME": str(place), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    run("mutt", "-n", "-F", rc, "-s", "sent by mutt", "-b", f"{user}+hidden@example.test", "--",
        f"{user}@example.test", input="Hello.\n", env=env, cwd=place)
    keys = f"<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{copy}<enter><exit>"
    run("script", "-qec", f"mutt -n -F {rc} -e 'push {keys}' -f imap://localhost:{shared.port('imap')}/INBOX",
        "/dev/null", env=env, cwd=place, stdin=subprocess.DEVNULL)
    text = copy.read_text()
    assert text.count("Subject: sent by mutt") == 1  # one copy, though two addresses were named
    assert "Hello." in text and "with ESMTPSA" in text and "hidden" not in text


# --- offlineimap ---

def test_offlineimap_both_ways(shared, user):
    place = make_dir()
    config = place / "rc"
    config.write_text(offlineimap_rc(place, shared.port("imap"), user))
    with Imap(shared.port("imap"), user) as imap:
        imap.ok("CREATE Work")
    fill(shared, user, 200)
    fill(shared, user, 30, "Work")
    run("offlineimap", "-o", "-c", config)
    inbox = place / "mail" / "INBOX"

    def files():
        return sorted(p for d in ("cur", "new") for p in (inbox / d).iterdir())
    assert len(files()) == 200 and sum(1 for d in ("cur", "new") for _ in (place / "mail" / "Work" / d).iterdir()) == 30
    files()[0].unlink()
    (inbox / "new" / "1.local.host:2,").write_bytes(message(0, "local").replace(b"\r\n", b"\n"))
    with Imap(shared.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        imap.ok("UID STORE 100:104 +FLAGS (\\Deleted)")
        imap.ok("EXPUNGE")
        imap.ok("UID STORE 150 +FLAGS (\\Flagged)")
    for _ in range(2):
        run("offlineimap", "-o", "-c", config)
        assert count(shared, user) == len(files()) == 200 - 1 + 1 - 5
    assert sum("F" in p.name.split(":2,")[-1] for p in files()) == 1


# --- smtp-source ---

@pytest.mark.parametrize("port", ["smtp", "lmtp"])
def test_smtp_source_loses_nothing(shared, user, port):
    sent = 600
    run("smtp-source", "-s", "20", "-m", sent, "-l", "5000", "-c", *(["-L"] if port == "lmtp" else []),
        "-f", "a@example.net", "-t", f"{user}@example.test", f"inet:127.0.0.1:{shared.port(port)}", cwd="/tmp")
    assert count(shared, user) == sent
    with Imap(shared.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        sizes = [int(n) for n in re.findall(r"RFC822.SIZE (\d+)", " ".join(imap.ok("FETCH 1:* RFC822.SIZE")))]
    assert len(sizes) == sent and min(sizes) > 5000
