"""A submission given again after a broken connection is one message; its copy in Sent is of the same transaction."""
import base64, itertools, re, sqlite3

import pytest
from peer import Peer
from server import PASSWORD, Imap, Server, Smtp, wait_until
from test_ctl import Ctl

DOMAIN = "example.test"
numbers = itertools.count(1)


class Client:
    """Submits as a user."""

    def __init__(self, server, user):
        self.server, self.user = server, user

    def session(self):
        smtp = Smtp(self.server.port("submission"))
        smtp.command("STARTTLS")
        smtp.starttls()
        smtp.command("EHLO test.example")
        code, _ = smtp.command("AUTH PLAIN " + base64.b64encode(f"\0{self.user}\0{PASSWORD}".encode()).decode())
        assert code == 235
        return smtp

    def submit(self, data, *rcpts):
        with self.session() as smtp:
            codes = smtp.mail(f"{self.user}@{DOMAIN}", rcpts, data)
        assert codes == [250] * (len(rcpts) + 1) + [354, 250], codes

    def submit_and_lose(self, data, *rcpts):
        """The final dot is sent, and the connection is gone before its reply is read."""
        smtp = self.session()
        for command in (f"MAIL FROM:<{self.user}@{DOMAIN}>", *[f"RCPT TO:<{r}>" for r in rcpts], "DATA"):
            smtp.command(command)
        smtp.send(data + b".\r\n")
        smtp.close()

    def imap(self):
        return Imap(self.server.port("imap"), self.user)

    def found(self, folder, ident):
        """UIDs of the message in the folder."""
        with self.imap() as imap:
            imap.ok(f'SELECT "{folder}"')
            return imap.ok(f"UID SEARCH HEADER Message-ID {ident}")[0].split()[2:]


