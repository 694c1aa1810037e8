"""Out of office: who is told, what, and how often; kill -9 loses and doubles no reply."""
import email, email.policy, itertools, threading

import pytest
from peer import Peer
from server import Closed, Imap, Smtp, wait_until
from test_ctl import Ctl, DATAERR, NOUSER, USAGE

DOMAIN = "example.test"
numbers = itertools.count(1)


def send(server, sender, rcpt, header="", kind="smtp"):
    """One message; gives its Message-ID."""
    ident = f"<oof{next(numbers)}@test.example>"
    data = (f"Message-ID: {ident}\r\nFrom: <{sender}>\r\nTo: {rcpt}\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n{header}"
            f"\r\nHello.\r\n").encode()
    with Smtp(server.port(kind), "LHLO" if kind == "lmtp" else "EHLO") as smtp:
        codes = smtp.mail(sender, [rcpt], data, lmtp=kind == "lmtp")
    assert codes[-1] == 250, codes
    return ident


def replies(server, user):
    """The automatic replies in the INBOX, parsed."""
    with Imap(server.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        found = []
        for uid in imap.ok("UID SEARCH HEADER Auto-Submitted auto-replied")[0].split()[2:]:
            tag = imap.begin(f"UID FETCH {uid} BODY.PEEK[]")
            raw = b""
            line = imap.line()
            size = int(line[line.rindex("{") + 1:-1])
            raw = imap.read(size)
            imap.end(tag)
            found.append(email.message_from_bytes(raw, policy=email.policy.default))
        return found


def text_of(reply):
    return reply.get_content().replace("\r\n", "\n")


def await_replies(server, user, count):
    return wait_until(lambda: (lambda found: found if len(found) >= count else None)(replies(server, user)),
                      what=f"{count} replies for {user}")


def test_people_here_are_told_once_and_anew_with_another_text(shared, user, user2):
    ctl = Ctl(shared)
    ctl.run("oof", "set", user, "--inside", "Ich bin müde.\nBis Montag.")
    first = send(shared, f"{user2}@{DOMAIN}", f"{user}@{DOMAIN}", header="References: <0@x.test>\r\n")
    [reply] = await_replies(shared, user2, 1)
    assert reply["To"].addresses[0].addr_spec == f"{user2}@{DOMAIN}"
    assert reply["From"].addresses[0].addr_spec == f"{user}@{DOMAIN}"
    assert reply["Subject"] == "Automatic reply: Grüße" and reply["Return-Path"] == "<>"
    assert reply["In-Reply-To"] == first and reply["References"] == f"<0@x.test> {first}"
    assert reply["Auto-Submitted"] == "auto-replied" and reply["Precedence"] is None
    assert reply.get_content_type() == "text/plain" and text_of(reply) == "Ich bin müde.\nBis Montag.\n"
    send(shared, f"{user2}@{DOMAIN}", f"{user}@{DOMAIN}")
    ctl.run("oof", "set", user, "--inside", "Another text.")
    send(shared, f"{user2}@{DOMAIN}", f"{user}@{DOMAIN}", kind="lmtp")
    assert [text_of(r) for r in await_replies(shared, user2, 2)][1] == "Another text.\n"
    ctl.run("oof", "off", user)
    send(shared, f"{user2}@{DOMAIN}", f"{user}@{DOMAIN}")
    ctl.run("oof", "set", user, "--from", "now")  # what was decided while it was off stays so
    ctl.run("oof", "set", user, "--inside", "A third text.")
    send(shared, f"{user2}@{DOMAIN}", f"{user}@{DOMAIN}")
    assert [text_of(r) for r in await_replies(shared, user2, 3)][2:] == ["A third text.\n"]
    assert "event=oof_replied" in "".join(shared.lines)


def test_two_who_are_away_answer_each_other_once(shared, user, user2):
    ctl = Ctl(shared)
    for name in user, user2:
        ctl.run("oof", "set", name, "--inside", f"{name} is away.")
    send(shared, f"{user2}@{DOMAIN}", f"{user}@{DOMAIN}")
    await_replies(shared, user2, 1)
    send(shared, f"{user}@{DOMAIN}", f"{user2}@{DOMAIN}")
    await_replies(shared, user, 1)
    assert len(replies(shared, user2)) == 1 and len(replies(shared, user)) == 1


def test_programs_lists_and_others_by_name_are_not_told(shared, user, user2):
    ctl = Ctl(shared)
    ctl.run("oof", "set", user, "--inside", "Away.")
    me, you = f"{user}@{DOMAIN}", f"{user2}@{DOMAIN}"
    for header in ("Auto-Submitted: auto-generated", "Precedence: bulk", "List-Id: <x.test>",
                   "X-Auto-Response-Suppress: OOF", "X-Spam-Flag: YES"):
        send(shared, you, me, header=header + "\r\n")
    with Smtp(shared.port("smtp")) as smtp:  # not addressed
        assert smtp.mail(you, [me], f"To: {you}\r\n\r\nText\r\n".encode())[-1] == 250
    send(shared, "", me)
    assert replies(shared, user2) == []
    send(shared, you, me)  # the tasks are done in their order
    assert len(await_replies(shared, user2, 1)) == 1


@pytest.fixture
def peer():
    made = Peer().start()
    yield made
    made.gate.set()
    made.stop()


def test_others_are_told_their_own_text_where_it_is_wished(own, peer):
    own.start()
    own.set(smtp_out_port=peer.port)
    ctl = Ctl(own)
    stranger = "stranger@[127.0.0.1]"
    ctl.run("oof", "set", "alice", "--inside", "Secret.")
    send(own, stranger, f"alice@{DOMAIN}")
    ctl.run("oof", "set", "alice", "--outside", "@-", input="Not here.\nWrite to bob.\n")
    ident = send(own, "other" + stranger[8:], f"alice@{DOMAIN}")
    wait_until(lambda: peer.mails, what="the reply")
    [(sender, rcpts, data)] = peer.mails
    assert sender == "" and rcpts == ["other" + stranger[8:]]
    reply = email.message_from_bytes(data, policy=email.policy.default)
    assert reply.get_content().splitlines() == ["Not here.", "Write to bob."]
    assert reply["Return-Path"] is None and reply["In-Reply-To"] == ident
    ctl.run("oof", "set", "alice", "--external", "no")
    send(own, "third" + stranger[8:], f"alice@{DOMAIN}")
    send(own, f"bob@{DOMAIN}", f"alice@{DOMAIN}")
    await_replies(own, "bob", 1)
    assert len(peer.mails) == 1


def test_what_is_set_is_shown_and_what_cannot_be_is_refused(shared, user, tmp_path):
    ctl = Ctl(shared)
    assert ctl.json("oof", "show", user)["state"] == "off"
    text = tmp_path / "text"
    text.write_text("Back soon.\n")
    ctl.run("oof", "set", user, "--from", "2026-12-24", "--until", "2099-12-31", "--inside", f"@{text}")
    shown = ctl.json("oof", "show", user)
    assert shown["state"] == "scheduled" and shown["inside"] == "Back soon.\n" and not shown["external"]
    assert shown["until_ms"] - shown["from_ms"] > 70 * 365 * 86400 * 1000
    assert "2026-12-24" in ctl.run("oof", "show", user)
    ctl.run("oof", "set", user, "--from", "now", "--until", "open", "--outside", "Away.")
    shown = ctl.json("oof", "show", user)
    assert shown["state"] == "on" and shown["external"] and shown["outside"] == "Away."
    assert ctl.json("oof", "off", user)["state"] == "off"
    assert ctl.json("oof", "set", user)["inside"] == "Back soon.\n"
    ctl.run("oof", "set", user, "--from", "2026-02-30", status=USAGE)
    ctl.run("oof", "set", user, "--from", "2026-12-24", "--until", "2026-12-01", status=DATAERR)
    ctl.run("oof", "set", user, "--outside", "", "--external", "yes", status=DATAERR)
    ctl.run("oof", "set", user, "--external", "perhaps", status=DATAERR)
    ctl.run("oof", "show", "nobody-there", status=NOUSER)
    assert ctl.json("oof", "show", user)["state"] == "on"


def test_a_time_that_has_not_begun_or_is_over_tells_nobody(shared, user, user2):
    ctl = Ctl(shared)
    for times in ("--from", "2090-01-01", "--until", "2091-01-01"), ("--from", "2000-01-01", "--until", "2001-01-01"):
        ctl.run("oof", "set", user, "--inside", "Away.", *times)
        since = len(shared.lines)
        send(shared, f"{user2}@{DOMAIN}", f"{user}@{DOMAIN}")
        shared.await_line("event=oof_silent", since=since)
    ctl.run("oof", "set", user, "--inside", "Now.", "--from", "2000-01-01", "--until", "open")
    send(shared, f"{user2}@{DOMAIN}", f"{user}@{DOMAIN}")
    assert [text_of(r) for r in await_replies(shared, user2, 1)] == ["Now.\n"]


def test_killed_at_any_moment_each_sender_is_told_exactly_once(own):
    """Many senders write while the server is killed twice; whoever was told 250 has one reply in the end."""
    own.start()
    own.set(relay_networks="127.0.0.0/8")
    ctl = Ctl(own)
    senders = [f"sender{n}" for n in range(24)]
    ctl.run("account", "import", "-", input="".join(f"{s} password {s}\n" for s in senders))
    ctl.run("oof", "set", "alice", "--inside", "Away.")
    lock, left, taken = threading.Lock(), list(senders), []

    def work():
        while True:
            with lock:
                if not left:
                    return
                name = left.pop()
            while True:
                try:
                    send(own, f"{name}@{DOMAIN}", f"alice@{DOMAIN}")
                    break
                except (OSError, AssertionError, Closed):
                    gone.wait(0.05)
            taken.append(name)

    gone = threading.Event()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for share in 6, 14:
        wait_until(lambda: len(taken) >= share, what=f"{share} messages")
        own.kill()
        own.start()
    for thread in threads:
        thread.join()
    for name in senders:
        with Imap(own.port("imap"), name, password="password") as imap:
            count = lambda: len(imap.ok("SELECT INBOX") and imap.ok("UID SEARCH SUBJECT Automatic")[0].split()[2:])
            wait_until(lambda: count() >= 1, what=f"the reply for {name}")
            assert count() == 1, name
    ctl.run("store", "check", "--deep")