def message(ident, to, body="Hello.\r\n", more=""):
    return (f"Message-ID: {ident}\r\nFrom: me\r\nTo: {to}\r\n{more}Subject: s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            f"\r\n{body}").encode()


def new_id():
    return f"<{next(numbers)}.submission@{DOMAIN}>"


def keep(server, user, word="on"):
    ctl = Ctl(server)
    text = ctl.run("directory", "show", "person", user)
    lines = [l for l in text.splitlines() if not l.startswith("sent_copy")]
    ctl.run("directory", "edit", "person", user, input="\n".join(lines) + f"\nsent_copy = {word}\n")


@pytest.fixture
def sender(shared, user):
    keep(shared, user)
    return Client(shared, user)


@pytest.fixture
def rcpt(shared, user2):
    return Client(shared, user2)


def to(client):
    return f"{client.user}@{DOMAIN}"


def test_lost_before_the_reply_and_given_again_it_is_one_message(shared, sender, rcpt):
    ident = new_id()
    data = message(ident, to(rcpt))
    sender.submit_and_lose(data, to(rcpt))
    sender.submit(data, to(rcpt))  # at once, whatever has become of the first
    wait_until(lambda: rcpt.found("INBOX", ident), what="the message")
    sender.submit(data, to(rcpt))
    assert len(rcpt.found("INBOX", ident)) == 1
    assert len(sender.found("Sent", ident)) == 1
    wait_until(lambda: any(ident in l for l in shared.lines if "event=submission_repeated" in l), what="a line in the log")


def test_it_outlives_the_server(own):
    own.start()
    keep(own, "alice")
    ident, alice, bob = new_id(), Client(own, "alice"), Client(own, "bob")
    data = message(ident, to(bob))
    alice.submit(data, to(bob))
    own.kill()
    own.start()
    alice.submit(data, to(bob))
    assert len(bob.found("INBOX", ident)) == 1 and len(alice.found("Sent", ident)) == 1


def test_other_recipients_or_another_text_are_sent(sender, rcpt):
    ident = new_id()
    sender.submit(message(ident, to(rcpt)), to(rcpt))
    sender.submit(message(ident, to(rcpt)), to(rcpt), to(sender))  # the text is the same: one copy in Sent
    assert len(rcpt.found("INBOX", ident)) == 2 and len(sender.found("INBOX", ident)) == 1
    assert len(sender.found("Sent", ident)) == 1
    sender.submit(message(ident, to(rcpt), "Other.\r\n"), to(rcpt))
    assert len(rcpt.found("INBOX", ident)) == 3
    assert len(sender.found("Sent", ident)) == 2


def test_recipients_in_another_order_are_the_same(sender, rcpt):
    ident = new_id()
    sender.submit(message(ident, to(rcpt)), to(rcpt), to(sender))
    sender.submit(message(ident, to(rcpt)), to(sender), to(rcpt))
    assert len(rcpt.found("INBOX", ident)) == 1 and len(sender.found("INBOX", ident)) == 1


def test_two_people_may_send_the_same(sender, rcpt):
    ident = new_id()
    sender.submit(message(ident, to(rcpt)), to(rcpt))
    rcpt.submit(message(ident, to(rcpt)), to(rcpt))
    assert len(rcpt.found("INBOX", ident)) == 2


def test_without_a_message_id_all_are_sent(sender, rcpt):
    data = message(new_id(), to(rcpt)).split(b"\r\n", 1)[1]
    for _ in range(2):
        sender.submit(data, to(rcpt))
    with rcpt.imap() as imap:
        assert any("EXISTS" in l and l.startswith("* 2 ") for l in imap.ok("SELECT INBOX"))


def test_the_copy_is_seen_and_is_the_message_itself(sender, rcpt):
    ident = new_id()
    sender.submit(message(ident, to(rcpt), more=f"Bcc: {to(rcpt)}\r\n"), to(rcpt))
    with sender.imap() as imap, rcpt.imap() as other:
        imap.ok("SELECT Sent")
        other.ok("SELECT INBOX")
        mine, theirs = (i.ok("FETCH 1 (FLAGS EMAILID BODY.PEEK[])")[0] for i in (imap, other))
    assert "\\Seen" in mine and "\\Seen" not in theirs
    assert re.search(r"EMAILID \((\w+)\)", mine)[1] == re.search(r"EMAILID \((\w+)\)", theirs)[1]
    assert "Bcc:" not in mine and mine[mine.index("BODY["):] == theirs[theirs.index("BODY["):]


def test_a_clients_own_copy_is_the_one_that_lies_there(shared, sender, rcpt):
    ident = new_id()
    data = message(ident, to(rcpt), more=f"Bcc: {to(rcpt)}\r\n")
    sender.submit(data, to(rcpt))
    uid = sender.found("Sent", ident)[0]
    with sender.imap() as imap:
        answer, _ = imap.append("Sent", data, "(\\Seen)")
        assert re.match(rf"OK \[APPENDUID \d+ {uid}\]", answer), answer
        assert sender.found("Sent", ident) == [uid]
        # Elsewhere, of another Message-ID, much larger, or once the copy is gone: as ever.
        assert imap.append("Drafts", data)[0].startswith("OK")
        assert len(sender.found("Drafts", ident)) == 1
        other = new_id()
        imap.append("Sent", message(other, to(rcpt)))
        imap.append("Sent", message(other, to(rcpt)))
        assert len(sender.found("Sent", other)) == 2
        imap.append("Sent", data + b"x" * 70 * 200 + b"\r\n")
        assert len(sender.found("Sent", ident)) == 2
        imap.ok("SELECT Sent")
        imap.ok("STORE 1:* +FLAGS (\\Deleted)")
        imap.ok("EXPUNGE")
        imap.append("Sent", data)
        assert len(sender.found("Sent", ident)) == 1
    wait_until(lambda: any(ident in l for l in shared.lines if "event=imap_append_known" in l), what="a line in the log")


def test_the_folder_is_the_one_with_the_special_use_or_is_made(sender, rcpt):
    with sender.imap() as imap:
        imap.ok("DELETE Sent")
    ident = new_id()
    sender.submit(message(ident, to(rcpt)), to(rcpt))
    assert len(sender.found("Sent", ident)) == 1
    with sender.imap() as imap:
        assert "\\Sent" in imap.ok('LIST "" Sent')[0]
        imap.ok("RENAME Sent Gesendet")
        imap.ok("CREATE Sent")
    ident = new_id()
    sender.submit(message(ident, to(rcpt)), to(rcpt))
    assert len(sender.found("Gesendet", ident)) == 1 and not sender.found("Sent", ident)


def test_off_is_as_before(sqlite):
    sqlite.start()
    sqlite.set(submission_repeat_ms=0)
    ident, alice, bob = new_id(), Client(sqlite, "alice"), Client(sqlite, "bob")
    for _ in range(2):
        alice.submit(message(ident, to(bob)), to(bob))
    assert len(bob.found("INBOX", ident)) == 2 and not alice.found("Sent", ident)
    with alice.imap() as imap:
        for _ in range(2):
            imap.append("Sent", message(ident, to(bob)))
    assert len(alice.found("Sent", ident)) == 2
    sqlite.set(sent_copy="yes")  # for all but those whose document says otherwise
    keep(sqlite, "bob", "off")
    for client, count in ((alice, 1), (bob, 0)):
        ident = new_id()
        client.submit(message(ident, to(alice)), to(alice))
        assert len(client.found("Sent", ident)) == count


def test_what_goes_elsewhere_is_queued_once(sqlite):
    sqlite.start()
    keep(sqlite, "alice")
    peer = Peer().start()
    sqlite.set(smtp_out_port=peer.port)
    ident, alice = new_id(), Client(sqlite, "alice")
    data = message(ident, "bob@[127.0.0.1]")
    alice.submit_and_lose(data, "bob@[127.0.0.1]")
    for _ in range(3):
        alice.submit(data, "bob@[127.0.0.1]")
    ctl = Ctl(sqlite)
    wait_until(lambda: not ctl.json("queue", "list")["recipients"], what="an empty queue")
    assert sum(ident in l for l in sqlite.lines if "event=sent " in l) <= 1
    assert len([l for l in sqlite.lines if "event=queued" in l]) == 1
    assert len(alice.found("Sent", ident)) == 1
    peer.stop()


@pytest.fixture
def away():
    server = Server("postgres").start()
    server.set(store_retry_ms="1 s")
    keep(server, "alice")
    Client(server, "alice").found("Sent", "<none>")  # whoever logs in sees to it that the document is known
    yield server
    server.remove()


def test_given_again_across_the_spool_it_is_one_message(away):
    ident, later = new_id(), new_id()
    alice, bob = Client(away, "alice"), Client(away, "bob")
    away.pg_ctl("stop", "-m", "immediate")
    for _ in range(2):
        alice.submit(message(ident, to(bob)), to(bob))
    assert len([l for l in away.lines if "event=spooled" in l]) == 1
    away.pg_ctl("restart")
    alice.submit(message(ident, to(bob)), to(bob))  # moved already or not
    alice.submit(message(later, to(bob)), to(bob))
    wait_until(lambda: bob.found("INBOX", ident) and bob.found("INBOX", later), 60, "the messages")
    wait_until(lambda: not spooled(away), 60, "an empty spool")
    assert len(bob.found("INBOX", ident)) == 1 and len(alice.found("Sent", ident)) == 1


def spooled(server):
    with sqlite3.connect(server.dir / "data" / "spool" / "posthorse.db", timeout=20) as db:
        return db.execute("SELECT COUNT(*) FROM envelope").fetchone()[0]
